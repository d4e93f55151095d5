import {
  encodeStr,
  TRUE,
  writeEntryHead,
  writeEventTime,
  writeMapHead,
  writeStrHead,
} from '../../../../core/msgpack/encode.ts'
import type { EntryWriter, Parser } from '../../../../core/parser.ts'
import type { EntryForm } from '../../../../lib/wasm/line-encoder.ts'

/** Keys of an entry, and the parser of its line. Undefined: the entry does not have it. */
export interface EntryFormat {
  /** Key of a line that is not parsed. */
  key: string
  pathKey: string | undefined
  idKey: string | undefined
  offsetKey: string | undefined
  parser: Parser | undefined
}

/** Values of Path_Key and File_Id_Key. */
export interface FileNames {
  path: string
  /** Unique to the file, whatever its path is. */
  id: string
}

/** A line was read completely, or there is no parser. */
const PARSED = 0
/** The parser did not read the line. */
const UNPARSED = 1
/** The line has a time that the parser could not read. */
export const UNTIMED = 2
type LineFailure = typeof PARSED | typeof UNPARSED | typeof UNTIMED

const TRUNCATED = Buffer.concat([encodeStr('truncated'), Buffer.from([TRUE])])
const EMPTY = Buffer.alloc(0)
/** Offset 0 as uint64. */
const OFFSET = Buffer.from([0xcf, 0, 0, 0, 0, 0, 0, 0, 0])
const PADDING_BYTES = 3
/** Size of the longest string head (str 32). */
const MAX_STR_HEAD_BYTES = 5

/**
 * Writes the entries of one file. Everything in an entry that does not change from line to line is encoded once:
 *
 * ```
 *   92 d7 00 <sec><nsec> 8n [path_key path] [id_key id] [offset_key cf <offset u64>] key | str head | line
 *   |--------------------------------- prefix, copied per line --------------------------|
 * ```
 * A parsed line has the parser's pairs first, then path, id and offset.
 */
export class EntryEncoder implements EntryWriter {
  buf: Buffer = Buffer.alloc(0)
  at = 0
  sec = 0
  nsec = 0
  /** What failed in the line written last. */
  failure: LineFailure = PARSED
  extraPairs: number
  readonly prefix: Buffer
  /** The prefix as big-endian words: storing four bytes at a time is a third faster than `copy` for so few bytes. */
  readonly #words: Uint32Array
  readonly #prefixView: DataView
  /** Index in `prefix` of the offset's eight bytes, or -1. */
  readonly offsetAt: number
  readonly parser: Parser | undefined
  /** Description of the entries for the wasm encoder; undefined when it does not support the parser. */
  readonly entry: EntryForm | undefined
  readonly #format: EntryFormat
  /** Encoded pairs of path and id, as far as they have keys. */
  readonly #filePairs: Buffer
  readonly #offsetKey: Buffer | undefined
  /** Prefix of a truncated line, with one pair more. */
  readonly #cutPrefix: Buffer
  #ratio = 1.3
  #readSec = 0
  #readNsec = 0

  constructor(format: EntryFormat, { path, id }: FileNames) {
    this.#format = format
    this.parser = format.parser
    const pathPair = format.pathKey === undefined ? EMPTY : pair(format.pathKey, encodeStr(path))
    const idPair = format.idKey === undefined ? EMPTY : pair(format.idKey, encodeStr(id))
    this.#filePairs = Buffer.concat([pathPair, idPair])
    this.#offsetKey = format.offsetKey === undefined ? undefined : encodeStr(format.offsetKey)
    this.extraPairs = extraPairsOf(format)
    const built = this.#prefix(this.extraPairs + 1)
    this.prefix = built.bytes
    this.offsetAt = built.offsetAt
    this.#prefixView = new DataView(
      this.prefix.buffer,
      this.prefix.byteOffset,
      this.prefix.byteLength + PADDING_BYTES,
    )
    this.#words = new Uint32Array(Math.ceil(this.prefix.length / 4))
    this.#cutPrefix = this.#prefix(this.extraPairs + 2).bytes
    this.entry = this.#entryForm()
  }

  #entryForm(): EntryForm | undefined {
    const { prefix, offsetAt, extraPairs } = this
    if (this.parser === undefined)
      return { form: 'raw', prefix, suffix: EMPTY, offsetAt, extraPairs, keepTime: false }
    const { lineFormat: form } = this.parser
    if (form === undefined) return undefined
    const file = this.#filePairs
    const offset = this.#offsetKey === undefined ? EMPTY : Buffer.concat([this.#offsetKey, OFFSET])
    return {
      form: form.name,
      prefix: EMPTY,
      suffix: Buffer.concat([file, offset]),
      offsetAt: offset.length === 0 ? -1 : file.length + offset.length - 8,
      extraPairs,
      keepTime: form.keepTime,
      ...(form.name === 'cri' ? { cri: criPairs(form.tagKey, form.textKey) } : {}),
    }
  }

  /** Returns the largest size of the entry of a line of `length` bytes. */
  bound(length: number): number {
    const plain = this.prefix.length + MAX_STR_HEAD_BYTES + length + TRUNCATED.length
    if (this.parser === undefined) return plain
    return Math.max(plain, this.parser.bound(length) + 32 + this.prefix.length)
  }

  /** Bytes of entries per byte of input, weighted to the latest lines. */
  get ratio(): number {
    return this.#ratio
  }

  /**
   * Updates `ratio` with the lines just written; never below 1/4, or one unusual block would make the next reads too
   * long.
   */
  recordRatio(written: number, bytes: number): void {
    this.#ratio = Math.max(0.25, (this.#ratio + written / bytes) / 2)
  }

  /** Sets the time of reading, which is the time of the lines that follow unless their parser finds one. */
  setTime(sec: number, nsec: number): void {
    this.#readSec = sec
    this.#readNsec = nsec
    writeEventTime(this.prefix, 3, sec, nsec)
    writeEventTime(this.#cutPrefix, 3, sec, nsec)
    for (let i = 0; i < this.#words.length; i++) this.#words[i] = this.#prefixView.getUint32(i * 4)
  }

  /** Writes the entry of a line at `buf[at]` and returns the index after it. The caller provides `bound()` bytes. */
  write(
    buf: Buffer,
    view: DataView,
    at: number,
    src: Buffer,
    start: number,
    end: number,
    offset: number,
  ): number {
    if (this.parser !== undefined) {
      const parsed = this.parsed(buf, at, src, start, end, offset)
      if (parsed > 0) return parsed
    }
    let p = at
    const words = this.#words
    for (let i = 0; i < words.length; i++, p += 4) view.setUint32(p, words[i] as number)
    if (this.offsetAt >= 0) writeOffset(buf, at + this.offsetAt, offset)
    p = writeStrHead(buf, at + this.prefix.length, end - start)
    src.copy(buf, p, start, end)
    return p + (end - start)
  }

  /** Writes a truncated line, with `truncated: true` after it. It is not parsed, as it is not complete. */
  writeCut(buf: Buffer, at: number, src: Buffer, start: number, end: number, offset: number): number {
    const p = this.#raw(this.#cutPrefix, buf, at, src, start, end, offset)
    return p + TRUNCATED.copy(buf, p)
  }

  #raw(
    prefix: Buffer,
    buf: Buffer,
    at: number,
    src: Buffer,
    start: number,
    end: number,
    offset: number,
  ): number {
    prefix.copy(buf, at)
    if (this.offsetAt >= 0) writeOffset(buf, at + this.offsetAt, offset)
    const p = writeStrHead(buf, at + prefix.length, end - start)
    src.copy(buf, p, start, end)
    return p + (end - start)
  }

  /** Writes the entry of a line if the parser reads it; returns -1 if it does not. */
  parsed(buf: Buffer, at: number, src: Buffer, start: number, end: number, offset: number): number {
    this.buf = buf
    this.at = at + 11
    this.sec = this.#readSec
    this.nsec = this.#readNsec
    const { parser } = this
    // Encoders of other files share the parser.
    const timeFailures = parser?.timeFailures
    if (parser?.parse(src, start, end, this) !== true) {
      this.failure = UNPARSED
      return -1
    }
    this.failure = parser.timeFailures === timeFailures ? PARSED : UNTIMED
    writeEntryHead(buf, at, this.sec, this.nsec)
    let p = this.at
    if (this.#filePairs.length > 0) p += this.#filePairs.copy(buf, p)
    if (this.#offsetKey !== undefined) {
      p += this.#offsetKey.copy(buf, p)
      buf[p] = 0xcf
      writeOffset(buf, p + 1, offset)
      p += 9
    }
    return p
  }

  #prefix(pairs: number): { bytes: Buffer; offsetAt: number } {
    const parts: Buffer[] = []
    const head = Buffer.alloc(16)
    parts.push(head.subarray(0, writeMapHead(head, writeEntryHead(head, 0, 0, 0), pairs)))
    parts.push(this.#filePairs)
    let offsetAt = -1
    if (this.#offsetKey !== undefined) {
      parts.push(this.#offsetKey)
      offsetAt = sizeOf(parts) + 1
      parts.push(OFFSET)
    }
    parts.push(encodeStr(this.#format.key))
    // Padded, so that its last word can be read; what a store writes beyond the prefix is overwritten by the line.
    const padded = Buffer.concat([...parts, Buffer.alloc(PADDING_BYTES)])
    return { bytes: padded.subarray(0, padded.length - PADDING_BYTES), offsetAt }
  }
}

/** Returns true when entries name their file; else all files may share an encoder. */
export function hasFileFields({ pathKey, idKey }: Omit<EntryFormat, 'parser'>): boolean {
  return pathKey !== undefined || idKey !== undefined
}

/** Names for an encoder that all files share. */
export const NO_NAMES: FileNames = { path: '', id: '' }

/** Returns the number of pairs that the format adds to those of the line. */
export function extraPairsOf({ pathKey, idKey, offsetKey }: Omit<EntryFormat, 'parser'>): number {
  return [pathKey, idKey, offsetKey].filter((key) => key !== undefined).length
}

function criPairs(tagKey: string, textKey: string): NonNullable<EntryForm['cri']> {
  const pairs = (stream: string) =>
    Buffer.concat([pair('stream', encodeStr(stream)), pair(tagKey, encodeStr('F')), encodeStr(textKey)])
  const stdout = pairs('stdout')
  return { stdout, stderr: pairs('stderr'), tagAt: stdout.length - encodeStr(textKey).length - 1 }
}

function pair(key: string, value: Buffer): Buffer {
  return Buffer.concat([encodeStr(key), value])
}

function sizeOf(parts: Buffer[]): number {
  return parts.reduce((n, p) => n + p.length, 0)
}

function writeOffset(buf: Buffer, at: number, offset: number): void {
  buf.writeUInt32BE(Math.floor(offset / 0x100000000), at)
  buf.writeUInt32BE(offset >>> 0, at + 4)
}
