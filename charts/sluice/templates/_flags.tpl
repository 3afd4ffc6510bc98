{{/* sluice.level: the log level for a flag; nothing if it is the process's own default. In: level, default. */}}
{{- define "sluice.level" -}}
{{- $level := first . | replace "warning" "warn" }}
{{- if ne $level (last .) }}{{ $level }}{{ end }}
{{- end }}
