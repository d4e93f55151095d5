import { parseOptions } from '../../../src/core/options/parse.ts'
import { FORMAT_OPTIONS, formatOf } from '../../../src/lib/lines/format-options.ts'
import type { StreamReader } from '../../../src/lib/lines/stream-reader.ts'
import { SyslogFormat } from '../../../src/plugins/inputs/syslog/format.ts'
import { spec as syslogSpec } from '../../../src/plugins/inputs/syslog/index.ts'
import { countEntries, feed, LineSink } from '../../support/lines.ts'
import { pieces } from '../random.ts'
import { must, size, type Target } from '../target.ts'

const MAX_BYTES = 1500
const SINK_BYTES = 2_000_000

/** The sink of an input, and what makes a reader for each stream. */
interface Subject {
  sink: LineSink
  reader(): StreamReader
}

function formatSubject(texts: Record<string, string>): Subject {
  const sink = new LineSink(SINK_BYTES)
  const limit = { bytes: MAX_BYTES, option: 'Buffer_Size' }
  const { writer, readerFor } = formatOf(parseOptions(FORMAT_OPTIONS, texts), sink.ctx, limit)
  writer.setTime()
  sink.frame = writer.frameOf('tcp://192.0.2.1:5')
  return { sink, reader: () => readerFor(sink) }
}

function syslogSubject(texts: Record<string, string>): Subject {
  const sink = new LineSink(SINK_BYTES)
  const options = parseOptions(syslogSpec.options, {
    mode: 'tcp',
    buffer_max_size: String(MAX_BYTES),
    ...texts,
  })
  const format = new SyslogFormat(options, sink.ctx)
  format.writer.setTime()
  sink.frame = format.writer.frameOf('tcp://192.0.2.1:5')
  return { sink, reader: () => format.ofStream(sink) }
}

/** Options of the formats of the inputs tcp and udp. */
export const FORMATS: Record<string, Record<string, string>> = {
  json: { source_address_key: 'src' },
  none: { format: 'none' },
  separator: { format: 'none', separator: ';;' },
}

/** Made on first use: a run of other targets needs none of them. */
let made: Record<string, Subject> | undefined

function subjects(): Record<string, Subject> {
  made ??= {
    ...Object.fromEntries(Object.entries(FORMATS).map(([name, texts]) => [name, formatSubject(texts)])),
    newline: syslogSubject({ format: 'newline' }),
    octet: syslogSubject({ format: 'octet_counting', raw_message_key: 'raw' }),
    framing: syslogSubject({}),
  }
  return made
}

/** How the bytes are cut changes nothing, and every entry is complete. */
function check(name: string, { sink, reader }: Subject, input: Buffer): string {
  sink.reset()
  feed(reader(), [Buffer.from(input)])
  const whole = sink.bytes
  const kinds = Object.keys(sink.counts).toSorted().join()
  sink.reset()
  const rest = feed(reader(), pieces(input))
  must(rest.length === 0 || input.length === 0, `${name}: bytes are left at the end`)
  must(whole.equals(sink.bytes), `${name}: the records depend on how the bytes are cut`)
  return `${size(countEntries(whole))} ${kinds}`
}

export const messages: Target = {
  name: 'messages',
  maxBytes: 8000,
  seeds: () => [
    '{"a":1}\n{"b":[1,{"c":null}]}\n[1,2]\ntext\n',
    '{"a":"\\"}\\\\"} {"b":\n{"c":1}}\n',
    'one\ntwo\r\n\nthree;;four',
    '<34>1 2026-11-30T08:18:11.123Z host app 42 ID1 [ex@1 k="v"] hello\n',
    '<34>Nov 30 08:18:11 host app[42]: hello\0<13>Nov 30 08:18:11 app: x',
    '5 <1>ab12 <34>1 - - - \n3 abc',
    Buffer.concat([Buffer.from('{"a":"'), Buffer.alloc(3000, 'x'), Buffer.from('"}\n{"b":1}\n')]),
    Buffer.concat(
      Array.from({ length: 150 }, (_, i) => Buffer.from(`{"n":${i},"text":"some text of a line"}\n`)),
    ),
    Buffer.concat(
      Array.from({ length: 90 }, (_, i) => Buffer.from(`<34>Nov 30 08:18:11 host app[${i}]: hello ${i}\n`)),
    ),
  ],
  dictionary: ['{"', '"}', '}\n{', '\\"', '<34>1 ', '5 <', '\n', '\0', ';;', '[', ']', '12345678901 '],
  run: (input) =>
    Object.entries(subjects())
      .map(([name, subject]) => check(name, subject, input))
      .join('; '),
}
