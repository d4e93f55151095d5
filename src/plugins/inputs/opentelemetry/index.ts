import { defineInput } from '../../../core/plugin.ts'
import { HTTP_INPUT_COUNTERS } from '../../../lib/http-input/http-input.ts'
import { listenPreview } from '../../../lib/net/listen-preview.ts'
import { LOGS_TAG, OpenTelemetryInput } from './opentelemetry.ts'
import { OPTIONS } from './options.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'opentelemetry',
  summary: 'Receives log records over OTLP/HTTP.',
  description:
    'Log records in protobuf or JSON, sent to `/v1/logs` over HTTP/1.1, compressed with gzip, zstd, deflate or snappy or not. Metrics, ' +
    'traces and profiles are answered with 404, gRPC with an error that says so: nothing is accepted that would be lost.\n\n' +
    'Records are as in fluent-bit: a body that is a map is the record, any other is under `log` (or Logs_Body_Key); severity, attributes and ids are in the ' +
    'metadata of the record, under `otlp`; the time is that of the log record, else the observed one, else that of arrival. Resource and scope, which fluent-bit writes ' +
    'once as events before and after their records, are in the metadata of each record under `group`, as filters may drop and move records. ' +
    'Records that become many times as large by that are written as memory allows; only beyond 256 times Buffer_Max_Size is a request refused. ' +
    'Few outputs send metadata: filters such as `lua` can copy what is needed into the record.\n\n' +
    'A request is answered when **every output** has settled its records, and not before. While the memory limit is reached, and after Max_Wait without delivery, the ' +
    'answer is 503 with `Retry-After`, after which exporters send again. A request that cannot be decoded is answered with 400 and nothing of it is kept. ' +
    'So is one with more than 65,536 keys in the maps of a record, or of a resource. ' +
    'In JSON, names may be written as in protobuf (`log_records`), and null is what is not there. ' +
    'Of a request in JSON, single records with a wrong id, time, attribute or body are rejected, counted and told in the answer (partial success). As in fluent-bit, ' +
    'the answer has the status 201 and no body; Successful_Response_Code 200 is what the specification says.',
  options: OPTIONS,
  example: '[INPUT]\n    Name   opentelemetry\n    Listen 127.0.0.1\n    Port   4318\n',
  counters: {
    ...HTTP_INPUT_COUNTERS,
    rejected_records:
      'log records of requests in JSON that could not be read, while others of the request were accepted',
  },
  resends: true,
  ownTags: ({ tagFromUri, tagKey }, tag, isConfigured) => [
    isConfigured || !tagFromUri ? tag : LOGS_TAG,
    ...(tagKey === undefined ? [] : ['*']),
  ],
  listensOn: ({ listen, port }) => ({ host: listen, port }),
  preview: async ({ listen, port, tls }) => listenPreview(listen, port, undefined, tls),
  create: (options, ctx) => new OpenTelemetryInput(options, ctx),
})
