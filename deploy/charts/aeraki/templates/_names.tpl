{{/* The name of all objects. */}}
{{- define "aeraki.name" -}}
{{- .Values.fullnameOverride | default "aeraki" -}}
{{- end -}}

{{- define "aeraki.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "aeraki.name" .) -}}
{{- end -}}

{{- define "aeraki.labels" -}}
app.kubernetes.io/name: aeraki
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Go Aeraki's selector: a Deployment's cannot be changed in place. */}}
{{- define "aeraki.selector" -}}
app: {{ include "aeraki.name" . }}
{{- end -}}

{{- define "aeraki.subject" -}}
- kind: ServiceAccount
  name: {{ include "aeraki.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- define "aeraki.rootNamespace" -}}
{{- .Values.istio.rootNamespace | default .Release.Namespace -}}
{{- end -}}

{{- define "aeraki.istiodAddress" -}}
{{- $port := .Values.istio.plaintext | default false | ternary 15010 15012 -}}
{{- .Values.istio.istiodAddress | default (printf "istiod.%s.svc:%d" (include "aeraki.rootNamespace" .) $port) -}}
{{- end -}}

{{- define "aeraki.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
