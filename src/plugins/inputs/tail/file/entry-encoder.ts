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

export interface LineFormat {
  key: string
  pathKey: string | undefined
  idKey: string | undefined
  offsetKey: string | undefined
  parser: Parser | undefined
}

/** What entries may tell of the file that they are of. */
export interface FileNames {
  path: string
  /** Its own whatever its path is. */
  id: string
}

const TRUNCATED = Buffer.concat([encodeStr('truncated'), Buffer.from([TRUE])])
const EMPTY = Buffer.alloc(0)
/** A number of 8 bytes. */
const OFFSET = Buffer.from([0xcf, 0, 0, 0, 0, 0, 0, 0, 0])
const PADDING = 3
/** Most bytes before the line's own: longest string head. */
const STR_HEAD_MAX = 5

/**
 * Writes the entries of one file. Everything of an entry that does not change from line to line is encoded once:
 *
 * ```
 *   92 d7 00 <sec><nsec> 8n [path_key path] [id_key id] [offset_key cf <offset u64>] key | str head | line
 *   |--------------------------------- prefix, copied per line --------------------------|
 * ```
 * Parsed lines have their own map, with path, id and offset behind it.
 */
export class EntryEncoder implements EntryWriter {
  buf: Buffer = Buffer.alloc(0)
  at = 0
  sec = 0
  nsec = 0
  extraPairs: number
  readonly prefix: Buffer
  /** The prefix as big-endian words: four bytes a store is a third faster than `copy` for so few bytes. */
  readonly #words: Uint32Array
  readonly #prefixView: DataView
  /** Where the offset's eight bytes are in `prefix`, or -1. */
  readonly offsetAt: number
  readonly parser: Parser | undefined
  /** What the kernel has to know to write the same entries; undefined: the parser is none that it knows. */
  readonly entry: EntryForm | undefined
  readonly #format: LineFormat
  /** Path and id, those that are wanted. */
  readonly #filePairs: Buffer
  readonly #offsetKey: Buffer | undefined
  readonly #cutPrefix: Buffer
  #ratio = 1.3
  #readSec = 0
  #readNsec = 0

  constructor(format: LineFormat, { path, id }: FileNames) {
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
      this.prefix.byteLength + PADDING,
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

  /** Most bytes that one line of this length can take. */
  bound(length: number): number {
    const plain = this.prefix.length + STR_HEAD_MAX + length + TRUNCATED.length
    if (this.parser === undefined) return plain
    return Math.max(plain, this.parser.bound(length) + 32 + this.prefix.length)
  }

  /** Bytes of entries per byte of input, as of the latest lines. */
  get ratio(): number {
    return this.#ratio
  }

  /** Weighs in the lines just written; never below 1/4, or one unusual block would make the next reads too long. */
  recordRatio(written: number, bytes: number): void {
    this.#ratio = Math.max(0.25, (this.#ratio + written / bytes) / 2)
  }

  /** The time of reading, for the lines that follow. */
  setTime(sec: number, nsec: number): void {
    this.#readSec = sec
    this.#readNsec = nsec
    writeEventTime(this.prefix, 3, sec, nsec)
    writeEventTime(this.#cutPrefix, 3, sec, nsec)
    for (let i = 0; i < this.#words.length; i++) this.#words[i] = this.#prefixView.getUint32(i * 4)
  }

  /** Writes one line at `buf[at]`; returns the offset behind it. Bounds are the caller's: `bound()` bytes. */
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

  /** The same for a line that was cut: one pair more, `truncated: true`, behind the line. Never parsed: it is not whole. */
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

  /** The same by the parser only: -1 for a line that it does not fit. */
  parsed(buf: Buffer, at: number, src: Buffer, start: number, end: number, offset: number): number {
    this.buf = buf
    this.at = at + 11
    this.sec = this.#readSec
    this.nsec = this.#readNsec
    if (this.parser?.parse(src, start, end, this) !== true) return -1
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
    // Padded, so that its last word can be read whole; what a store writes behind the prefix the line overwrites.
    const padded = Buffer.concat([...parts, Buffer.alloc(PADDING)])
    return { bytes: padded.subarray(0, padded.length - PADDING), offsetAt }
  }
}

/** The entries of a file tell which one it is; else all files may share a writer. */
export function hasFileFields({ pathKey, idKey }: Omit<LineFormat, 'parser'>): boolean {
  return pathKey !== undefined || idKey !== undefined
}

/** Of a writer that all files share. */
export const NO_NAMES: FileNames = { path: '', id: '' }

/** How many pairs the format adds to those of a line. */
export function extraPairsOf({ pathKey, idKey, offsetKey }: Omit<LineFormat, 'parser'>): number {
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
