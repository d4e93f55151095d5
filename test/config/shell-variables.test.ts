import { expect, test } from 'bun:test'
import { registry } from '../../src/registry.ts'
import { load } from './loading.ts'

const of = (output: string) =>
  load(`[INPUT]\n    Name dummy\n[OUTPUT]\n    Match *\n    Name ${output}\n`, {
    registry,
    env: { KEY: '$OTHER' },
  })

test('a variable as a shell writes it, in a value that is refused, is told how to be written', async () => {
  const { problems } = await of('s3\n    bucket b-1\n    region $AWS_REGION')
  expect(problems.map(({ hint }) => hint)).toEqual(['write ${AWS_REGION} for a variable of the environment'])
  const datadog = await of('datadog\n    apikey k\n    host http-intake.logs.$DATADOG_SITE')
  expect(datadog.problems[0]?.hint).toBe('write ${DATADOG_SITE} for a variable of the environment')
  const secret = await of('es\n    cloud_auth $ELASTIC_AUTH')
  expect(secret.problems[0]?.hint).toBe('write ${NAME} for a variable of the environment')
  const loki = await of('loki\n    tenant_id $LOKI_TENANT_ID')
  expect(loki.problems[0]?.hint).toBe('write ${LOKI_TENANT_ID} for a variable of the environment')
})

test('one that is accepted as a text is a warning, where no field of a record can be meant', async () => {
  const { warnings } = await of('datadog\n    apikey $DD_KEY\n    dd_tags env:$ENV,team:x')
  expect(warnings).toEqual([
    'a.conf:6:12: [datadog] "apikey" is used as it is written, with its dollar sign: write ${NAME} for a variable of the environment',
    'a.conf:7:13: [datadog] "dd_tags" contains $ENV as a literal text: write ${ENV} for a variable of the environment',
  ])
  const quiet = [
    'datadog\n    apikey k$DD_KEY\n    dd_message_key $MESSAGE\n    dd_tags a:b',
    'es\n    index $TAG\n    id_key $UUID_FIELD',
    'datadog\n    apikey ${KEY}\n    dd_service ${KEY}',
    'file\n    path /x/$TAG',
  ]
  for (const section of quiet) expect((await of(section)).warnings).toEqual([])
})

test('no listed value of an option is suggested in its own place', async () => {
  const grpc = (await of('opentelemetry\n    grpc on')).problems[0]
  expect(grpc?.message).toBe('[opentelemetry] "grpc" must be off, not "on": requests are protobuf over HTTP')
  const dtls = (await of('syslog\n    mode dtls')).problems[0]
  expect(dtls?.message).toBe('[syslog] "mode" must be udp, tcp or tls, not "dtls": DTLS is not supported')
  expect((await of('syslog\n    mode tlss')).problems[0]?.message).toContain('(did you mean tls?)')
})

test('a comment behind a host is passed over, with a warning', async () => {
  const { plan, warnings } = await of('es\n    Host 127.0.0.1 # of this machine')
  expect((plan?.outputs[0]?.options as { host: string } | undefined)?.host).toBe('127.0.0.1')
  expect(warnings).toEqual(['a.conf:6:10: [es] "Host" is 127.0.0.1: a comment needs a line of its own'])
})

test('two labels of Loki without a comma are a warning', async () => {
  expect((await of('loki\n    labels job=a log_type=b')).warnings).toEqual([
    'a.conf:6:12: [loki] "labels" gives job the value "a log_type=b": if log_type is another label, put a comma before it',
  ])
  expect((await of("loki\n    labels job=a b, x=$kubernetes['a b']")).warnings).toEqual([])
})
