{{/* Labels of everything of an installation; the argument is a list of the root and the name of a component. */}}
{{- define "tapir.labels" -}}
app.kubernetes.io/name: tapir-{{ index . 1 }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: tapir
{{- end }}

{{/* Labels that a component's pods are found by. */}}
{{- define "tapir.selector" -}}
app.kubernetes.io/name: tapir-{{ . }}
{{- end }}

{{/* The image of a component. */}}
{{- define "tapir.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.prefix }}/tapir-{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{/* The user name of a component's service account at the API server. */}}
{{- define "tapir.user" -}}
system:serviceaccount:{{ (index . 0).Release.Namespace }}:tapir-{{ index . 1 }}
{{- end }}
