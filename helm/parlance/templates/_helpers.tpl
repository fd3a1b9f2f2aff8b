{{- define "parlance.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Name of an object: (list $root "account"). */ -}}
{{- define "parlance.name" -}}
{{- printf "%s-%s" (include "parlance.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{- /* What never changes for a pod: (list $root "account"). */ -}}
{{- define "parlance.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* Labels of every object: (list $root "account"), with the version that runs as a third if it differs. */ -}}
{{- define "parlance.labels" -}}
{{- $root := index . 0 -}}
{{- $version := $root.Values.image.tag | default $root.Chart.AppVersion -}}
{{- if gt (len .) 2 }}{{ $version = index . 2 }}{{ end -}}
{{ include "parlance.selector" (list $root (index . 1)) }}
app.kubernetes.io/version: {{ $version | trunc 63 | quote }}
app.kubernetes.io/part-of: parlance
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- /* (list $root "account" $tag) */ -}}
{{- define "parlance.image" -}}
{{- $root := index . 0 -}}
{{- $tag := index . 2 -}}
{{- if hasPrefix "sha256:" $tag -}}
{{- printf "%s/%s@%s" $root.Values.image.registry (index . 1) $tag -}}
{{- else -}}
{{- printf "%s/%s:%s" $root.Values.image.registry (index . 1) $tag -}}
{{- end -}}
{{- end -}}

{{- define "parlance.tag" -}}
{{- $root := index . 0 -}}
{{- (index . 1).tag | default $root.Values.image.tag | default $root.Chart.AppVersion -}}
{{- end -}}

{{- /* The Pod Security standard "restricted"; the argument is the user's number. */ -}}
{{- define "parlance.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "parlance.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "parlance.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Where pods go: (list $root "account"). */ -}}
{{- define "parlance.placement" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.podPlacement.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.podPlacement.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.podPlacement.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "parlance.selector" $ | nindent 8 }}
{{- end }}
{{- end -}}

{{- /* A list of addresses as a setting takes it. */ -}}
{{- define "parlance.kafkaBrokers" -}}
{{- if .Values.devServers.enabled -}}
{{- printf "%s:9092" (include "parlance.name" (list . "kafka")) -}}
{{- else -}}
{{- .Values.kafka.brokers -}}
{{- end -}}
{{- end -}}
