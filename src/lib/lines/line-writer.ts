import { TAIL_ROOM } from '../../core/chunk.ts'
import {
  ENTRY_HEAD,
  encodeStr,
  TRUE,
  writeBinHead,
  writeEntryHead,
  writeMapHead,
  writeStrHead,
} from '../../core/msgpack/encode.ts'
import { UniqueKeys } from '../../core/msgpack/unique-keys.ts'
import type { EntryWriter, LineKernel, Parser } from '../../core/parser.ts'
import type { Appender } from '../../core/plugin.ts'
import { utf8Floor } from '../../core/utf8.ts'
import { splitMs } from '../time/split-ms.ts'
import { FastPath } from '../wasm/fast-path.ts'
import { type EntryForm, sharedLineEncoder } from '../wasm/line-encoder.ts'
import type { LineHost } from './host.ts'
import { type FrameKeys, SenderFrame, TRUNCATED_KEY } from './sender-frame.ts'

/** Who sends lines: what their entries have in common, and who counts them. */
export interface Sender {
  readonly frame: SenderFrame
  /** Address for messages; undefined for a local program. */
  readonly peer?: string | undefined
  /** Called when `bytes` of input became records of the current chunk of `out`. */
  wrote(out: Appender, bytes: number): void
}

/** Blocks below this size are written line by line: a kernel costs more than it saves. */
const MIN_KERNEL_BYTES = 4096
/** Longer lines are left to the parser: the kernels do not take them. */
const MAX_KERNEL_ROOM = 16_384
const NEWLINE = 10
const RETURN = 13
/** Bytes of an entry besides its pairs and the head of a map. */
const FIXED_BYTES = ENTRY_HEAD + 5 + 5 + 5
const EMPTY = Buffer.alloc(0)
const TRUNCATED = Buffer.concat([encodeStr(TRUNCATED_KEY), Buffer.from([TRUE])])

/**
 * Writes lines as entries: with the fields of their parser, or the line itself where there is none or it does not fit. Blocks of
 * lines go through the WebAssembly module of the parser, if it has one; all others through this class, with the same result.
 */
export class LineWriter {
  readonly keys: FrameKeys
  readonly #host: LineHost
  readonly #parserOf: ((src: Buffer, start: number, end: number) => Parser) | undefined
  readonly #tagOf: ((src: Buffer, start: number, end: number) => string) | undefined
  readonly #settlers = new Map<Parser, UniqueKeys | undefined>()
  readonly #out: EntryWriter = { buf: EMPTY, at: 0, sec: 0, nsec: 0, extraPairs: 0, extraKeys: undefined }
  readonly #fastPath = new FastPath()
  readonly #form: EntryForm
  /** Bytes that came so far: a module is compiled when they are many. */
  #seen = 0
  #sec = 0
  #nsec = 0

  /**
   * `parserOf` chooses the parser of a line by its first bytes, and `tagOf` its tag; undefined: lines are not parsed, and have the tag of the
   * input.
   */
  constructor(
    host: LineHost,
    keys: FrameKeys,
    parserOf?: (src: Buffer, start: number, end: number) => Parser,
    tagOf?: (src: Buffer, start: number, end: number) => string,
  ) {
    this.#host = host
    this.#tagOf = tagOf
    this.keys = keys
    this.#parserOf = parserOf
    const none = { suffix: EMPTY, prefixOffsetAt: -1, suffixOffsetAt: -1, extraPairs: 0 }
    this.#form = { ...none, form: 'raw', prefix: EMPTY, keepTime: false }
  }

  frameOf(address: string | undefined): SenderFrame {
    return new SenderFrame(this.keys, address)
  }

  /** Sets the time of reading of what follows. To be called once for each piece that has arrived. */
  setTime(): void {
    const { sec, nsec } = splitMs(this.#host.ctx.clock.nowMs())
    this.#sec = sec
    this.#nsec = nsec
  }

  /** Writes this time into the frame. */
  setTimeOf(frame: SenderFrame): void {
    frame.setTime(this.#sec, this.#nsec)
  }

  /**
   * Writes the lines of src[start, end), each of which ends with a line feed; empty ones are passed over. Returns the offset up to which
   * they were written: less than `end` when there is no memory.
   */
  writeLines(sender: Sender, src: Buffer, start: number, end: number): number {
    this.#seen += end - start
    const parserOf = this.#parserOf
    let pos = start
    while (pos < end) {
      const parser = parserOf?.(src, pos, end)
      const runEnd =
        parser === undefined || parserOf === undefined ? end : this.#runEnd(parser, parserOf, src, pos, end)
      const done = this.#writeRun(sender, parser, src, pos, runEnd)
      if (done < runEnd) return done
      pos = done
    }
    return pos
  }

  /** Returns the end of the lines from `pos` on that have the same parser. */
  #runEnd(
    parser: Parser,
    parserOf: (src: Buffer, start: number, end: number) => Parser,
    src: Buffer,
    pos: number,
    end: number,
  ): number {
    let at = pos
    do {
      const newline = src.indexOf(NEWLINE, at)
      at = newline < 0 || newline >= end ? end : newline + 1
    } while (at < end && parserOf(src, at, end) === parser)
    return at
  }

  #writeRun(sender: Sender, parser: Parser | undefined, src: Buffer, start: number, end: number): number {
    const kernel =
      end - start >= MIN_KERNEL_BYTES ? this.#kernelFor(sender, parser, src, start, end) : undefined
    if (kernel === undefined) return this.#writeEach(sender, parser, src, start, end)
    this.#fastPath.begin(true)
    let pos = start
    while (pos < end) {
      // What does not fit into the memory of the kernel is written after it.
      const most = Math.min(end, pos + kernel.input.length)
      const sliceEnd = most === end ? end : src.lastIndexOf(NEWLINE, most - 1) + 1
      if (sliceEnd <= pos) return this.#writeEach(sender, parser, src, pos, end)
      const done = this.#writeSlice(sender, parser, kernel, src, pos, sliceEnd)
      if (done < sliceEnd) return done
      pos = done
    }
    return pos
  }

  /** Returns the kernel for a block of lines, ready for the entries of the sender. */
  #kernelFor(
    { frame }: Sender,
    parser: Parser | undefined,
    src: Buffer,
    start: number,
    end: number,
  ): LineKernel | undefined {
    // A kernel writes a run of lines into one chunk.
    if (frame.rawKey !== undefined || this.#tagOf !== undefined) return undefined
    // Kernels take a carriage return away, as tail does; fluent-bit keeps it.
    const carriage = src.indexOf(RETURN, start)
    if (carriage >= 0 && carriage < end) return undefined
    frame.setTime(this.#sec, this.#nsec)
    if (parser === undefined) {
      if (frame.extraPairs > 0) return undefined
      const encoder = sharedLineEncoder()
      this.#form.prefix = frame.prefix
      return encoder.use(this.#form, Number.MAX_SAFE_INTEGER, true) ? encoder : undefined
    }
    if (this.#settlerOf(parser, frame) !== undefined) return undefined
    const kernel = parser.kernel?.(this.#seen)
    return kernel?.use(frame, Number.MAX_SAFE_INTEGER, true) === true ? kernel : undefined
  }

  /** Writes lines that fit into the memory of the kernel. */
  #writeSlice(
    sender: Sender,
    parser: Parser | undefined,
    kernel: LineKernel,
    src: Buffer,
    start: number,
    end: number,
  ): number {
    src.copy(kernel.input, 0, start, end)
    const length = end - start
    const fastPath = this.#fastPath
    const { ctx } = this.#host
    let pos = 0
    while (pos < length) {
      if (!fastPath.isOpen) return this.#writeEach(sender, parser, src, start + pos, end)
      const out = ctx.appender(ctx.tag)
      const lineEnd = kernel.input.indexOf(NEWLINE, pos)
      const wanted = kernel.bound(lineEnd - pos)
      if (wanted > MAX_KERNEL_ROOM || !out.reserve(wanted, length - pos)) {
        const next = this.#writeOne(sender, parser, src, start + pos, start + lineEnd)
        if (!next) return start + pos
        pos = lineEnd + 1
        continue
      }
      const size = kernel.run(pos, length, out.buf.length - TAIL_ROOM - out.end, 0)
      const { consumed, records } = kernel
      if (consumed === pos) {
        fastPath.miss()
        if (!this.#writeOne(sender, parser, src, start + pos, start + lineEnd)) return start + pos
        pos = lineEnd + 1
        continue
      }
      out.end += kernel.output.copy(out.buf, out.end, 0, size)
      for (let i = 0; i < kernel.failures; i++) {
        const { start: from, end: to, isUntimed } = kernel.failure(i)
        this.#host.failed(isUntimed ? 'time_failed' : 'parse_failed', sender, kernel.input, from, to)
      }
      if (records > 0) {
        out.addRecords(records, consumed - pos)
        sender.wrote(out, consumed - pos)
      }
      fastPath.hit(records)
      pos = consumed
    }
    return end
  }

  #writeEach(sender: Sender, parser: Parser | undefined, src: Buffer, start: number, end: number): number {
    let pos = start
    while (pos < end) {
      const newline = src.indexOf(NEWLINE, pos)
      const lineEnd = newline < 0 || newline >= end ? end : newline
      if (!this.#writeOne(sender, parser, src, pos, lineEnd)) return pos
      pos = Math.min(end, lineEnd + 1)
    }
    return pos
  }

  /**
   * Writes one line or message, which may contain line feeds; false when there is no memory. One of no length is passed over. `rawEnd`: end of
   * the message as it came.
   */
  write(sender: Sender, src: Buffer, start: number, end: number, rawEnd = end): boolean {
    return this.#writeOne(sender, this.#parserOf?.(src, start, end), src, start, end, rawEnd)
  }

  #writeOne(
    sender: Sender,
    parser: Parser | undefined,
    src: Buffer,
    start: number,
    end: number,
    rawEnd = end,
  ): boolean {
    const length = end - start
    if (length === 0) return true
    const { frame } = sender
    const out = this.#appenderOf(src, start, end)
    const text = frame.prefix.length + length
    const later =
      frame.suffix.length + (frame.rawKey === undefined ? 0 : frame.rawKey.length + rawEnd - start)
    if (!out.reserve(FIXED_BYTES + Math.max(text, parser?.bound(length) ?? 0) + later, 0)) return false
    const parsed = parser === undefined ? -1 : this.#parse(sender, parser, out, src, start, end)
    let at = parsed < 0 ? this.#writeText(frame, out, src, start, end) : parsed
    if (parser !== undefined && parsed < 0) this.#host.failed('parse_failed', sender, src, start, end)
    if (frame.rawKey !== undefined) at = writeRaw(frame.rawKey, out.buf, at, src, start, rawEnd)
    out.end = at + frame.suffix.copy(out.buf, at)
    out.addRecords(1, length + 1)
    sender.wrote(out, length + 1)
    return true
  }

  #appenderOf(src: Buffer, start: number, end: number): Appender {
    const { ctx } = this.#host
    return ctx.appender(this.#tagOf?.(src, start, end) ?? ctx.tag)
  }

  /** Writes the head of the entry and the fields of the line; returns their end, or -1. */
  #parse(sender: Sender, parser: Parser, out: Appender, src: Buffer, start: number, end: number): number {
    const { frame } = sender
    const w = this.#out
    w.buf = out.buf
    w.at = out.end + ENTRY_HEAD
    w.sec = this.#sec
    w.nsec = this.#nsec
    w.extraPairs = frame.laterPairs
    w.extraKeys = frame.laterKeys
    const { timeFailures } = parser
    if (!parser.parse(src, start, end, w)) return -1
    if (parser.timeFailures !== timeFailures) this.#host.failed('time_failed', sender, src, start, end)
    writeEntryHead(out.buf, out.end, w.sec, w.nsec)
    const settler = this.#settlerOf(parser, frame)
    return settler === undefined
      ? w.at
      : settler.settle(w.buf, out.end + ENTRY_HEAD, w.at, frame.laterPairs, frame.laterKeys)
  }

  /** Returns what removes fields that later pairs replace; undefined when the parser has none of their keys, or removes them itself. */
  #settlerOf(parser: Parser, { laterKeys }: SenderFrame): UniqueKeys | undefined {
    if (laterKeys === undefined) return undefined
    if (!this.#settlers.has(parser)) {
      const collides = parser.keys?.some((key) => laterKeys.has(encodeStr(key))) === true
      this.#settlers.set(parser, collides ? new UniqueKeys() : undefined)
    }
    return this.#settlers.get(parser)
  }

  #writeText(frame: SenderFrame, out: Appender, src: Buffer, start: number, end: number): number {
    frame.setTime(this.#sec, this.#nsec)
    const head = out.end + frame.prefix.copy(out.buf, out.end)
    const at = writeStrHead(out.buf, head, end - start)
    return at + src.copy(out.buf, at, start, end)
  }

  /**
   * Writes the beginning of a line src[start, lineEnd) that is too long, at most `maxBytes`, unparsed and with the flag `truncated`. Returns the
   * number of bytes that were written; 0 when there is no memory.
   */
  writeCut(sender: Sender, src: Buffer, start: number, lineEnd: number, maxBytes: number): number {
    const { frame } = sender
    const end = lineEnd - start > maxBytes ? utf8Floor(src, start, start + maxBytes) : lineEnd
    const length = end - start
    const out = this.#appenderOf(src, start, end)
    const later = frame.suffix.length + (frame.rawKey === undefined ? 0 : frame.rawKey.length + length)
    if (!out.reserve(FIXED_BYTES + frame.prefix.length + length + later + TRUNCATED.length, 0)) return 0
    let at = this.#writeText(frame, out, src, start, end)
    // One pair more than the prefix says.
    writeMapHead(out.buf, out.end + ENTRY_HEAD, frame.laterPairs + 2)
    if (frame.rawKey !== undefined) at = writeRaw(frame.rawKey, out.buf, at, src, start, end)
    at += frame.suffix.copy(out.buf, at)
    out.end = at + TRUNCATED.copy(out.buf, at)
    out.addRecords(1, length)
    sender.wrote(out, length)
    return length
  }
}

/** Writes a line as it came, as binary: it may be in any encoding. */
function writeRaw(key: Buffer, buf: Buffer, at: number, src: Buffer, start: number, end: number): number {
  const head = at + key.copy(buf, at)
  const from = writeBinHead(buf, head, end - start)
  return from + src.copy(buf, from, start, end)
}
