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

{{- /* Numbers of a values file are floating: a large one would be printed as 5.24288e+06, which is no size. */ -}}
{{- define "shipper.value" -}}
{{- if kindIs "float64" . }}{{ toJson . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{- /* Options of a section, a line each. */ -}}
{{- define "shipper.options" -}}
{{- range $name, $value := . }}
    {{ $name }}  {{ include "shipper.value" $value }}
{{- end }}
{{- end -}}

{{- define "shipper.conf" -}}
[SERVICE]
    Flush         {{ .Values.service.flush }}
    Grace         {{ .Values.service.grace }}
    Log_Level     {{ .Values.service.logLevel }}
    Parsers_File  parsers.conf
    Memory_Limit  {{ include "shipper.value" .Values.service.memoryLimit }}
    HTTP_Server   on
    HTTP_Listen   0.0.0.0
    HTTP_Port     2020

[INPUT]
    Name              tail
    Tag               kube.*
    Path              /var/log/containers/*.log
    multiline.parser  docker, cri
    DB                /var/lib/shipper/pos.db
    Read_From_Head    on
{{- include "shipper.options" .Values.tail }}

[FILTER]
    Name                kubernetes
    Match               kube.*
    Merge_Log           on
    Keep_Log            off
    K8S-Logging.Parser  on
    K8S-Logging.Exclude on
{{- include "shipper.options" .Values.kubernetes }}

[OUTPUT]
{{- if eq .Values.output.kind "kafka" }}
    Name     kafka
    Match    *
    Brokers  {{ .Values.output.kafka.brokers }}
    Topics   {{ .Values.output.kafka.topic }}
{{- else if eq .Values.output.kind "forward" }}
    Name                  forward
    Match                 *
    Host                  {{ .Values.output.forward.host }}
    Port                  {{ .Values.output.forward.port }}
    Require_ack_response  on
{{- else }}
{{- fail (printf "output.kind must be forward or kafka, not %q" .Values.output.kind) }}
{{- end }}
{{- include "shipper.options" .Values.output.options }}
{{- with .Values.extraConfig }}

{{ . | trim }}
{{- end }}
{{- end -}}
