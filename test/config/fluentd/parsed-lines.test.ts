import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPlan } from '../../../src/config/load.ts'
import { registry } from '../../../src/registry.ts'
import { parseLine, SILENT } from '../../support/tail/parse-line.ts'
import { tmp } from '../../support/tmp.ts'

const CLOCK = {
  nowMs: () => Date.parse('2026-11-21T12:00:00Z'),
  after: () => undefined as never,
  cancel() {},
}

/** Returns what the parser of a <parse> section makes of a line; the options are those of the plan. */
async function parsed(parse: string, line: string): Promise<{ record: object; time: unknown } | undefined> {
  const file = join(tmp(), 'f.conf')
  const section = `<parse>\n${parse}\n</parse>`
  const source = `<source>\n@type tail\ntag t\npath /a\n${section}\n</source>\n<match>\n@type null\n</match>\n`
  writeFileSync(file, source)
  const { plan, problems } = await loadPlan({ file, flags: undefined, registry, env: {} })
  expect(problems.map(({ message }) => message)).toEqual([])
  const planned = plan?.parsers[0]
  if (planned === undefined) throw new Error('no parser')
  const parser = planned.spec.create(planned.options as never, { name: 'test', log: SILENT, clock: CLOCK })
  const made = parseLine(parser, line)
  return made === undefined ? undefined : { record: made.record, time: made.time }
}

const ACCESS =
  '192.0.2.7 - ann [21/Nov/2026:10:00:00 +0100] "GET /a b?c=d HTTP/1.1" 200 512 "http://example.com/" "Agent (x) 1.0"'

test('apache2 has numbers for code and size', async () => {
  const { record, time } = (await parsed('@type apache2', ACCESS)) ?? {}
  expect(record).toEqual({
    host: '192.0.2.7',
    user: 'ann',
    method: 'GET',
    path: '/a b?c=d',
    code: 200,
    size: 512,
    referer: 'http://example.com/',
    agent: 'Agent (x) 1.0',
  })
  expect(String(time)).toStartWith('2026-11-21T09:00:00')
})

// fluentd has null where a field is left out here.
test('apache2 leaves out what is a dash', async () => {
  const line = '192.0.2.7 - - [21/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1" 304 - "-" "-"'
  const { record } = (await parsed('@type apache2', line)) ?? {}
  expect(record).toEqual({ host: '192.0.2.7', method: 'GET', path: '/', code: 304 })
})

test('nginx reads a forwarded address without quotation marks', async () => {
  const { record } = (await parsed('@type nginx', `${ACCESS} -`)) ?? {}
  expect(record).toMatchObject({ agent: 'Agent (x) 1.0', http_x_forwarded_for: '-' })
})

test('regexp keeps empty fields, and has none for a group that took no part', async () => {
  const whole = await parsed('@type regexp\nexpression /^(?<a>\\w*) (?<b>.*)$/', 'x ')
  expect(whole?.record).toEqual({ a: 'x', b: '' })
  const optional = await parsed('@type regexp\nexpression /^(?<a>\\w*) (?<b>\\w+)?$/', 'x ')
  expect(optional?.record).toEqual({ a: 'x' })
})

test('a time of mixed forms without time_format is read by the fallbacks', async () => {
  const parse = '@type json\nutc true\ntime_type mixed\ntime_format_fallbacks unixtime,%Y-%m-%d'
  expect(String((await parsed(parse, '{"time":1767322800}'))?.time)).toStartWith('2026-01-02T03:00:00')
  expect(String((await parsed(parse, '{"time":"2026-01-02"}'))?.time)).toStartWith('2026-01-02T00:00:00')
})

test('nginx has texts, and the forwarded address', async () => {
  const { record } = (await parsed('@type nginx', `${ACCESS} "198.51.100.1"`)) ?? {}
  expect(record).toEqual({
    remote: '192.0.2.7',
    host: '-',
    user: 'ann',
    method: 'GET',
    path: '/a b?c=d',
    code: '200',
    size: '512',
    referer: 'http://example.com/',
    agent: 'Agent (x) 1.0',
    http_x_forwarded_for: '198.51.100.1',
  })
})

// The lines, records and times are those of a real fluentd 1.19.
test.each([
  [
    '[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187] File does not exist: /x',
    {
      level: 'core:error',
      pid: '35708:tid 4328636416',
      client: '72.15.99.187',
      message: 'File does not exist: /x',
    },
    '2011-09-09T10:42:29.902022',
  ],
  [
    '[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied',
    { level: 'error', client: '127.0.0.1', message: 'client denied' },
    '2000-10-11T14:32:52',
  ],
  [
    '[Wed Oct 11 14:32:52 2000] [notice] caught SIGTERM, shutting down',
    { level: 'notice', message: 'caught SIGTERM, shutting down' },
    '2000-10-11T14:32:52',
  ],
  [
    '[Mon Nov 30 01:00:00.123456 2026] [x:y] [pid 9] (13)Permission denied: [client 10.0.0.1:80] AH01: no',
    { level: 'x:y', pid: '9', message: '(13)Permission denied: [client 10.0.0.1:80] AH01: no' },
    '2026-11-30T01:00:00.123456',
  ],
])('apache_error reads %s', async (line, record, time) => {
  const read = await parsed('@type apache_error\nutc true', line)
  expect(read?.record).toEqual(record)
  expect(String(read?.time)).toStartWith(time)
})

test('syslog reads a program whose brackets have no number', async () => {
  const read = await parsed('@type syslog\nutc true', 'Nov 21 10:00:00 host my-app[1a]: odd')
  expect(read?.record).toEqual({ host: 'host', ident: 'my-app', message: 'odd' })
})

test('syslog reads both RFCs', async () => {
  const old = await parsed('@type syslog\nutc true', 'Nov 21 10:00:00 host sshd[42]: Accepted key for ann')
  expect(old?.record).toEqual({ host: 'host', ident: 'sshd', pid: '42', message: 'Accepted key for ann' })
  expect(String(old?.time)).toStartWith('2026-11-21T10:00:00')
  const line = '<34>1 2026-11-21T10:00:00.5Z host app 7 ID [x@1 a="b"] started'
  const recent = await parsed('@type syslog\nmessage_format auto\nwith_priority true', line)
  expect(recent?.record).toEqual({
    pri: 34,
    host: 'host',
    ident: 'app',
    pid: '7',
    msgid: 'ID',
    extradata: '[x@1 a="b"]',
    message: 'started',
  })
  expect(String(recent?.time)).toStartWith('2026-11-21T10:00:00.5')
})

test('tsv leaves out what is missing at the end, and its last field takes the rest', async () => {
  const parse = '@type tsv\nkeys a,b,c\ntypes b:integer'
  expect((await parsed(parse, 'x\t2\tz\tmore'))?.record).toEqual({ a: 'x', b: 2, c: 'z\tmore' })
  expect((await parsed(parse, 'x\t2'))?.record).toEqual({ a: 'x', b: 2 })
})

test('JSON has its time removed, as a number of seconds or with a Z', async () => {
  const epoch = await parsed('@type json', '{"time":1795255200.5,"a":1}')
  expect(epoch?.record).toEqual({ a: 1 })
  expect(String(epoch?.time)).toStartWith('2026-11-21T10:00:00.5')
  const parse = '@type json\ntime_format %Y-%m-%dT%H:%M:%S.%NZ'
  const text = await parsed(parse, '{"log":"x","time":"2026-11-21T10:00:00.123456789Z"}')
  expect(text).toEqual({ record: { log: 'x' }, time: '2026-11-21T10:00:00.123456789Z' })
})

test('lines of CRI have the fields of their JSON', async () => {
  const line = '2026-11-21T10:00:00.5Z stdout F {"a":"b"}'
  const parse = '@type cri\n<parse>\n@type json\n</parse>'
  const { record } = (await parsed(parse, line)) ?? {}
  expect(record).toMatchObject({ stream: 'stdout', logtag: 'F', a: 'b' })
  expect((await parsed('@type cri', line))?.record).toEqual({
    stream: 'stdout',
    logtag: 'F',
    message: '{"a":"b"}',
  })
})

test('a line of ltsv with a field without a label is not parsed', async () => {
  expect((await parsed('@type ltsv', 'host:h\tcode:5'))?.record).toEqual({ host: 'h', code: '5' })
  expect(await parsed('@type ltsv', 'host:h\tlabelless\tcode:5')).toBeUndefined()
})
