{{/* What the controller writes, beside the Lease. */}}
{{- define "aeraki.reportRules" -}}
- apiGroups: [redis.aeraki.io]
  resources: [redisservices/status, redisdestinations/status]
  verbs: [update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What it reads. */}}
{{- define "aeraki.readRules" -}}
- apiGroups: [networking.istio.io]
  resources: [serviceentries, virtualservices, destinationrules]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [redis.aeraki.io]
  resources: [redisservices, redisdestinations]
  verbs: [get, list, watch]
{{- end -}}
