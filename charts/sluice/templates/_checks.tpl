{{/*
sluice.checks: values that were right for App Mesh's controller or for Flagger and would break here stop the installation,
with a sentence that says what to write instead.
*/}}
{{- define "sluice.checks" -}}
{{- $v := .Values }}
{{- range $path, $image := dict "image" $v.image "sidecar.image" $v.sidecar.image "init.image" $v.init.image }}
{{- if regexMatch "appmesh-controller|aws-appmesh|/flagger(-loadtester)?$" ($image.repository | toString) }}
{{- fail (printf "%s.repository is %s, an image of App Mesh or Flagger: leave it out to get ours" $path $image.repository) }}
{{- end }}
{{- end }}
{{- if and $v.tracing.enabled (has $v.tracing.provider (list "" "x-ray")) }}
{{- fail (printf "tracing.provider is %q, and upstream Envoy has no X-Ray tracer: choose opentelemetry, with AWS's collector behind it, or jaeger or datadog, or set tracing.enabled to false" $v.tracing.provider) }}
{{- end }}
{{- if and $v.meshProvider (not (hasPrefix "appmesh" $v.meshProvider)) }}
{{- fail (printf "meshProvider is %s, and there is one provider, appmesh: leave it out, and leave Canaries of other providers to Flagger" $v.meshProvider) }}
{{- end }}
{{- end }}

{{/* sluice.ignored: one line for each value that is set and has no effect. */}}
{{- define "sluice.ignored" -}}
{{- range $path, $why := .Files.Get "ignored.yaml" | fromYaml }}
{{- $value := $.Values }}
{{- range splitList "." $path }}
{{- $value = ternary (index ($value | default dict) .) nil (kindIs "map" $value) }}
{{- end }}
{{- if $value }}
  {{ $path }}: {{ $why }}
{{- end }}
{{- end }}
{{- end }}
