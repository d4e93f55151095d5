import { escapeControls } from '../../../core/escape-controls.ts'
import { ENTRY_HEAD, encodeStr, writeEntryHead, writeStrHead } from '../../../core/msgpack/encode.ts'
import type { EntryWriter, Parser } from '../../../core/parser.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import type { DockerEventsOptions } from './options.ts'

const NANO_PER_SECOND = 1_000_000_000n
/** Maximum number of bytes of an event that are logged. */
const SHOWN_BYTES = 100

/** Writes events as records: the fields of their parser, or the event as it is under Key. */
export class EventWriter {
  readonly #ctx: InputContext
  readonly #parser: Parser | undefined
  /** Head of a map of one pair, and its key. */
  readonly #prefix: Buffer
  readonly #key: string
  readonly #out: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }

  constructor(options: DockerEventsOptions, ctx: InputContext) {
    this.#ctx = ctx
    this.#key = options.key
    this.#parser = options.parser === undefined ? undefined : ctx.parser(options.parser)
    this.#prefix = Buffer.concat([Buffer.from([0x81]), encodeStr(options.key)])
  }

  /**
   * Appends the event buf[start, end); `nano`: its time, undefined: now. Returns false when there is no memory
   * for it.
   */
  write(buf: Buffer, start: number, end: number, nano: bigint | undefined): boolean {
    const length = end - start
    const out = this.#ctx.appender(this.#ctx.tag)
    const bytes = Math.max(this.#parser?.bound(length) ?? 0, length + this.#prefix.length + 5)
    if (!out.reserve(ENTRY_HEAD + bytes)) return false
    const w = this.#out
    w.buf = out.buf
    w.at = out.end + ENTRY_HEAD
    const now = splitMs(this.#ctx.clock.nowMs())
    w.sec = nano === undefined ? now.sec : Number(nano / NANO_PER_SECOND)
    w.nsec = nano === undefined ? now.nsec : Number(nano % NANO_PER_SECOND)
    if (this.#parser === undefined || !this.#parse(this.#parser, buf, start, end)) {
      w.at += this.#prefix.copy(w.buf, w.at)
      w.at = writeStrHead(w.buf, w.at, length)
      w.at += buf.copy(w.buf, w.at, start, end)
    }
    writeEntryHead(w.buf, out.end, w.sec, w.nsec)
    out.end = w.at
    out.addRecords(1, length + 1)
    return true
  }

  /** Writes the event with its parser. Counts what it cannot read, and logs the first of each kind. */
  #parse(parser: Parser, buf: Buffer, start: number, end: number): boolean {
    const { timeFailures } = parser
    const isParsed = parser.parse(buf, start, end, this.#out)
    if (!isParsed) this.#recordFailure('parse_failed', buf, start, end)
    else if (parser.timeFailures !== timeFailures) this.#recordFailure('time_failed', buf, start, end)
    return isParsed
  }

  #recordFailure(counter: 'parse_failed' | 'time_failed', buf: Buffer, start: number, end: number): void {
    const { counters, log } = this.#ctx
    counters.add(counter)
    if (counters.get(counter) > 1) return
    const what =
      counter === 'parse_failed'
        ? `cannot be parsed: it is kept unchanged under "${this.#key}"`
        : 'has a time that cannot be read: the record has the time of the event and keeps the field'
    const event = escapeControls(buf.toString('utf8', start, Math.min(end, start + SHOWN_BYTES)))
    log.warn(`an event of Docker ${what}`, { event, hint: `later ones are only counted, see ${counter}` })
  }
}
