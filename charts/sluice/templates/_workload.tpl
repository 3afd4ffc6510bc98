{{/* sluice.image: the reference of an image. In: root, image (repository, tag, digest). */}}
{{- define "sluice.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* sluice.pull: how the pod of an object gets our own image. In: root, object. */}}
{{- define "sluice.pull" -}}
{{- $v := .root.Values }}
{{- $pod := .object.spec.template.spec }}
{{- $container := first $pod.containers }}
{{- $_ := set $container "image" (include "sluice.image" (dict "root" .root "image" $v.image)) }}
{{- $_ := set $container "imagePullPolicy" $v.image.pullPolicy }}
{{- $secrets := $v.imagePullSecrets }}
{{- with $v.image.pullSecret }}{{ $secrets = append $secrets (dict "name" .) }}{{ end }}
{{- with $secrets }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end }}
{{- end }}

{{/*
sluice.deployment: changes the Deployment of a process as values ask for it. In: root, object, process, flags, dashes.
*/}}
{{- define "sluice.deployment" -}}
{{- $v := .root.Values }}
{{- $own := index $v .process }}
{{- $spec := .object.spec }}
{{- $pod := $spec.template.spec }}
{{- $container := first $pod.containers }}
{{- include "sluice.pull" . }}
{{- $replicas := ternary $v.leaderElection.replicaCount (ternary $v.replicaCount $own.replicaCount (kindIs "invalid" $own.replicaCount)) (eq .process "canary") }}
{{- if not (kindIs "invalid" $replicas) }}{{ $_ := set $spec "replicas" $replicas }}{{ end }}
{{- $_ := set .object.metadata "labels" (mustMergeOverwrite .object.metadata.labels $v.deploymentLabels) }}
{{- with $v.annotations }}{{ $_ := set $.object.metadata "annotations" . }}{{ end }}
{{- $_ := set $spec.template.metadata "labels" (mustMergeOverwrite (dict) $v.podLabels $spec.template.metadata.labels) }}
{{- with $v.podAnnotations }}{{ $_ := set $spec.template.metadata "annotations" . }}{{ end }}
{{- $_ := set $pod "priorityClassName" $v.podPriorityClassName }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with index $v $key }}{{ $_ := set $pod $key . }}{{ end }}
{{- end }}
{{- $_ := set $container "resources" (mustMergeOverwrite (dict) $container.resources $v.resources $own.resources) }}
{{- include "sluice.security" (dict "values" $v.securityContext "pod" $pod "container" $container) }}
{{- $env := $v.env }}
{{- if kindIs "map" $env }}
{{- $env = list }}
{{- range $name, $value := $v.env }}{{ $env = append $env (dict "name" $name "value" (toString $value)) }}{{ end }}
{{- end }}
{{- with $env }}{{ $_ := set $container "env" (concat $container.env .) }}{{ end }}
{{- with $v.additionalVolumes }}{{ $_ := set $pod "volumes" (concat ($pod.volumes | default list) .) }}{{ end }}
{{- with $v.additionalVolumeMounts }}{{ $_ := set $container "volumeMounts" (concat ($container.volumeMounts | default list) .) }}{{ end }}
{{- include "sluice.arguments" (dict "container" $container "flags" .flags "dashes" .dashes "extra" $own.extraArgs) }}
{{- end }}

{{/* sluice.security: the security context of a container of ours. In: values, pod, container. */}}
{{- define "sluice.security" -}}
{{- if .values.enabled }}
{{- $_ := set .container "securityContext" (mustMergeOverwrite (dict) .container.securityContext .values.context) }}
{{- else }}
{{- $_ := unset .container "securityContext" }}
{{- $_ := unset .pod.securityContext "runAsUser" }}
{{- $_ := unset .pod.securityContext "fsGroup" }}
{{- end }}
{{- end }}

{{/*
sluice.arguments: the flags of a container. Those of values win over those of config/. In: container, flags, dashes, extra.
*/}}
{{- define "sluice.arguments" -}}
{{- $in := . }}
{{- $arguments := list }}
{{- range .container.args | default list }}
{{- if not (hasKey $in.flags (first (splitList "=" .) | trimAll "-")) }}{{ $arguments = append $arguments . }}{{ end }}
{{- end }}
{{- range $name, $value := .flags }}
{{- if and (ne (toString $value) "") (not (kindIs "invalid" $value)) }}{{ $arguments = append $arguments (printf "%s%s=%v" $in.dashes $name $value) }}{{ end }}
{{- end }}
{{- $arguments = concat $arguments (.extra | default list) }}
{{- if $arguments }}{{ $_ := set .container "args" $arguments }}{{ end }}
{{- end }}
