import { defineOutput, type OutputContext } from '../../../core/plugin.ts'
import { requestAuthorizer } from '../../../lib/aws/request-auth.ts'
import { codingOf } from '../../../lib/http-output/compress-option.ts'
import { HttpConnections } from '../../../lib/http-output/connect.ts'
import { HttpOutput } from '../../../lib/http-output/http-output.ts'
import { requestHeaders } from '../../../lib/http-output/request-headers.ts'
import { OtelApi } from './api.ts'
import { OTEL_COUNTERS } from './counters.ts'
import { OTEL_OPTIONS, type OtelOptions } from './options.ts'

const GRPC_PORT = 4317

export const spec = defineOutput({
  kind: 'output',
  name: 'opentelemetry',
  summary: 'Sends records as OpenTelemetry logs: OTLP with protobuf over HTTP.',
  description:
    'The body of a log record is the field `log` or `message`, or the one that Logs_Body_Key names; the other fields are attributes. ' +
    'A record without such a field is the body as a whole. Metadata of the filter kubernetes becomes resource attributes with ' +
    "OpenTelemetry's names, once per request for all records of a container; service.name is the label " +
    'app.kubernetes.io/name, else the owner, else the container. The severity is taken from the metadata, else from the record, see ' +
    'Logs_Severity_Keys. Records of the input opentelemetry are sent as they were received, with resource and scope. By default fluent-bit ' +
    'sends neither the other fields nor a resource or a severity of plain records: Logs_Body_Key_Attributes, Logs_Kubernetes_Resource ' +
    'and `Logs_Severity_Keys none` restore that.\n\n' +
    'A request is delivered when the status is 200 (or 201, which fluent-bit returns, 202, 204) and the body is an OTLP response: ' +
    'empty, or an ExportLogsServiceResponse in protobuf or JSON. After any other body, such as the text of a proxy, the request is sent again. Records that a ' +
    'collector rejects (partial_success) are counted and not sent again, as the specification requires; if it rejects the whole request, the ' +
    'records go to the dead letters. 429, 502, 503 and 504 are retried, not before Retry-After; so are 500 and refused credentials, which ' +
    'the specification does not retry: they lose no record. After 400 and 413 the request is split in halves until the record that is refused is found.\n\n' +
    'Only HTTP/1.1 is supported; Http2 and Grpc have no effect, or are an error if the server may require them.',
  options: OTEL_OPTIONS,
  example:
    '[OUTPUT]\n    Name   opentelemetry\n    Match  *\n    Host   127.0.0.1\n    Port   4318\n    Add_Label deployment.environment prod\n',
  connectsTo: ({ host, port }) => ({ host, port }),
  counters: OTEL_COUNTERS,
  inFlight: 32,
  create: (options, ctx) => createOtel(options, ctx),
})

function createOtel(options: OtelOptions, ctx: OutputContext): HttpOutput {
  const { compress, port } = options
  if (port === GRPC_PORT)
    ctx.log.warn('port 4317 is for gRPC by convention; this output sends OTLP over HTTP, whose port is 4318')
  const connections = new HttpConnections(options, ctx)
  return new HttpOutput(
    {
      api: new OtelApi(options, connections.origin, ctx),
      connections,
      headers: requestHeaders(options, ctx),
      compress: codingOf(compress),
      authorizer: requestAuthorizer(options, 'logs', ctx),
    },
    ctx,
  )
}
