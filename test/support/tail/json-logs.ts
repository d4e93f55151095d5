import type { Random } from './log-lines.ts'

/**
 * Lines in the forms that common libraries and servers print, with the values that make them hard to read: durations with all
 * digits of a double, exponents, nanoseconds, escapes, emoji as surrogates, stack traces, nested errors, keys that come twice.
 */
export const JSON_LOGS: Record<string, (r: Random) => string> = {
  pino: (r) =>
    `{"level":${r.of([20, 30, 40, 50])},"time":${1795240800000 + r.below(1e9)},"pid":${r.below(65536)},"hostname":"web-${r.hex(5)}","reqId":"req-${r.below(999)}","req":{"method":"GET","url":${text(r)},"headers":{"host":"shop.example.com","x-forwarded-for":"10.0.${r.below(256)}.7"}},"res":{"statusCode":${r.of([200, 404, 500])}},"responseTime":${double(r)}${r.of(['', `,"err":{"type":"Error","message":${text(r)},"stack":${stack(r)}}`])},"msg":${text(r)}}`,
  winston: (r) =>
    `{"label":"api","level":"${level(r)}","message":${text(r)},"meta":{"durationMs":${double(r)},"user":${r.of(['null', '{"id":17,"name":"Zoë"}'])}},"timestamp":"${iso(r)}"${r.of(['', `,"stack":${stack(r)}`])}}`,
  zap: (r) =>
    `{"level":"${level(r)}","ts":${r.of([`${1795240800 + r.below(1e6)}.${digits(r, 7)}`, `1.7${digits(r, 12)}e+09`])},"logger":"controller","caller":"manager/internal.go:${r.below(900)}","msg":${text(r)},"latency":${double(r)},"reconcileID":"${r.hex(8)}-${r.hex(4)}"${r.of(['', `,"error":${text(r)},"stacktrace":${stack(r)}`])}}`,
  zerolog: (r) =>
    `{"level":"${level(r)}","component":"db","took":${r.of([double(r), `${r.below(9)}e-0${5 + r.below(4)}`])},"rows":${r.below(1e6)},"time":"2026-11-21T06:00:${two(r)}Z","time":${1795240800 + r.below(1e5)},"message":${text(r)}}`,
  'logrus JSON': (r) =>
    `{"fields.level":"x","func":"main.handle","file":"/src/main.go:${r.below(99)}","level":"${level(r)}","msg":${text(r)},"size":${r.below(1e9)},"temperature":${-r.below(40)},"time":"2026-11-21T06:00:${two(r)}+01:00"}`,
  slog: (r) =>
    `{"time":"2026-11-21T06:00:${two(r)}.${digits(r, 9)}+01:00","level":"${level(r).toUpperCase()}","source":{"function":"main.main","file":"/src/main.go","line":${r.below(400)}},"msg":${text(r)},"http":{"duration":${r.below(2 ** 31)}${digits(r, 6)},"status":200},"start":"${iso(r)}","empty":{}}`,
  'logback, logstash encoder': (r) =>
    `{"@timestamp":"2026-11-21T06:00:${two(r)}.${digits(r, 9)}Z","@version":"1","message":${text(r)},"logger_name":"org.example.shop.CheckoutService","thread_name":"http-nio-8080-exec-${r.below(200)}","level":"${level(r).toUpperCase()}","level_value":${r.of([10000, 20000, 40000])}${r.of(['', `,"stack_trace":${stack(r)}`])},"traceId":"${r.hex(32)}","spanId":"${r.hex(16)}","tags":["a","b"]}`,
  structlog: (r) =>
    `{"user_id": ${r.below(1e6)}, "elapsed": ${double(r)}, "score": ${r.of(['1e-05', '2.5e-07', '1.2345678901234567e+16'])}, "event": ${text(r, true)}, "logger": "app.views", "level": "${level(r)}", "timestamp": "2026-11-21T06:00:${two(r)}.${digits(r, 6)}Z"${r.of(['', `, "exception": ${stack(r)}`])}}`,
  'python-json-logger': (r) =>
    `{"name": "root", "args": [], "levelname": "INFO", "levelno": 20, "exc_info": null, "created": ${1795240800 + r.below(1e6)}.${digits(r, 7)}, "msecs": ${double(r)}, "relativeCreated": ${double(r)}, "thread": 1399291${digits(r, 8)}, "process": ${r.below(65536)}, "message": ${text(r, true)}}`,
  klog: (r) =>
    `{"ts":${1795240800000 + r.below(1e6)}.${digits(r, 3)},"caller":"kubelet/kubelet.go:${r.below(3000)}","msg":${text(r)},"v":${r.below(6)},"pod":{"name":"web-${r.hex(5)}","namespace":"shop"},"containerID":"containerd://${r.hex(64)}"${r.of(['', `,"err":${text(r)}`])}}`,
  envoy: (r) =>
    `{"upstream_service_time":${r.of(['null', `"${r.below(900)}"`])},"path":${text(r)},"method":"GET","duration":${r.below(9000)},"bytes_sent":${r.below(1e7)},"bytes_received":0,"response_code":${r.of([200, 503])},"response_flags":${r.of(['null', '"-"', '"UF,URX"'])},"start_time":"${iso(r)}","authority":"shop.example.com","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101","upstream_host":"10.1.2.3:8080","request_id":"${r.hex(8)}-${r.hex(4)}-${r.hex(12)}","upstream_transport_failure_reason":null,"downstream_remote_address":"10.4.${r.below(256)}.9:${r.below(65536)}","route_name":"default","requested_server_name":null,"protocol":"HTTP/2"}`,
  'nginx, escape=json': (r) =>
    `{"time":"2026-11-21T06:00:${two(r)}+00:00","msec":"${1795240800 + r.below(1e6)}.${digits(r, 3)}","remote_addr":"10.0.0.${r.below(256)}","request":"GET /a?q=\\u0007\\u001f${'é'.repeat(r.below(4))} HTTP/1.1","status":${r.of([200, 301, 499])},"body_bytes_sent":${r.below(1e6)},"request_time":${r.below(9)}.${digits(r, 3)},"upstream_response_time":"${r.of(['', '0.001, 0.003'])}","http_referer":"","http_user_agent":"\\"quoted\\" \\\\ agent"}`,
  docker: (r) =>
    `{"log":${text(r).slice(0, -1)}\\n","stream":"${r.of(['stdout', 'stderr'])}","attrs":{"tag":"web"},"time":"2026-11-21T06:00:${two(r)}.${digits(r, 9)}Z"}`,
  CloudTrail: (r) =>
    `{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROA${r.hex(12)}:x","arn":"arn:aws:sts::123456789012:assumed-role/ci/x","sessionContext":{"sessionIssuer":{"type":"Role","userName":"ci"},"attributes":{"creationDate":"${iso(r)}","mfaAuthenticated":"false"},"webIdFederationData":{}}},"eventTime":"${iso(r)}","eventName":"PutObject","requestParameters":{"bucketName":"b","tags":[{"key":"a","value":"1"},{"key":"b","value":${text(r)}}],"x-amz-server-side-encryption-context-of-this-object":"aws:kms"},"responseElements":null,"additionalEventData":{"bytesTransferredIn":${r.below(1e9)}.0,"x-amz-id-2":"${r.hex(60)}="},"resources":[{"ARN":"arn:aws:s3:::b"},{"type":"AWS::S3::Bucket"}],"readOnly":false}`,
}

/** Lines of key=value pairs. */
export const LOGFMT_LOGS: Record<string, (r: Random) => string> = {
  'logrus text': (r) =>
    `time="2026-11-21T06:00:${two(r)}Z" level=${level(r)} msg=${text(r)} size=${r.below(1e6)} took=${double(r)}`,
  'slog text': (r) =>
    `time=2026-11-21T06:00:${two(r)}.${digits(r, 3)}Z level=${level(r).toUpperCase()} msg=${text(r)} http.status=200 http.path=/a/${r.below(99)} err=<nil>`,
}

const level = (r: Random): string => r.of(['info', 'info', 'debug', 'warn', 'error'])
const two = (r: Random): string => String(r.below(60)).padStart(2, '0')
const digits = (r: Random, n: number): string => Array.from({ length: n }, () => r.below(10)).join('')
const iso = (r: Random): string => `2026-11-21T06:00:${two(r)}.${digits(r, 3)}Z`
const double = (r: Random): string =>
  r.of([
    String(r.below(1e9) / 3e6),
    String(r.below(1e9) / 1e4 / 7e6),
    `${r.below(500)}.${digits(r, 6)}`,
    String(r.below(900)),
  ])

const WORDS = [
  'GET /a/b?c=1&d=2',
  'request handled',
  'über 5 €',
  'say "hi"',
  'C:\\dir',
  '\u{1f600} \u{1f680}',
  'a\tb',
  '漢字',
  '<b>',
]
/** Returns a text as JSON; `ascii`: as Python writes it, with all other characters as escapes, in surrogate pairs. */
function text(r: Random, ascii = false): string {
  const long = r.below(20) === 0 ? ' long message'.repeat(1 + r.below(60)) : ''
  const plain = JSON.stringify(`${r.of(WORDS)} ${r.below(1000)} ${r.of(WORDS)}${long}`)
  if (!ascii && r.below(8) > 0) return plain.replace(/[<>&]/g, escaped)
  return plain.replace(/[\u007f-\uffff]/g, escaped)
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function stack(r: Random): string {
  const frames = Array.from(
    { length: 2 + r.below(12) },
    () => `\n\tat org.example.Shop.pay(Shop.java:${r.below(500)})`,
  )
  return JSON.stringify(
    `java.lang.IllegalStateException: no "cart"${frames.join('')}\nCaused by: x${r.of(['', '\n'])}`,
  )
}
