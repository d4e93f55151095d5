import { ShipperError } from '../../../core/error.ts'
import type { Parser } from '../../../core/parser.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { checkKey } from '../../../lib/lines/format-options.ts'
import { LineHost } from '../../../lib/lines/host.ts'
import { LineReader } from '../../../lib/lines/line-reader.ts'
import { LineWriter, type Sender } from '../../../lib/lines/line-writer.ts'
import { FramingReader, OctetReader, SYSLOG_LINES } from '../../../lib/lines/octet-reader.ts'
import type { StreamReader } from '../../../lib/lines/stream-reader.ts'
import { SyslogDatagram } from '../../../lib/lines/syslog-datagram.ts'
import type { SyslogOptions } from './options.ts'
import { afterPriority, PriorityTags } from './priority-tags.ts'

/** Key of a message that is not parsed, as of the text of one that is. */
const TEXT_KEY = 'message'
const DIGIT_1 = 0x31
const BLANK = 0x20
const HYPHEN = 0x2d

/** Returns true for a message that begins with `<PRI>1 `, the head of RFC 5424. */
export function isRfc5424(src: Buffer, start: number, end: number): boolean {
  const at = afterPriority(src, start, end)
  return at > 0 && at + 1 < end && src[at] === DIGIT_1 && src[at + 1] === BLANK
}

/** Returns true for a message of RFC 5424 whose time is the NILVALUE, `-`. */
function hasNilTime(src: Buffer, start: number, end: number): boolean {
  const at = afterPriority(src, start, end)
  return isRfc5424(src, start, end) && at + 3 < end && src[at + 2] === HYPHEN && src[at + 3] === BLANK
}

/** A sender that writes no header is not wrong: RFC 3164, 4.3.3 has it. */
function adviceFor(src: Buffer, start: number, end: number): string | undefined {
  return afterPriority(src, start, end) === 0
    ? undefined
    : 'it has a priority, and no time and host behind it that can be read: docs/guides/network-inputs.md has a parser for that, see SysLogHandler'
}

/** Reads the messages of an input. */
export class SyslogFormat {
  readonly writer: LineWriter
  readonly #host: LineHost
  readonly #options: SyslogOptions

  constructor(options: SyslogOptions, ctx: InputContext) {
    this.#options = options
    const { rawMessageKey: raw, sourceAddressKey: source } = options
    checkKey(raw, 'raw_message_key', TEXT_KEY)
    checkKey(source, 'source_address_key', TEXT_KEY)
    if (raw !== undefined && raw === source)
      throw new ShipperError(
        'E_CONFIG_BAD_VALUE',
        `raw_message_key and source_address_key are both "${raw}"`,
        {
          option: 'raw_message_key',
          hint: 'choose another key: of two fields with one key only the last is kept',
        },
      )
    this.#host = new LineHost(ctx, TEXT_KEY, {
      isTimeless: hasNilTime,
      ...(options.parser === undefined ? { adviceFor } : {}),
    })
    const keys = { text: TEXT_KEY, raw, source, isHostOnly: options.sourceAddressForm === 'host' }
    this.writer = new LineWriter(this.#host, keys, parserChoice(options, ctx), tagChoice(ctx))
  }

  /** Returns the reader of a connection. */
  ofStream(sender: Sender): StreamReader {
    const { format, bufferMaxSize } = this.#options
    const limit = { bytes: bufferMaxSize, option: 'Buffer_Max_Size' }
    const [writer, host] = [this.writer, this.#host]
    const asLines = (): StreamReader => new LineReader(writer, host, sender, limit, SYSLOG_LINES)
    const asOctets = (): StreamReader =>
      new OctetReader(writer, host, sender, limit, () => host.ctx.counters.add('bad_frames'))
    if (format === 'newline') return asLines()
    return format === 'octet_counting' ? asOctets() : new FramingReader(asOctets, asLines)
  }

  /** Returns the reader of datagrams. */
  ofDatagrams(sender: Sender): StreamReader {
    return new SyslogDatagram(this.writer, sender, this.#options.parser !== undefined)
  }
}

/** Returns the names of the parsers for messages that begin with `<PRI>1 `, and for all others. */
export function defaultParsers({ mode }: SyslogOptions): [modern: string, old: string] {
  return ['syslog-rfc5424', mode.startsWith('unix') ? 'syslog-rfc3164-local' : 'syslog-rfc3164']
}

/** Returns what finds the tag of a message; undefined when all have the same. */
function tagChoice({ tag }: InputContext): ((src: Buffer, start: number, end: number) => string) | undefined {
  if (!tag.includes('*')) return undefined
  const tags = new PriorityTags(tag)
  return (src, start, end) => tags.tagOf(src, start, end)
}

function parserChoice(
  options: SyslogOptions,
  ctx: InputContext,
): (src: Buffer, start: number, end: number) => Parser {
  if (options.parser !== undefined) {
    const named = ctx.parser(options.parser)
    return () => named
  }
  const [modern, old] = defaultParsers(options).map((name) => ctx.parser(name)) as [Parser, Parser]
  return (src, start, end) => (isRfc5424(src, start, end) ? modern : old)
}
