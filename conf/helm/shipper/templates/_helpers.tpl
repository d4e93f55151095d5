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

{{- /* Options without which an output does not start. */ -}}
{{- define "shipper.required" -}}
s3: [bucket]
kinesis: [stream, region]
kinesis_streams: [stream, region]
kinesis_firehose: [delivery_stream, region]
firehose: [delivery_stream, region]
kinesis_aggregation: [stream_name]
cloudwatch_logs: [region, log_group_name]
cloudwatch: [region, log_group_name]
datadog: [apikey]
{{- end -}}

{{- /* Options with secrets, of all outputs. */ -}}
{{- define "shipper.secrets" -}}
names:
  - api_key
  - apikey
  - authorization_endpoint_bearer_token
  - authorization_endpoint_password
  - aws_external_id
  - aws_key_id
  - aws_sec_key
  - bearer_token
  - cloud_auth
  - external_id
  - header
  - http_api_key
  - http_passwd
  - http_proxy
  - license_key
  - oauth2.client_secret
  - proxy
  - sasl_password
  - shared_key
  - splunk_token
  - tls.key_passwd
  - upstream
{{- end -}}

{{- /* Variable with an option of output.secretOptions. */ -}}
{{- define "shipper.variable" -}}
SHIPPER_{{ upper . | replace "." "_" }}
{{- end -}}

{{- define "shipper.hasCa" -}}
{{- with .Values.output.tls }}{{ if or .caSecret .caConfigMap }}yes{{ end }}{{ end -}}
{{- end -}}

{{- /* What the output needs of a container: its environment and mounts, and volumes of the pod. */ -}}
{{- define "shipper.outputEnv" -}}
{{- range $name, $from := .Values.output.secretOptions }}
- name: {{ include "shipper.variable" $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.secret }}
      key: {{ $from.key }}
{{- end }}
{{- end -}}

{{- define "shipper.outputMounts" -}}
{{- if include "shipper.hasCa" . }}
- name: output-ca
  mountPath: /etc/shipper-ca
  readOnly: true
{{- end }}
{{- with .Values.output.tls.clientSecret }}
- name: output-certificate
  mountPath: /etc/shipper-certificate
  readOnly: true
{{- end }}
{{- end -}}

{{- define "shipper.outputVolumes" -}}
{{- with .Values.output.tls }}
{{- if .caSecret }}
- name: output-ca
  secret:
    secretName: {{ .caSecret }}
{{- else if .caConfigMap }}
- name: output-ca
  configMap:
    name: {{ .caConfigMap }}
{{- end }}
{{- with .clientSecret }}
- name: output-certificate
  secret:
    secretName: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Annotations of service accounts. */ -}}
{{- define "shipper.accountAnnotations" -}}
{{- with .Values.aws.roleArn }}
eks.amazonaws.com/role-arn: {{ . | quote }}
{{- end }}
{{- with .Values.serviceAccount.annotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Fails for an option of the output that is missing, or is a secret in clear text. */ -}}
{{- define "shipper.checkOutput" -}}
{{- $kind := .Values.output.kind -}}
{{- $given := dict -}}
{{- $secrets := (include "shipper.secrets" . | fromYaml).names -}}
{{- range $name, $value := .Values.output.options }}
{{- $_ := set $given (lower $name) true }}
{{- if and (has (lower $name) $secrets) (not (regexMatch "^(\\$\\{[A-Za-z_][A-Za-z0-9_.]*\\})+$" (toString $value))) }}
{{- fail (printf "output.options.%s is a secret, and would be in clear text in a ConfigMap: use output.secretOptions.%s with {secret: NAME, key: KEY}" $name $name) }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Values.output.secretOptions }}{{ $_ := set $given (lower $name) true }}{{ end -}}
{{- range index (include "shipper.required" . | fromYaml) $kind }}
{{- if not (hasKey $given .) }}
{{- fail (printf "output.options.%s is missing: the output %s requires it" . $kind) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "shipper.output" -}}
{{- include "shipper.checkOutput" . -}}
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
{{- end }}
{{- if or (include "shipper.hasCa" .) .Values.output.tls.clientSecret }}
{{- $output = append $output (list "tls" "on") }}
{{- end }}
{{- if include "shipper.hasCa" . }}
{{- $output = append $output (list "tls.ca_file" (printf "/etc/shipper-ca/%s" .Values.output.tls.caKey)) }}
{{- end }}
{{- if .Values.output.tls.clientSecret }}
{{- $output = append $output (list "tls.crt_file" "/etc/shipper-certificate/tls.crt") }}
{{- $output = append $output (list "tls.key_file" "/etc/shipper-certificate/tls.key") }}
{{- end }}
{{- range $name, $_ := .Values.output.secretOptions }}
{{- $output = append $output (list $name (printf "${%s}" (include "shipper.variable" $name))) }}
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
