import { TAIL_ROOM } from '../../core/chunk.ts'
import { ENTRY_HEAD, encodeStr, writeMapHead } from '../../core/msgpack/encode.ts'
import type { ParserKernel } from '../../core/parser.ts'
import { JsonTranscoder, jsonBound } from '../json/json-to-msgpack.ts'
import type { JsonParser } from '../parsing/json-parser.ts'
import { FastPath } from '../wasm/fast-path.ts'
import type { LineHost } from './host.ts'
import { INCOMPLETE, JsonExtent, NO_JSON } from './json-extent.ts'
import type { LineWriter, Sender } from './line-writer.ts'
import type { MessageLimit, StreamReader } from './stream-reader.ts'

const NEWLINE = 10
const RETURN = 13
const SPACE = 0x20
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d
const OPEN_LIST = 0x5b
const MIN_KERNEL_BYTES = 4096
const MAX_KERNEL_ROOM = 65_536
/** Key of a value that is a list, as fluent-bit has it. */
const LIST_KEY = encodeStr('msg')

/** What all connections share that send JSON. */
interface JsonWriter {
  readonly lines: LineWriter
  readonly parser: JsonParser
  readonly json: JsonTranscoder
}

export function jsonWriter(lines: LineWriter, parser: JsonParser): JsonWriter {
  return { lines, parser, json: new JsonTranscoder(undefined, undefined, true) }
}

/**
 * Reads JSON objects, one after the other, with or without blanks and line feeds between and within them. A list becomes `{"msg": list}`. Text
 * that is neither is kept line by line; a value that is too long is cut and kept as text.
 *
 * Blocks whose lines are objects go through the WebAssembly module of the parser of JSON; it is asked again after each value that is not
 * such a line.
 */
export class JsonReader implements StreamReader {
  isFull = false
  readonly #writer: JsonWriter
  readonly #host: LineHost
  readonly #sender: Sender
  readonly #limit: MessageLimit
  readonly #extent = new JsonExtent()
  readonly #fastPath = new FastPath()
  /** True within a line of text that was cut. */
  #isSkipping = false

  constructor(writer: JsonWriter, host: LineHost, sender: Sender, limit: MessageLimit) {
    this.#writer = writer
    this.#host = host
    this.#sender = sender
    this.#limit = limit
  }

  read(src: Buffer, start: number, end: number, isLast: boolean): number {
    this.isFull = false
    this.#fastPath.begin(end - start >= MIN_KERNEL_BYTES)
    let pos = start
    while (pos < end) {
      if (this.#isSkipping) pos = this.#skip(src, pos, end)
      pos = skipBlanks(src, pos, end)
      if (pos === end) break
      const c = src[pos]
      let next = pos
      if (c === OPEN_MAP && this.#fastPath.isOpen && end - pos >= MIN_KERNEL_BYTES)
        next = this.#readLines(src, pos, end)
      // What was known of the value at `pos` is of no use after it.
      if (next > pos) this.#extent.reset()
      if (this.isFull) return next
      if (next === pos)
        next =
          c === OPEN_MAP || c === OPEN_LIST
            ? this.#readValue(src, pos, end, isLast)
            : this.#readText(src, pos, end, isLast)
      if (next === pos) return pos
      pos = next
    }
    return pos
  }

  /** Writes the lines at `start` that are objects, as far as the module knows them. */
  #readLines(src: Buffer, start: number, end: number): number {
    const kernel = this.#writer.parser.kernel()
    if (kernel === undefined) return start
    const most = Math.min(end, start + kernel.input.length)
    const length = src.lastIndexOf(NEWLINE, most - 1) + 1 - start
    const { frame } = this.#sender
    if (length < MIN_KERNEL_BYTES || frame.rawKey !== undefined) return start
    this.#writer.lines.setTimeOf(frame)
    if (!kernel.use(frame, this.#limit.bytes, true)) return start
    src.copy(kernel.input, 0, start, start + length)
    let pos = 0
    while (pos < length) {
      const done = this.#runKernel(kernel, pos, length)
      if (this.isFull) return start + pos
      if (done === pos) {
        this.#fastPath.miss()
        break
      }
      pos = done
    }
    return start + pos
  }

  /** Writes what one run of the kernel knows of input[pos, length), up to the first line that is no object. */
  #runKernel(kernel: ParserKernel, pos: number, length: number): number {
    const { ctx } = this.#host
    const out = ctx.appender(ctx.tag)
    const lineEnd = kernel.input.indexOf(NEWLINE, pos)
    // What is reserved for an object of several lines would be kept, empty, until its end arrives.
    if (!endsObject(kernel.input, lineEnd)) return pos
    const wanted = kernel.bound(lineEnd - pos)
    if (wanted > MAX_KERNEL_ROOM) return pos
    this.isFull = !out.reserve(wanted, length - pos)
    if (this.isFull) return pos
    const room = out.buf.length - TAIL_ROOM - out.end
    let size = kernel.run(pos, length, room, 0)
    if (kernel.failures > 0) {
      const { start } = kernel.failure(0)
      if (start <= pos) return pos
      size = kernel.run(pos, start, room, 0)
      if (kernel.failures > 0) return pos
    }
    const { consumed, records } = kernel
    if (consumed === pos) return pos
    out.end += kernel.output.copy(out.buf, out.end, 0, size)
    if (records > 0) {
      out.addRecords(records, consumed - pos)
      this.#sender.wrote(out, consumed - pos)
    }
    this.#fastPath.hit(records)
    return consumed
  }

  /** Reads one object or list; returns `start` when it is incomplete or there is no memory. */
  #readValue(src: Buffer, start: number, end: number, isLast: boolean): number {
    const extent = this.#extent
    const valueEnd = extent.scan(src, start, end)
    const limit = start + this.#limit.bytes
    if (valueEnd === INCOMPLETE && !isLast && end <= limit) return start
    const isBroken = valueEnd === NO_JSON
    // What is found out behind the limit does not count: the same bytes may have come in pieces.
    const isTooLong = isBroken ? extent.failedAt >= limit : (valueEnd >= 0 ? valueEnd : end) > limit
    if (isTooLong) return this.#cut(src, start, end)
    const textEnd = isBroken ? this.#brokenEnd(src, start, end) : valueEnd >= 0 ? valueEnd : end
    // The end of a line may be missing that has no JSON.
    if (textEnd < 0 && !isLast) return start
    if (textEnd > limit || (textEnd < 0 && end > limit)) return this.#cut(src, start, end)
    extent.reset()
    const isValue = valueEnd >= 0 && this.#writeValue(src, start, valueEnd)
    if (this.isFull) return start
    return isValue ? valueEnd : this.#writeText(src, start, textEnd < 0 ? end : textEnd)
  }

  /**
   * Returns the end of a text that turned out not to be JSON: that of the lines before the byte that shows it, so that no byte is looked at
   * often, or of the line with that byte. -1: it is not there yet.
   */
  #brokenEnd(src: Buffer, start: number, end: number): number {
    const before = src.lastIndexOf(NEWLINE, this.#extent.failedAt)
    if (before > start) return before
    const after = src.indexOf(NEWLINE, this.#extent.failedAt)
    if (after >= 0 && after < end) return after
    return end - start > this.#limit.bytes ? end : -1
  }

  #writeValue(src: Buffer, start: number, end: number): boolean {
    const { ctx } = this.#host
    const { frame } = this.#sender
    const { json } = this.#writer
    const out = ctx.appender(ctx.tag)
    this.isFull = !out.reserve(
      jsonBound(end - start) + ENTRY_HEAD + LIST_KEY.length + frame.suffix.length + 16,
      0,
    )
    if (this.isFull) return false
    this.#writer.lines.setTimeOf(frame)
    frame.prefix.copy(out.buf, out.end, 0, ENTRY_HEAD)
    let at = out.end + ENTRY_HEAD
    const isList = src[start] === OPEN_LIST
    if (isList) {
      at = writeMapHead(out.buf, at, 1 + frame.extraPairs)
      at += LIST_KEY.copy(out.buf, at)
    }
    json.extraPairs = isList ? 0 : frame.extraPairs
    json.extraKeys = isList ? undefined : frame.extraKeys
    const done = json.transcode(src, start, end, out.buf, at)
    if (done < 0 || json.end !== end) return false
    out.end = done + frame.suffix.copy(out.buf, done)
    out.addRecords(1, end - start)
    this.#sender.wrote(out, end - start)
    return true
  }

  /** Reads a line that is not JSON; returns `start` when it is incomplete or there is no memory. */
  #readText(src: Buffer, start: number, end: number, isLast: boolean): number {
    const newline = src.indexOf(NEWLINE, start)
    const hasEnd = newline >= 0 && newline < end
    const lineEnd = hasEnd ? newline : end
    if (lineEnd - start > this.#limit.bytes) return this.#cut(src, start, end)
    if (!hasEnd && !isLast) return start
    return this.#writeText(src, start, lineEnd)
  }

  #writeText(src: Buffer, start: number, end: number): number {
    this.isFull = !this.#writer.lines.write(this.#sender, src, start, end)
    if (this.isFull) return start
    this.#host.failed('parse_failed', this.#sender, src, start, end)
    return end
  }

  /** Writes the beginning of what is too long; the rest of the line that it ends in is passed over. */
  #cut(src: Buffer, start: number, end: number): number {
    const written = this.#writer.lines.writeCut(this.#sender, src, start, end, this.#limit.bytes)
    this.isFull = written === 0
    if (this.isFull) return start
    this.#extent.reset()
    this.#host.cut(this.#limit.bytes, this.#limit.option, this.#sender)
    this.#isSkipping = true
    return start + written
  }

  #skip(src: Buffer, start: number, end: number): number {
    const newline = src.indexOf(NEWLINE, start)
    const isWhole = newline >= 0 && newline < end
    this.#isSkipping = !isWhole
    this.#host.lost((isWhole ? newline : end) - start)
    return isWhole ? newline + 1 : end
  }
}

/** Returns true when the line that ends at `newline` may be an object. */
function endsObject(src: Buffer, newline: number): boolean {
  let at = newline - 1
  while (at >= 0 && (src[at] === RETURN || src[at] === SPACE)) at--
  return src[at] === CLOSE_MAP
}

function skipBlanks(src: Buffer, start: number, end: number): number {
  let p = start
  while (p < end) {
    const c = src[p] as number
    // A NUL byte ends messages of GELF and the like.
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09 && c !== 0) return p
    p++
  }
  return p
}
