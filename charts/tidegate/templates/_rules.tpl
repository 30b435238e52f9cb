{{- /* The rules of deploy/rbac.yaml; a test compares them. */ -}}
{{- define "tidegate.rules" -}}
- apiGroups: [tidegate.dev]
  resources: [rollouts]
  verbs: [get, list, watch, patch]
- apiGroups: [tidegate.dev]
  resources: [rollouts/status]
  verbs: [update, patch]
- apiGroups: [tidegate.dev]
  resources: [checktemplates]
  verbs: [list, watch]
{{- if not .Values.watchNamespace }}
- apiGroups: [tidegate.dev]
  resources: [clusterchecktemplates]
  verbs: [list, watch]
{{- end }}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes, tlsroutes, tcproutes]
  verbs: [get, list, watch, update]
- apiGroups: [networking.istio.io, gateway.solo.io]
  resources: [virtualservices]
  verbs: [get, list, watch, update]
- apiGroups: [projectcontour.io]
  resources: [httpproxies]
  verbs: [get, list, watch, update]
- apiGroups: [traefik.io]
  resources: [ingressroutes, ingressroutetcps, traefikservices]
  verbs: [get, list, watch, update]
- apiGroups: [policy.linkerd.io]
  resources: [httproutes]
  verbs: [get, list, watch, update]
- apiGroups: [kuma.io]
  resources: [meshhttproutes]
  verbs: [get, list, watch, update]
- apiGroups: [apisix.apache.org]
  resources: [apisixroutes]
  verbs: [get, list, watch, update]
{{- if not .Values.watchNamespace }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [referencegrants]
  verbs: [list, watch]
{{- end }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
{{- if not .Values.watchNamespace }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses]
  verbs: [get]
{{- end }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [backendtlspolicies]
  verbs: [list]
- apiGroups: [gateway.networking.x-k8s.io]
  resources: [xbackendtrafficpolicies]
  verbs: [list]
- apiGroups: [gateway.envoyproxy.io]
  resources: [backendtrafficpolicies]
  verbs: [list]
- apiGroups: [networking.gke.io]
  resources: [healthcheckpolicies, gcpbackendpolicies]
  verbs: [list]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [list]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
{{- if .Values.jobs.enabled }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, create, delete]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get]
{{- end }}
{{- if and .Values.jobs.enabled .Values.jobs.logs }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- if not .Values.track.namespaces }}
{{- include "tidegate.trackRules" . }}
{{- end }}
{{- if include "tidegate.asksForNamespaces" . }}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
{{- define "tidegate.trackRules" -}}
{{- if .Values.track.configMaps }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch]
{{- end }}
{{- if .Values.track.secrets }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
{{- end }}
{{- end -}}
{{- /* Whether some route of notifications goes by the labels of namespaces. */ -}}
{{- define "tidegate.asksForNamespaces" -}}
{{- range .Values.notifications.routes }}{{ if dig "namespaces" "labels" "" . }}yes{{ end }}{{ end }}
{{- end -}}
