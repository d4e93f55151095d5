import { expect, test } from 'bun:test'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { CounterMap } from '../../../../src/engine/counters.ts'
import { JsonText } from '../../../../src/lib/json/msgpack-to-json.ts'
import { spec } from '../../../../src/plugins/outputs/syslog/index.ts'
import { SYSLOG_COUNTERS, SyslogMessages } from '../../../../src/plugins/outputs/syslog/messages.ts'
import { SYSLOG_OPTIONS } from '../../../../src/plugins/outputs/syslog/options.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { listLog } from '../../../support/engine/chunks.ts'
import { outputContext } from '../../../support/engine/output-context.ts'

const counters = new CounterMap(SYSLOG_COUNTERS)

/** Returns what is sent over a connection for records, whose times are 1000.5, 1001.5 and so on. */
function stream(records: object[], texts: Record<string, string | string[]>, isCounted = false): Buffer {
  const options = parseOptions(SYSLOG_OPTIONS, { syslog_message_key: 'log', ...texts } as never)
  const messages = new SyslogMessages(options, isCounted, { counters, log: listLog().log })
  const text = new JsonText()
  messages.stream(text, chunkOf(records))
  return Buffer.from(text.bytes())
}

const lines = (records: object[], texts: Record<string, string | string[]> = {}) =>
  String(stream(records, texts)).split('\n').slice(0, -1)

const ALL = {
  syslog_hostname_key: 'host',
  syslog_appname_key: 'app',
  syslog_procid_key: 'pid',
  syslog_msgid_key: 'mid',
  syslog_severity_key: 'sev',
  syslog_facility_key: 'fac',
  syslog_sd_key: 'sd',
}
const HEAD = '<14>1 1970-01-01T00:16:40.500000Z'

test('rfc5424: writes all fields, and a dash for each that is missing', () => {
  const record = {
    log: 'hello',
    host: 'h1',
    app: 'prog',
    pid: 42,
    mid: 'ID1',
    sev: 3,
    fac: 4,
    sd: { k: 'v' },
  }
  expect(lines([record, { log: 'none' }], ALL)).toEqual([
    '<35>1 1970-01-01T00:16:40.500000Z h1 prog 42 ID1 [sd k="v"] \ufeffhello',
    '<14>1 1970-01-01T00:16:41.500000Z - - - - - \ufeffnone',
  ])
})

test('rfc3164: writes the fields that there are', () => {
  const record = { log: 'hello', host: 'h1', app: 'prog', pid: '42', sev: 3, fac: 4 }
  const { pid: _, ...without } = record
  expect(lines([record, without, { log: 'x' }], { ...ALL, syslog_format: 'rfc3164' })).toEqual([
    '<35>Jan  1 00:16:40 h1 prog[42]: hello',
    '<35>Jan  1 00:16:41 h1 prog: hello',
    '<14>Jan  1 00:16:42 x',
  ])
})

test('presets stand for what records lack', () => {
  const presets = {
    syslog_hostname_preset: 'web 1',
    syslog_appname_preset: 'app',
    syslog_procid_preset: '7',
    syslog_msgid_preset: 'm',
    syslog_severity_preset: '0',
    syslog_facility_preset: '23',
    syslog_sd_preset: '[id@1 a="b\\"c"][x]',
  }
  expect(lines([{ log: 'x' }], { ...ALL, ...presets })).toEqual([
    '<184>1 1970-01-01T00:16:40.500000Z web_1 app 7 m [id@1 a="b\\"c"][x] \ufeffx',
  ])
})

test('a field of the header is printable ASCII of limited length, so that those after it keep their places', () => {
  const record = { log: 'x', host: 'h'.repeat(300), app: 'ö p\n', pid: 'p'.repeat(200), mid: '' }
  const fields = lines([record], ALL)[0]?.split(' ') ?? []
  expect(fields.slice(2, 6)).toEqual(['h'.repeat(255), '__p_', 'p'.repeat(128), '-'])
})

test('severity and facility are numbers, digits or words in any case; others are the preset, and counted', () => {
  const given: [unknown, unknown, number][] = [
    ['err', 'local0', 131],
    ['ERROR', 'KERN', 3],
    ['3', '16', 131],
    [0, 23, 184],
    [99, -1, 14],
    ['loud', 'x', 14],
    [1.5, null, 14],
  ]
  const before = counters.get('bad_priority')
  const got = lines(
    given.map(([sev, fac]) => ({ log: 'x', sev, fac })),
    ALL,
  )
  expect(got.map((line) => line.slice(0, line.indexOf('>') + 1))).toEqual(
    given.map(([, , pri]) => `<${pri}>`),
  )
  expect(counters.get('bad_priority') - before).toBe(6)
})

test('structured data: several maps, names without forbidden characters, escaped values, nothing left out', () => {
  const record = {
    log: 'x',
    sd: { 'k y=]"': 'a"]\\b', n: null, m: { a: 1 }, f: 1.5, ['n'.repeat(40)]: 1 },
    deep: { 'more@1': {} },
    text: 'no map',
  }
  const keys = { syslog_sd_key: ['sd', "$deep['more@1']", 'text', 'missing'] }
  const expected = `[sd k_y___="a\\"\\]\\\\b" n="null" m="{\\"a\\":1}" f="1.500000" ${'n'.repeat(32)}="1"][more@1]`
  expect(lines([record], keys)).toEqual([`${HEAD} - - - - ${expected} \ufeffx`])
  expect(lines([record], { ...keys, allow_longer_sd_id: 'on' })[0]).toContain(`${'n'.repeat(40)}="1"`)
  expect(() => stream([], { syslog_sd_preset: '[id a=b]' })).toThrow('structured data')
})

test('a message that is no text, or missing, is sent as JSON; one with a priority as it is', () => {
  const records = [
    { log: 5 },
    { log: { a: 1 } },
    { x: 1 },
    { log: null },
    { log: '<13>Oct 1 x' },
    { log: '<999>x' },
  ]
  expect(lines(records).map((line) => line.replace(/^<14>1 \S+ - - - - - /, ''))).toEqual([
    '\ufeff5',
    '\ufeff{"a":1}',
    '\ufeff{"x":1}',
    '\ufeff{"log":null}',
    '<13>Oct 1 x',
    '\ufeff<999>x',
  ])
})

test('a message that is no UTF-8 keeps its bytes, without the mark of UTF-8', () => {
  const bytes = stream([{ log: Buffer.from([0x61, 0xff, 0x62]) }], {})
  expect(bytes.subarray(-5)).toEqual(Buffer.from([0x20, 0x61, 0xff, 0x62, 0x0a]))
})

test('newlines in a message are escaped with the framing by newlines, so that it stays one', () => {
  expect(lines([{ log: 'a\nb\u0000c\n' }, { log: 'd' }]).map((line) => line.split('\ufeff')[1])).toEqual([
    'a#012b#000c',
    'd',
  ])
})

test('octet counting: the length in bytes stands before each message, and nothing is escaped', () => {
  const bytes = stream([{ log: 'ä\nb\n' }, { log: 'c' }], {}, true)
  const messages: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at)
    const length = Number(bytes.toString('latin1', at, blank))
    messages.push(bytes.toString('utf8', blank + 1, blank + 1 + length))
    at = blank + 1 + length
  }
  expect(messages.map((text) => text.split('\ufeff')[1])).toEqual(['ä\nb\n', 'c'])
})

test('a message longer than syslog_maxsize is cut at a character, its header never, and that is counted', () => {
  const before = counters.get('truncated')
  const long = 'äöü'.repeat(2000)
  const sizes = [100, 101, 102].map((size) => {
    const [line = ''] = lines([{ log: long }], { syslog_maxsize: String(size) })
    expect(line).not.toContain('\ufffd')
    return Buffer.byteLength(line)
  })
  expect(Math.max(...sizes)).toBeLessThanOrEqual(102)
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(99)
  expect(lines([{ log: long }], { syslog_maxsize: '20' })).toEqual([`${HEAD} - - - - - `])
  expect(Buffer.byteLength(lines([{ log: 'x'.repeat(5000) }])[0] ?? '')).toBe(2048)
  expect(Buffer.byteLength(lines([{ log: 'x'.repeat(5000) }], { syslog_format: 'rfc3164' })[0] ?? '')).toBe(
    1024,
  )
  expect(counters.get('truncated') - before).toBe(6)
})

test('octet counting is the default with TLS only, and refused over UDP', () => {
  const create = (texts: Record<string, string>) =>
    spec.create(parseOptions(spec.options, texts), outputContext())
  create({ mode: 'tls' })
  expect(() => create({ syslog_framing: 'octet_counting' })).toThrow('has no meaning with Mode udp')
  create({ mode: 'tcp', syslog_framing: 'octet_counting' })
})
