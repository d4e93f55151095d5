{{- define "shipper.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "shipper.account" -}}
{{- default (include "shipper.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "shipper.selector" -}}
app.kubernetes.io/name: shipper
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "shipper.labels" -}}
{{ include "shipper.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Numbers of a values file are floats: a large one would print as 5.24288e+06, which is not a valid size. */ -}}
{{- define "shipper.value" -}}
{{- if kindIs "float64" . }}{{ toJson . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{- /* Options of a section, one per line. */ -}}
{{- define "shipper.options" -}}
{{- range $name, $value := . }}
    {{ $name }}  {{ include "shipper.value" $value }}
{{- end }}
{{- end -}}

{{- /* Options of a section: `more`, from the values, and those of `own` that `more` does not replace. */ -}}
{{- define "shipper.section" -}}
{{- $given := dict -}}
{{- range $name, $_ := .more }}{{ $_ := set $given (lower $name) true }}{{ end -}}
{{- range .own }}
{{- if not (hasKey $given (lower (first .))) }}
    {{ printf "%-19s" (first .) }} {{ last . }}
{{- end }}
{{- end }}
{{- include "shipper.options" .more }}
{{- end -}}

{{- define "shipper.serviceSection" -}}
[SERVICE]
    Flush         {{ .Values.service.flush }}
    Grace         {{ .Values.service.grace }}
    Log_Level     {{ .Values.service.logLevel }}
    {{- if .parsers }}
    Parsers_File  parsers.conf
    {{- end }}
    Memory_Limit  {{ include "shipper.value" .Values.service.memoryLimit }}
    HTTP_Server   on
    HTTP_Listen   {{ .Values.service.httpListen }}
    HTTP_Port     2020
{{- end -}}

{{- define "shipper.output" -}}
[OUTPUT]
    Name                {{ .Values.output.kind }}
{{- $output := list (list "Match" "*") }}
{{- if eq .Values.output.kind "kafka" }}
{{- $output = concat $output (list
  (list "Brokers" .Values.output.kafka.brokers)
  (list "Topics" .Values.output.kafka.topic))
}}
{{- else if eq .Values.output.kind "forward" }}
{{- $output = concat $output (list
  (list "Host" .Values.output.forward.host)
  (list "Port" .Values.output.forward.port)
  (list "Require_ack_response" "on"))
}}
{{- else }}
{{- fail (printf "output.kind must be forward or kafka, not %q" .Values.output.kind) }}
{{- end }}
{{- include "shipper.section" (dict "own" $output "more" .Values.output.options) }}
{{- end -}}

{{- define "shipper.conf" -}}
{{ include "shipper.serviceSection" (dict "Values" .Values "parsers" true) }}

[INPUT]
    Name                tail
{{- $tail := list
  (list "Tag" "kube.*")
  (list "Path" "/var/log/containers/*.log")
  (list "multiline.parser" "docker, cri")
  (list "DB" "/var/lib/shipper/pos.db")
  (list "Read_From_Head" "on")
}}
{{- include "shipper.section" (dict "own" $tail "more" .Values.tail) }}
{{- if .Values.kmsg.enabled }}

[INPUT]
    Name                kmsg
{{- $kmsg := list (list "Tag" "kmsg") (list "DB" "/var/lib/shipper/pos.db") }}
{{- include "shipper.section" (dict "own" $kmsg "more" .Values.kmsg.options) }}
{{- end }}
{{- if .Values.dockerEvents.enabled }}

[INPUT]
    Name                docker_events
{{- $docker := list
  (list "Tag" "docker_events")
  (list "Unix_Path" .Values.dockerEvents.socket)
  (list "DB" "/var/lib/shipper/pos.db")
}}
{{- include "shipper.section" (dict "own" $docker "more" .Values.dockerEvents.options) }}
{{- end }}

[FILTER]
    Name                kubernetes
{{- $kubernetes := list
  (list "Match" "kube.*")
  (list "Merge_Log" "on")
  (list "Keep_Log" "off")
  (list "K8S-Logging.Parser" "on")
  (list "K8S-Logging.Exclude" "on")
}}
{{- include "shipper.section" (dict "own" $kubernetes "more" .Values.kubernetes) }}

{{ include "shipper.output" . }}
{{- with .Values.extraConfig }}

{{ . | trim }}
{{- end }}
{{- end -}}

{{- define "shipper.events" -}}
{{- printf "%s-events" (include "shipper.name" . | trunc 56 | trimSuffix "-") -}}
{{- end -}}

{{- define "shipper.eventsSelector" -}}
app.kubernetes.io/name: shipper-events
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "shipper.eventsLabels" -}}
{{ include "shipper.eventsSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "shipper.eventsConf" -}}
{{ include "shipper.serviceSection" (dict "Values" .Values "parsers" false) }}

[INPUT]
    Name                kubernetes_events
{{- $events := list (list "Tag" "kube_events") (list "DB" "/var/lib/shipper/events.db") }}
{{- include "shipper.section" (dict "own" $events "more" .Values.kubernetesEvents.options) }}

{{ include "shipper.output" . }}
{{- end -}}
