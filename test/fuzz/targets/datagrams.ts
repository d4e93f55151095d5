import { parseOptions } from '../../../src/core/options/parse.ts'
import { FORMAT_OPTIONS, formatOf } from '../../../src/lib/lines/format-options.ts'
import { DatagramRecords } from '../../../src/lib/net/datagrams.ts'
import { SyslogFormat } from '../../../src/plugins/inputs/syslog/format.ts'
import { spec as syslogSpec } from '../../../src/plugins/inputs/syslog/index.ts'
import { countEntries, LineSink } from '../../support/lines.ts'
import { must, size, type Target } from '../target.ts'
import { FORMATS } from './messages.ts'

const SINK_BYTES = 2_000_000
const LIMIT = { bytes: 65_536, option: 'Buffer_Size' }
const ADDRESS = 'udp://192.0.2.1:5'
/** What a sender may have sent before: an object and a message without their ends. */
const BEFORE = [Buffer.from('{"a":{"b":"'), Buffer.from('<34>1 - host'), Buffer.from('text\r')]

interface Subject {
  sink: LineSink
  records: DatagramRecords
}

function formatSubject(texts: Record<string, string>): Subject {
  const sink = new LineSink(SINK_BYTES)
  const { writer, readerFor } = formatOf(parseOptions(FORMAT_OPTIONS, texts), sink.ctx, LIMIT)
  return { sink, records: new DatagramRecords(writer, readerFor) }
}

function syslogSubject(texts: Record<string, string>): Subject {
  const sink = new LineSink(SINK_BYTES)
  const format = new SyslogFormat(parseOptions(syslogSpec.options, { mode: 'udp', ...texts }), sink.ctx)
  return { sink, records: new DatagramRecords(format.writer, (sender) => format.ofDatagrams(sender)) }
}

/** Made on first use: a run of other targets needs none of them. */
let made: Record<string, Subject> | undefined

function subjects(): Record<string, Subject> {
  made ??= {
    ...Object.fromEntries(Object.entries(FORMATS).map(([name, texts]) => [name, formatSubject(texts)])),
    syslog: syslogSubject({ raw_message_key: 'raw' }),
    split: syslogSubject({ parser: 'syslog-rfc3164' }),
  }
  return made
}

/** Returns the datagram as the input has it, with a line feed after it. */
function received(input: Buffer): Buffer {
  return Buffer.concat([input, Buffer.from('\n')])
}

function read({ sink, records }: Subject, input: Buffer): Buffer {
  sink.reset()
  const length = records.read(received(input), 0, input.length, ADDRESS)
  must(length === input.length, 'a datagram is not read to its end')
  return sink.bytes
}

/** Reads while there is memory for one more record at a time. */
function readInSteps({ sink, records }: Subject, input: Buffer, most: number): Buffer {
  sink.reset()
  sink.memory = 0
  const buf = received(input)
  for (let at = 0; at < input.length; sink.memory++) {
    must(sink.memory <= most, 'a datagram that does not end')
    const next = records.read(buf, at, input.length, ADDRESS)
    must(next >= at && next <= input.length, `offset ${next} after ${at}`)
    at = next
  }
  sink.memory = Number.POSITIVE_INFINITY
  return sink.bytes
}

/** The records of a datagram depend neither on the one before it nor on when there is memory for them, and are complete MessagePack. */
function check(name: string, subject: Subject, input: Buffer): string {
  const whole = read(subject, input)
  const kinds = Object.keys(subject.sink.counts).toSorted().join()
  const count = countEntries(whole)
  for (const before of BEFORE) {
    read(subject, before)
    must(whole.equals(read(subject, input)), `${name}: other records after another datagram`)
  }
  must(whole.equals(readInSteps(subject, input, count + 1)), `${name}: other records with little memory`)
  return `${size(count)} ${kinds}`
}

export const datagrams: Target = {
  name: 'datagrams',
  maxBytes: 8000,
  seeds: () => [
    '{"a":1}\n{"b":[1,{"c":null}]}\n[1,2]\ntext\n',
    '{"a":"\\"}\\\\"} {"b":\n{"c":1}}',
    'one\ntwo\r\n\nthree;;four',
    '<34>1 2026-11-30T08:18:11.123Z host app 42 ID1 [ex@1 k="v"] hello\nmore\n<13>next',
    '<34>Nov 30 08:18:11 host app[42]: hello\0\n',
    Buffer.concat(
      Array.from({ length: 150 }, (_, i) => Buffer.from(`{"n":${i},"text":"some text of a line"}\n`)),
    ),
  ],
  dictionary: ['{"', '"}', '}\n{', '\\"', '<34>1 ', '\n<5', '\n', '\0', ';;', '[', ']', '\r\n'],
  run: (input) =>
    Object.entries(subjects())
      .map(([name, subject]) => check(name, subject, input))
      .join('; '),
}
