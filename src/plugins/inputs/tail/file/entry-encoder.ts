import {
  ENTRY_HEAD,
  encodeStr,
  TRUE,
  writeEntryHead,
  writeEventTime,
  writeMapHead,
  writeStrHead,
} from '../../../../core/msgpack/encode.ts'
import { type LaterKeys, UniqueKeys } from '../../../../core/msgpack/unique-keys.ts'
import type { EntryWriter, LineFrame, LineKernel, Parser, ParserKernel } from '../../../../core/parser.ts'
import { CriPairs } from '../../../../lib/wasm/cri-pairs.ts'
import type { FallbackReason } from '../../../../lib/wasm/fast-path.ts'
import { type EntryForm, lineEncoderOf, sharedLineEncoder } from '../../../../lib/wasm/line-encoder.ts'
import { AddedFields, type AddedKeys, keysOf, TRUNCATED_KEY } from './added-fields.ts'

/** Keys of an entry, and the parser of its line. */
export interface EntryFormat extends AddedKeys {
  /** Key of a line that is not parsed. */
  key: string
  parser: Parser | undefined
}

/** Values of Path_Key and File_Id_Key. */
export interface FileNames {
  path: string
  /** Unique to the file, whatever its path is. */
  id: string
}

/** The parser read the line completely, or there is no parser. */
const PARSED = 0
/** The parser did not read the line. */
const UNPARSED = 1
/** The parser read the line but not its time. */
export const UNTIMED = 2
type LineFailure = typeof PARSED | typeof UNPARSED | typeof UNTIMED

const TRUNCATED = Buffer.concat([encodeStr(TRUNCATED_KEY), Buffer.from([TRUE])])
const EMPTY = Buffer.alloc(0)
const PADDING_BYTES = 3
/** Size of the longest string head (str 32). */
const MAX_STR_HEAD_BYTES = 5

/**
 * Writes the entries of one file. The constant part of an entry is encoded once:
 *
 * ```
 *   92 d7 00 <sec><nsec> 8n [path_key path] [id_key id] [offset_key cf <offset u64>] key | str head | line
 *   |--------------------------------- prefix, copied per line --------------------------|
 * ```
 * A parsed line has the parser's pairs first, then path, id and offset. `AddedFields` says which of two equal
 * keys stays.
 */
export class EntryEncoder implements EntryWriter {
  buf: Buffer = Buffer.alloc(0)
  at = 0
  sec = 0
  nsec = 0
  /** What failed in the last line written. */
  failure: LineFailure = PARSED
  extraPairs: number
  readonly extraKeys: LaterKeys | undefined
  readonly prefix: Buffer
  /**
   * The prefix as big-endian words: storing four bytes at a time is a third faster than `copy` for so few
   * bytes.
   */
  readonly #words: Uint32Array
  readonly #prefixView: DataView
  /** Index in `prefix` of the offset's eight bytes, or -1. */
  readonly offsetAt: number
  readonly parser: Parser | undefined
  /** Description of the entries for the wasm encoder; undefined when it does not support the parser. */
  readonly entry: EntryForm | undefined
  readonly #frame: LineFrame
  /** What writes blocks of lines instead of the parser. */
  #kernel: ParserKernel | undefined
  readonly #added: AddedFields
  /** Pairs after those of the parser, and the position of the offset in them. */
  readonly #suffix: Buffer
  readonly #suffixOffsetAt: number
  /**
   * Removes parser pairs whose keys are added later; undefined when nothing is added, or when the parser
   * removes them.
   */
  readonly #settler: UniqueKeys | undefined
  /** Prefix of a truncated line, and the pair that follows the line. */
  readonly #cutPrefix: Buffer
  readonly #cutOffsetAt: number
  readonly #cutMark: Buffer
  #ratio = 1.3
  #readSec = 0
  #readNsec = 0

  constructor(format: EntryFormat, names: FileNames) {
    const { key, parser } = format
    const added = new AddedFields(format, names.path, names.id)
    this.parser = parser
    this.#added = added
    this.extraPairs = added.count
    this.extraKeys = added.laterKeys()
    const suffix = added.encode()
    this.#suffix = suffix.bytes
    this.#suffixOffsetAt = suffix.offsetAt
    this.#settler = added.hasOneOf(parser?.keys ?? []) ? new UniqueKeys() : undefined
    const built = prefixOf(key, added.encode([key]), 1)
    this.prefix = built.bytes
    this.offsetAt = built.offsetAt
    this.#prefixView = new DataView(
      this.prefix.buffer,
      this.prefix.byteOffset,
      this.prefix.byteLength + PADDING_BYTES,
    )
    this.#words = new Uint32Array(Math.ceil(this.prefix.length / 4))
    // When the line itself is under the key of the flag, the line stays.
    this.#cutMark = key === TRUNCATED_KEY ? EMPTY : TRUNCATED
    const cut = prefixOf(key, added.encode([key, TRUNCATED_KEY]), this.#cutMark.length === 0 ? 1 : 2)
    this.#cutPrefix = cut.bytes
    this.#cutOffsetAt = cut.offsetAt
    this.#frame = {
      prefix: this.prefix,
      prefixOffsetAt: this.offsetAt,
      suffix: this.#suffix,
      suffixOffsetAt: this.#suffixOffsetAt,
      extraPairs: this.extraPairs,
      extraKeys: this.extraKeys,
    }
    this.entry = this.#entryForm()
  }

  #entryForm(): EntryForm | undefined {
    if (this.parser === undefined) return { ...this.#frame, form: 'raw', suffix: EMPTY, keepTime: false }
    const { lineFormat: form } = this.parser
    if (form === undefined || this.#added.hasOneOf(keysOf(form))) return undefined
    return {
      ...this.#frame,
      form: form.name,
      prefix: EMPTY,
      readTime: form.readsTime ? undefined : { sec: 0, nsec: 0 },
      ...(form.name === 'cri' ? { keepTime: false, cri: new CriPairs(form) } : { keepTime: form.keepTime }),
    }
  }

  /**
   * Returns what writes blocks of these lines, into whose memory a block is to be read; undefined when there is none, or
   * when `backlog` bytes are not worth its preparation.
   */
  kernel(backlog: number): LineKernel | undefined {
    const { lineEncoder } = this
    if (lineEncoder !== undefined && this.parser?.seesLineFormat !== false) return lineEncoder
    // A parser pair that is removed because of an added one is not known to the kernel.
    if (this.#settler === undefined) this.#kernel = this.parser?.kernel?.(backlog)
    return this.#kernel
  }

  /** Encoder of container formats, if the lines have one of those. */
  get lineEncoder(): LineKernel | undefined {
    return this.entry === undefined ? undefined : sharedLineEncoder()
  }

  /**
   * Records that most lines of a block were not known to what wrote them: from the next block on the parser's own kernel
   * may write them.
   */
  missedBlock(): void {
    this.parser?.missedLineFormat?.()
  }

  /** Returns the kernel whose memory `block` is, ready for lines of this file. */
  kernelOf(block: Buffer, maxLineBytes: number, skipEmpty: boolean): LineKernel | undefined {
    const encoder = this.entry === undefined ? undefined : lineEncoderOf(block)
    if (this.entry !== undefined && encoder !== undefined)
      return encoder.use(this.entry, maxLineBytes, skipEmpty) ? encoder : undefined
    const kernel = this.#kernel
    return kernel?.input === block && kernel.use(this.#frame, maxLineBytes, skipEmpty) ? kernel : undefined
  }

  /** Reason that is counted for lines that no kernel writes. */
  get withoutKernel(): FallbackReason {
    if (this.entry !== undefined) return 'small'
    if (this.parser?.kernel === undefined) return 'parser'
    return this.#settler === undefined ? 'small' : 'options'
  }

  /** Returns the largest size of the entry of a line of `length` bytes. */
  bound(length: number): number {
    const plain = this.prefix.length + MAX_STR_HEAD_BYTES + length + TRUNCATED.length
    if (this.parser === undefined) return plain
    return Math.max(plain, this.parser.bound(length) + 32 + this.#suffix.length)
  }

  /** Bytes of entries per byte of input, weighted to the latest lines. */
  get ratio(): number {
    return this.#ratio
  }

  /**
   * Updates `ratio` with the lines just written; never below 1/4, or one unusual block would make the next
   * reads too long.
   */
  recordRatio(written: number, bytes: number): void {
    this.#ratio = Math.max(0.25, (this.#ratio + written / bytes) / 2)
  }

  /** Sets the time of reading, which is the time of the lines that follow unless their parser finds one. */
  setTime(sec: number, nsec: number): void {
    this.#readSec = sec
    this.#readNsec = nsec
    const readTime = this.entry?.readTime
    if (readTime !== undefined) {
      readTime.sec = sec
      readTime.nsec = nsec
    }
    writeEventTime(this.prefix, 3, sec, nsec)
    writeEventTime(this.#cutPrefix, 3, sec, nsec)
    for (let i = 0; i < this.#words.length; i++) this.#words[i] = this.#prefixView.getUint32(i * 4)
  }

  /**
   * Writes the entry of a line at `buf[at]` and returns the index after it. The caller provides `bound()`
   * bytes.
   */
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
    this.#cutPrefix.copy(buf, at)
    if (this.#cutOffsetAt >= 0) writeOffset(buf, at + this.#cutOffsetAt, offset)
    let p = writeStrHead(buf, at + this.#cutPrefix.length, end - start)
    p += src.copy(buf, p, start, end)
    return p + this.#cutMark.copy(buf, p)
  }

  /** Writes the entry of a line if the parser reads it; returns -1 if it does not. */
  parsed(buf: Buffer, at: number, src: Buffer, start: number, end: number, offset: number): number {
    this.buf = buf
    this.at = at + 11
    this.sec = this.#readSec
    this.nsec = this.#readNsec
    const { parser } = this
    // Encoders of other files share the parser, so its counter is compared before and after.
    const timeFailures = parser?.timeFailures
    if (parser?.parse(src, start, end, this) !== true) {
      this.failure = UNPARSED
      return -1
    }
    this.failure = parser.timeFailures === timeFailures ? PARSED : UNTIMED
    writeEntryHead(buf, at, this.sec, this.nsec)
    const { extraPairs } = this
    const map = at + ENTRY_HEAD
    const p = this.#settler?.settle(buf, map, this.at, extraPairs, this.extraKeys) ?? this.at
    if (extraPairs === 0) return p
    this.#suffix.copy(buf, p)
    if (this.#suffixOffsetAt >= 0) writeOffset(buf, p + this.#suffixOffsetAt, offset)
    return p + this.#suffix.length
  }
}

/**
 * Returns the bytes before an unparsed line: head, added pairs, and the key of the line. `others` is the
 * number of pairs besides `added`.
 */
function prefixOf(
  key: string,
  added: ReturnType<AddedFields['encode']>,
  others: number,
): { bytes: Buffer; offsetAt: number } {
  const space = Buffer.alloc(16)
  const head = space.subarray(0, writeMapHead(space, writeEntryHead(space, 0, 0, 0), added.count + others))
  // Padded so that copying word by word may read its last word. The line overwrites what is copied beyond the
  // prefix.
  const padded = Buffer.concat([head, added.bytes, encodeStr(key), Buffer.alloc(PADDING_BYTES)])
  const offsetAt = added.offsetAt < 0 ? -1 : head.length + added.offsetAt
  return { bytes: padded.subarray(0, padded.length - PADDING_BYTES), offsetAt }
}

/** Returns true when entries name their file; else all files may share an encoder. */
export function hasFileFields({ pathKey, idKey }: Omit<EntryFormat, 'parser'>): boolean {
  return pathKey !== undefined || idKey !== undefined
}

/** Names for an encoder that all files share. */
export const NO_NAMES: FileNames = { path: '', id: '' }

/** Returns the number of pairs that the format adds to those of a parser. */
export function extraPairsOf(format: Omit<EntryFormat, 'parser'>): number {
  return new AddedFields(format, '', '').count
}

function writeOffset(buf: Buffer, at: number, offset: number): void {
  buf.writeUInt32BE(Math.floor(offset / 0x100000000), at)
  buf.writeUInt32BE(offset >>> 0, at + 4)
}
