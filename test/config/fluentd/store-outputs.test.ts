import { expect, test } from 'bun:test'
import { findOption } from '../../../src/core/options/parse.ts'
import { registry } from '../../../src/registry.ts'
import { optionsOf, type Translated, translated } from './reading.ts'

function read(text: string): Translated {
  const result = translated(text)
  expect(result.reported).toEqual([])
  return result
}

const match = (lines: string): string => `<match a.**>\n${lines}\n</match>\n`

/** A <match> of each plugin, and the options of the output that it becomes. */
const CASES: Record<string, { text: string; output: string; options: string[]; warned?: string[] }> = {
  'elasticsearch by day': {
    text: '@type elasticsearch\nhost es.example.org\nport 9243\nscheme https\nuser u\npassword p\nssl_verify false\nca_file /ca.pem\nlogstash_format true\nlogstash_prefix app.${tag}\ninclude_tag_key true\nid_key id\nwrite_operation index\nrequest_timeout 15s\nreload_connections false\ntype_name _doc\ncompression_level best_speed\ntemplate_name t',
    output: 'es',
    options: [
      'Host es.example.org',
      'Port 9243',
      'HTTP_User u',
      'HTTP_Passwd p',
      'tls.ca_file /ca.pem',
      'Logstash_Format on',
      'Include_Tag_Key on',
      'Id_Key id',
      'Write_Operation index',
      'Http.Response_Timeout 15s',
      'tls on',
      'Logstash_Prefix app.$TAG',
      'tls.verify off',
      'Compress gzip',
      'Tag_Key tag',
    ],
    warned: ['template_name'],
  },
  'elasticsearch with a URL': {
    text: '@type elasticsearch\nhosts https://u:p@es.example.org/sub\nindex_name ${$.kubernetes.namespace_name}-%Y.%m',
    output: 'es',
    options: [
      'Host es.example.org',
      'Port 443',
      'tls on',
      'HTTP_User u',
      'HTTP_Passwd p',
      'Path /sub',
      "Index $kubernetes['namespace_name']-%Y.%m",
    ],
  },
  'elasticsearch without anything': {
    text: '@type elasticsearch',
    output: 'es',
    options: ['Host 127.0.0.1', 'Index fluentd'],
  },
  'opensearch on AWS': {
    text: '@type opensearch\nindex_name logs\n<endpoint>\nurl https://d.eu-west-1.es.amazonaws.com\nregion eu-west-1\nassume_role_arn arn:aws:iam::123456789012:role/r\n</endpoint>',
    output: 'opensearch',
    options: [
      'Host 127.0.0.1',
      'Index logs',
      'AWS_Region eu-west-1',
      'AWS_Role_ARN arn:aws:iam::123456789012:role/r',
      'Host d.eu-west-1.es.amazonaws.com',
      'Port 443',
      'tls on',
      'AWS_Auth on',
    ],
  },
  'opensearch data stream': {
    text: '@type opensearch_data_stream\nhost o\ndata_stream_name logs-app\ndata_stream_template_name x',
    output: 'opensearch',
    options: ['Host o', 'Index logs-app'],
    warned: ['data_stream_template_name'],
  },
  http: {
    text: '@type http\nendpoint https://in.example.org/v1?x=1\nopen_timeout 2\njson_array true\nheaders {"X-A":"b"}\ncontent_type application/vnd.x\n<auth>\nmethod basic\nusername u\npassword p\n</auth>\n<format>\n@type json\n</format>',
    output: 'http',
    options: [
      'Net.Connect_Timeout 2s',
      'Host in.example.org',
      'Port 443',
      'tls on',
      'URI /v1?x=1',
      'Json_Date_Key off',
      'Format json',
      'Header Content-Type application/vnd.x',
      'Header X-A b',
      'HTTP_User u',
      'HTTP_Passwd p',
    ],
  },
  loki: {
    text: '@type loki\nurl http://loki:3100\ntenant ${org}\nextra_labels {"env":"prod"}\nremove_keys kubernetes, $.a.b\ndrop_single_key true\nextract_kubernetes_labels true\n<label>\nlevel\nns $.kubernetes.namespace_name\n</label>',
    output: 'loki',
    options: [
      'Auto_Kubernetes_Labels on',
      'Host loki',
      'Port 3100',
      'Tenant_ID_Key $org',
      "Labels level=$level, ns=$kubernetes['namespace_name'], env=prod",
      "Remove_Keys $kubernetes,$a['b']",
      'Line_Format key_value',
      'Drop_Single_Key raw',
    ],
  },
  splunk_hec: {
    text: '@type splunk_hec\nhec_host s\nhec_port 8089\nhec_token t\ninsecure_ssl true\nindex main\nsourcetype_key st\nsource ${tag}\n<fields>\npod\nns $.kubernetes.namespace_name\n</fields>\n<format>\n@type single_value\nmessage_key log\n</format>',
    output: 'splunk',
    options: [
      'Host s',
      'Port 8089',
      'Splunk_Token t',
      'tls on',
      'tls.verify off',
      'Event_Index main',
      'Event_Source $TAG',
      'Event_Sourcetype_Key $st',
      'Event_Field pod $pod',
      "Event_Field ns $kubernetes['namespace_name']",
      'Event_Key $log',
    ],
  },
  datadog: {
    text: '@type datadog\napi_key k\nservice web\ndd_source nginx\ndd_tags env:prod\nhost http-intake.logs.datadoghq.eu\ninclude_tag_key true',
    output: 'datadog',
    options: [
      'apikey k',
      'Dd_Service web',
      'Dd_Source nginx',
      'Dd_Tags env:prod',
      'Host http-intake.logs.datadoghq.eu',
      'Include_Tag_Key on',
      'Compress gzip',
      'Tag_Key tag',
    ],
  },
  s3: {
    text: '@type s3\ns3_bucket b\ns3_region eu-west-1\npath logs/${tag}/\ntime_slice_format %Y/%m/%d/%H\nacl private\n<assume_role_credentials>\nrole_arn arn:aws:iam::123456789012:role/r\nrole_session_name x\n</assume_role_credentials>\n<format>\n@type json\n</format>',
    output: 's3',
    options: [
      'Bucket b',
      'Region eu-west-1',
      'Canned_Acl private',
      'Role_ARN arn:aws:iam::123456789012:role/r',
      'S3_Key_Format /logs/$TAG/%Y/%m/%d/%H',
      'Compression gzip',
      'Json_Date_Key off',
    ],
  },
  kinesis_streams: {
    text: '@type kinesis_streams\nstream_name s\nregion us-east-1\ndata_key log\nendpoint https://k\nssl_verify_peer false\n<shared_credentials>\nprofile_name p\n</shared_credentials>',
    output: 'kinesis_streams',
    options: [
      'Stream s',
      'Region us-east-1',
      'Log_Key log',
      'Endpoint https://k',
      'Profile p',
      'tls.verify off',
    ],
  },
  kinesis_firehose: {
    text: '@type kinesis_firehose\ndelivery_stream_name s\nregion us-east-1',
    output: 'kinesis_firehose',
    options: ['Delivery_Stream s', 'Region us-east-1'],
  },
  cloudwatch_logs: {
    text: '@type cloudwatch_logs\nregion eu-west-1\nlog_group_name g\nuse_tag_as_stream true\nauto_create_stream true\nmessage_keys log\nretention_in_days 30',
    output: 'cloudwatch_logs',
    options: [
      'Region eu-west-1',
      'Log_Group_Name g',
      'Auto_Create_Group on',
      'Log_Retention_Days 30',
      'Log_Stream_Template $TAG',
      'Log_Stream_Name fluentd',
      'Log_Key log',
    ],
  },
}

test.each(Object.entries(CASES))(
  'the match %s has the options of the plugin',
  async (_, { text, output, options, warned = [] }) => {
    const result = read(match(text))
    expect(optionsOf(result, 'OUTPUT', output)).toEqual(options)
    for (const name of warned) expect(result.warnings.join()).toContain(`"${name}" has no effect`)
    expect(result.warnings).toHaveLength(warned.length)
    const spec = await registry.find('output', output)
    const unknown = options
      .map((line) => line.split(' ')[0] ?? '')
      .filter((key) => spec !== undefined && findOption(spec.options, key) === undefined)
    expect(unknown).toEqual([])
  },
)

test('what outputs over HTTP cannot do is reported where it stands, with what stands in for it', () => {
  for (const [text, message, hint] of [
    [
      '@type elasticsearch\nhosts a:9200,b:9200',
      'f.conf:3:7: [elasticsearch] "hosts" names more than one server',
      'load balancer',
    ],
    ['@type elasticsearch\nindex_name ${x y}', 'the placeholder ${x y} is not supported', '${tag}'],
    [
      '@type s3\ns3_bucket b\naws_key_id k\naws_sec_key s',
      '[s3] "aws_key_id" is not supported',
      'AWS_ACCESS_KEY_ID',
    ],
    ['@type s3\ns3_bucket b\nstore_as lzo', '[s3] "store_as" lzo is not supported', 'gzip'],
    ['@type loki\nurl loki:3100', '[loki] "url" must be a URL', ''],
    [
      '@type splunk_hec\nhec_host s\nhec_token t\ndata_type metric',
      '[splunk_hec] metrics are not sent',
      'event',
    ],
    [
      '@type datadog\napi_key k\nuse_http false',
      '[datadog] records are sent over HTTP, not over TCP',
      'use_http',
    ],
    [
      '@type http\nendpoint http://a/${tag}',
      '[http] placeholders in "endpoint" are not supported',
      'a <match>',
    ],
    [
      '@type kinesis_streams\nstream_name s\ncompression zlib',
      'the compression zlib is not supported',
      'gzip',
    ],
  ] as const) {
    const { reported, hints } = translated(match(text))
    expect([text, reported.join()]).toEqual([text, expect.stringContaining(message)])
    expect(hints.join()).toContain(hint)
  }
})
