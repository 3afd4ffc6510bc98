{{/*
What the chart installs is what config/ says: files/ holds copies of its objects (`make generate`), and templates change in
them what values ask for. So the two ways to install Sluice cannot differ, and test/chart compares them object by object.
*/}}

{{/*
sluice.objects: the objects of the files that a glob matches, as a JSON list, moved into the release's namespace.
In: root, glob, and optionally rename, a dict of regular expressions and what replaces them.
*/}}
{{- define "sluice.objects" -}}
{{- $root := .root }}
{{- $rename := .rename | default dict }}
{{- $objects := list }}
{{- range $path, $_ := $root.Files.Glob .glob }}
{{- $text := $root.Files.Get $path | replace "sluice-system" $root.Release.Namespace }}
{{- range $from, $to := $rename }}{{ $text = regexReplaceAll $from $text $to }}{{ end }}
{{- range splitList "\n---\n" $text }}
{{- with fromYaml . }}{{ $objects = append $objects . }}{{ end }}
{{- end }}
{{- end }}
{{- $objects | toJson }}
{{- end }}

{{/*
sluice.print: an object with the labels and annotations that all have. In: root, object.
*/}}
{{- define "sluice.print" -}}
{{- $labels := dict "app.kubernetes.io/part-of" "sluice" "app.kubernetes.io/managed-by" .root.Release.Service "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- $_ := set .object.metadata "labels" (mustMergeOverwrite (dict) $labels (.object.metadata.labels | default dict) .root.Values.commonLabels) }}
{{- $annotations := mustMergeOverwrite (dict) (.object.metadata.annotations | default dict) .root.Values.commonAnnotations }}
{{- $_ := unset .object.metadata "annotations" }}
{{- if $annotations }}{{ $_ := set .object.metadata "annotations" $annotations }}{{ end }}
---
{{ toYaml .object }}
{{- end }}

{{/*
sluice.process: the objects of one of our processes. In: root, process (its name), flags (dict of name and value; empty ones
are left out), dashes (of its flags).
*/}}
{{- define "sluice.process" -}}
{{- $in := . }}
{{- $v := .root.Values }}
{{- range include "sluice.objects" (dict "root" .root "glob" (printf "files/%s/*.yaml" .process)) | fromJsonArray }}
{{- $wanted := true }}
{{- if eq .kind "Deployment" }}
{{- include "sluice.deployment" (merge (dict "object" .) $in) }}
{{- else if eq .kind "ServiceAccount" }}
{{- $wanted = $v.serviceAccount.create }}
{{- if $v.serviceAccount.annotations }}{{ $_ := set .metadata "annotations" $v.serviceAccount.annotations }}{{ end }}
{{- else if eq .kind "PodDisruptionBudget" }}
{{- $wanted = $v.podDisruptionBudget.enabled }}
{{- include "sluice.budget" (dict "root" $in.root "object" .) }}
{{- else if eq .kind "NetworkPolicy" }}
{{- $wanted = $v.networkPolicy.enabled }}
{{- else if hasPrefix "rbac." .apiVersion }}
{{- $wanted = and $v.rbac.create (or $v.configTracking.enabled (ne .metadata.name "sluice-canary-config-tracking")) }}
{{- else if hasSuffix "WebhookConfiguration" .kind }}
{{- include "sluice.failurePolicies" (dict "root" $in.root "object" .) }}
{{- if $v.enableCertManager }}
{{- $from := printf "%s/sluice-webhook-tls" $in.root.Release.Namespace }}
{{- $_ := set .metadata "annotations" (mustMergeOverwrite (dict) (.metadata.annotations | default dict) (dict "cert-manager.io/inject-ca-from" $from)) }}
{{- end }}
{{- end }}
{{- if $wanted }}{{ include "sluice.print" (dict "root" $in.root "object" .) }}{{ end }}
{{- end }}
{{- end }}

{{/* sluice.budget: a PodDisruptionBudget as values ask for it. In: root, object. */}}
{{- define "sluice.budget" -}}
{{- $least := .root.Values.podDisruptionBudget.minAvailable }}
{{- if not (kindIs "invalid" $least) }}
{{- $_ := unset .object.spec "maxUnavailable" }}
{{- $_ := set .object.spec "minAvailable" $least }}
{{- end }}
{{- end }}

{{/*
sluice.failurePolicies: what fails closed by default can be opened. What is open by default stays open: a rollback must not
wait for anybody. In: root, object.
*/}}
{{- define "sluice.failurePolicies" -}}
{{- $policies := .root.Values.failurePolicy }}
{{- range .object.webhooks }}
{{- if eq .failurePolicy "Fail" }}
{{- $_ := set . "failurePolicy" (ternary $policies.pods $policies.objects (eq .name "mpod.sluice.dev")) }}
{{- end }}
{{- end }}
{{- end }}

{{/* sluice.texts: a ConfigMap of files. In: root, name, files (their names), and optionally labels and annotations. */}}
{{- define "sluice.texts" -}}
{{- $data := dict }}
{{- range .files }}{{ $_ := set $data . ($.root.Files.Get (printf "files/texts/%s" .)) }}{{ end }}
{{- $metadata := dict "name" .name "namespace" .root.Release.Namespace "labels" (.labels | default dict) "annotations" (.annotations | default dict) }}
{{- include "sluice.print" (dict "root" .root "object" (dict "apiVersion" "v1" "kind" "ConfigMap" "metadata" $metadata "data" $data)) }}
{{- end }}
