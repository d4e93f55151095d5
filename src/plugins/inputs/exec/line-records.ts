import { escapeControls } from '../../../core/escape-controls.ts'
import { ENTRY_HEAD, encodeStr, writeEntryHead, writeStrHead } from '../../../core/msgpack/encode.ts'
import type { EntryWriter, Parser } from '../../../core/parser.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'

const EXEC_MAP_HEAD = Buffer.concat([Buffer.from([0x81]), encodeStr('exec')])
const LF = 10
/** Maximum number of bytes of a line that are logged. */
const SHOWN_BYTES = 100

/** Makes records of the lines of a command, whatever pieces they come in. */
export class LineRecords {
  readonly #ctx: InputContext
  readonly #parser: Parser | undefined
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  /** Beginning of a line whose end has not come; its length is the maximum of a line. */
  readonly #partial: Buffer
  readonly #maxLineBytes: number
  #partialBytes = 0
  #waitedMs = 0
  #waitsSinceMs: number | undefined
  /** True after a part of a line that is too long: a newline that follows ends it and is no empty line. */
  #isCut = false

  constructor(maxLineBytes: number, parser: Parser | undefined, ctx: InputContext) {
    this.#ctx = ctx
    this.#parser = parser
    this.#partial = ctx.buffers.takeLongLived(maxLineBytes)
    this.#maxLineBytes = maxLineBytes
  }

  /** True when there is a line without its end. */
  get hasPartial(): boolean {
    return this.#partialBytes > 0
  }

  /** Time that was waited for memory so far. */
  get waitedMs(): number {
    const since = this.#waitsSinceMs
    return this.#waitedMs + (since === undefined ? 0 : this.#ctx.clock.nowMs() - since)
  }

  /**
   * Makes records of the lines of a piece; waits for memory. Resolves with the number of bytes that are not kept, because the
   * signal was given while there was no memory for them.
   */
  async push(piece: Buffer, signal: AbortSignal): Promise<number> {
    const time = splitMs(this.#ctx.clock.nowMs())
    let at = 0
    while (at < piece.length) {
      const nl = piece.indexOf(LF, at)
      const end = nl < 0 ? piece.length : nl
      const cut = Math.min(end, at + this.#maxLineBytes - this.#partialBytes)
      if (cut === piece.length && this.#partialBytes + cut - at < this.#maxLineBytes) {
        this.#partialBytes += piece.copy(this.#partial, this.#partialBytes, at, cut)
        return 0
      }
      if (cut === nl && this.#isCut && at === cut && this.#partialBytes === 0) this.#isCut = false
      else {
        const left = await this.#appendLine(piece, at, cut, time, signal)
        if (left > 0) return left + piece.length - cut
        this.#isCut = cut !== nl
        if (this.#isCut) this.#ctx.counters.add('split_lines')
      }
      at = cut === nl ? nl + 1 : cut
    }
    return 0
  }

  /** Makes a record of a last line without newline; see `push`. */
  async end(signal: AbortSignal): Promise<number> {
    this.#isCut = false
    if (this.#partialBytes === 0) return 0
    return this.#appendLine(EMPTY, 0, 0, splitMs(this.#ctx.clock.nowMs()), signal)
  }

  close(): void {
    this.#ctx.buffers.give(this.#partial)
  }

  /** Appends the partial line and piece[start, end) as one line. Resolves with its length when there is no memory for it. */
  async #appendLine(
    piece: Buffer,
    start: number,
    end: number,
    time: { sec: number; nsec: number },
    signal: AbortSignal,
  ): Promise<number> {
    const joined = this.#partialBytes > 0
    if (joined) this.#partialBytes += piece.copy(this.#partial, this.#partialBytes, start, end)
    const [src, from, to] = joined ? [this.#partial, 0, this.#partialBytes] : [piece, start, end]
    this.#partialBytes = 0
    while (!this.#append(src, from, to, time)) {
      this.#ctx.sealAll()
      if (signal.aborted) return Math.max(1, to - from)
      this.#waitsSinceMs = this.#ctx.clock.nowMs()
      await this.#ctx.waitForMemory(signal)
      this.#waitedMs = this.waitedMs
      this.#waitsSinceMs = undefined
    }
    return 0
  }

  #append(src: Buffer, start: number, end: number, time: { sec: number; nsec: number }): boolean {
    const out = this.#ctx.appender(this.#ctx.tag)
    const length = end - start
    const need = ENTRY_HEAD + Math.max(this.#parser?.bound(length) ?? 0, length + EXEC_MAP_HEAD.length + 8)
    if (!out.reserve(need)) return false
    const w = this.#writer
    w.buf = out.buf
    w.at = out.end + ENTRY_HEAD
    w.sec = time.sec
    w.nsec = time.nsec
    if (this.#parser === undefined || !this.#parse(this.#parser, src, start, end)) {
      w.at = out.end + ENTRY_HEAD
      w.at += EXEC_MAP_HEAD.copy(w.buf, w.at)
      w.at = writeStrHead(w.buf, w.at, length)
      w.at += src.copy(w.buf, w.at, start, end)
    }
    writeEntryHead(out.buf, out.end, w.sec, w.nsec)
    out.end = w.at
    out.addRecords(1, length + 1)
    return true
  }

  /** Writes a line with its parser. Counts unparsed lines and unreadable times, and logs the first of each. */
  #parse(parser: Parser, src: Buffer, start: number, end: number): boolean {
    const { timeFailures } = parser
    const isParsed = parser.parse(src, start, end, this.#writer)
    if (!isParsed) this.#countFailure('parse_failed', src, start, end)
    else if (parser.timeFailures !== timeFailures) this.#countFailure('time_failed', src, start, end)
    return isParsed
  }

  #countFailure(counter: 'parse_failed' | 'time_failed', src: Buffer, start: number, end: number): void {
    const { counters, log } = this.#ctx
    counters.add(counter)
    if (counters.get(counter) > 1) return
    const what =
      counter === 'parse_failed'
        ? 'a line that cannot be parsed: it is kept unchanged under "exec"'
        : 'a time that cannot be read: the record gets the time of reading and keeps the field'
    const line = escapeControls(src.toString('utf8', start, Math.min(end, start + SHOWN_BYTES)))
    log.warn(`the output of the command has ${what}`, {
      line,
      hint: `later ones are only counted, see ${counter}`,
    })
  }
}

const EMPTY = Buffer.alloc(0)
