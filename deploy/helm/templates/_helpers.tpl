{{/* The labels of everything: (dict "root" $ "component" "api") */}}
{{- define "qs.labels" -}}
{{ include "qs.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "qs.selector" -}}
app.kubernetes.io/name: qs
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "qs.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Settings, and the files of secrets: (dict "root" $ "settings" dict "secrets" dict) */}}
{{- define "qs.environment" -}}
{{- $settings := merge (dict) .settings .root.Values.settings -}}
{{- if .root.Values.externalClock.enabled -}}
{{- $_ := set $settings "QS_CLOCK__INTERNAL" "false" -}}
{{- end -}}
{{- range $name, $value := $settings }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $name, $_ := merge (dict) .secrets .root.Values.secrets }}
- name: {{ $name }}_FILE
  value: /run/secrets/qs/{{ $name }}
{{- end }}
{{- end }}

{{/* What makes a pod one that may run where the standard `restricted` is enforced. */}}
{{- define "qs.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "qs.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
{{- end }}

{{- define "qs.mounts" -}}
volumeMounts:
  - name: secrets
    mountPath: /run/secrets/qs
    readOnly: true
  - name: scratch
    mountPath: /tmp
  - name: home
    mountPath: /var/lib/qs
{{- with .root.Values.volumeMounts }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end }}

{{/* (dict "root" $ "secrets" dict) */}}
{{- define "qs.volumes" -}}
volumes:
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
{{- range $name, $secret := merge (dict) .secrets .root.Values.secrets }}
        - secret:
            name: {{ $secret.name }}
            items:
              - key: {{ $secret.key }}
                path: {{ $name }}
{{- end }}
  - name: scratch
    emptyDir:
      sizeLimit: 64Mi
  - name: home
    emptyDir:
      sizeLimit: 64Mi
{{- with .root.Values.volumes }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end }}

{{/* Where pods of a component run: apart from one another, if that can be. */}}
{{- define "qs.placement" -}}
{{- $selector := include "qs.selector" . -}}
topologySpreadConstraints:
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
{{ $selector | indent 8 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What holds for a Deployment: (dict "root" $ "name" "qs-api" "component" "api" "size" .Values.api) */}}
{{- define "qs.scaling" -}}
{{- if .size.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  labels:
{{ include "qs.labels" . | indent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name }}
  minReplicas: {{ .size.autoscaling.min }}
  maxReplicas: {{ .size.autoscaling.max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .size.autoscaling.cpuPercent }}
  behavior:
    scaleDown:
      # Ending a pod is cheap, starting one takes seconds of CPU.
      stabilizationWindowSeconds: 300
{{- end }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
{{ include "qs.labels" . | indent 4 }}
spec:
  maxUnavailable: 1
  # A pod that is not ready holds up no drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
{{ include "qs.selector" . | indent 6 }}
{{- end }}
