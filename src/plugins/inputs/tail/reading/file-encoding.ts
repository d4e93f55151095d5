import { utf8SequenceLength } from '../../../../core/utf8.ts'
import { FsFailure, read } from '../../../../lib/fs/file-system.ts'
import { type GenericEncoding, genericEncoding, TextEncoding } from '../../../../lib/text/text-encoding.ts'
import type { TailFile } from '../file/tail-file.ts'

/** Values of `unicode.encoding`, with the aliases of fluent-bit. */
export const UNICODE_ENCODINGS = ['auto', 'UTF-16LE', 'UTF-16BE', 'UTF16-LE', 'UTF16-BE'] as const
type UnicodeEncoding = (typeof UNICODE_ENCODINGS)[number]

/** Number of leading bytes that decide the encoding of a file. */
const HEAD_BYTES = 1024
/** Minimum number of NUL bytes in the head of UTF-16 text that is mostly ASCII. */
const MIN_NULS = HEAD_BYTES / 8
/** Number of compressed bytes that are read for the head of a .gz. */
const COMPRESSED_HEAD_BYTES = 16_384

const UTF16_LE = 'utf-16le'
const UTF16_BE = 'utf-16be'
const UTF8 = 'utf-8'
type Unicode = typeof UTF16_LE | typeof UTF16_BE | typeof UTF8

/** Encoding of a file; undefined for UTF-8, whose bytes are not decoded. */
interface FileEncoding {
  readonly text: TextEncoding | undefined
}

/**
 * Determines the encoding of each file from the option and the first bytes of the file, so that a restart
 * gets the same result.
 *
 * A byte order mark overrides `unicode.encoding`. Only the UTF-8 mark overrides `generic.encoding`, because
 * words of some code pages begin with the bytes of the UTF-16 marks. See `guess` for `auto` without a mark.
 */
export class FileEncodings {
  readonly #unmarked: FileEncoding | 'auto'
  readonly #isGeneric: boolean
  readonly #utf8: FileEncoding = { text: undefined }
  readonly #utf16le: FileEncoding = { text: new TextEncoding(UTF16_LE) }
  readonly #utf16be: FileEncoding = { text: new TextEncoding(UTF16_BE) }
  readonly #known = new WeakMap<TailFile, FileEncoding>()

  constructor(unicode: UnicodeEncoding | undefined, generic: GenericEncoding | undefined) {
    this.#isGeneric = generic !== undefined
    if (generic !== undefined) this.#unmarked = { text: genericEncoding(generic) }
    else if (unicode === undefined || unicode === 'auto') this.#unmarked = 'auto'
    else this.#unmarked = unicode.endsWith('LE') ? this.#utf16le : this.#utf16be
  }

  /**
   * Returns the encoding of the file; undefined while there are too few bytes to tell. `block[start, end)`
   * has the bytes from the cursor's offset on; `last`: no more will follow. At offset 0 the encoding is
   * determined anew each time, since the mark may have been incomplete, and may change with a truncation.
   */
  of(file: TailFile, block: Buffer, start: number, end: number, last: boolean): FileEncoding | undefined {
    const atStart = file.cursor.offset === 0
    const known = atStart ? undefined : this.#known.get(file)
    if (known !== undefined) return known
    let head = atStart ? block.subarray(start, Math.min(end, start + HEAD_BYTES)) : headOf(file)
    // After a hole left by copytruncate, only the line after the hole tells the encoding.
    if (head.length > 1 && head[0] === 0 && head[1] === 0) head = firstText(block, start, end)
    const found = this.#find(head, last)
    if (found !== undefined) this.#known.set(file, found)
    return found
  }

  #find(head: Buffer, last: boolean): FileEncoding | undefined {
    const mark = markOf(head)
    if (mark !== undefined && (mark === UTF8 || !this.#isGeneric)) return this.#encoding(mark)
    if (this.#unmarked !== 'auto') return this.#unmarked
    const guessed = guess(head)
    return guessed === undefined && !last ? undefined : this.#encoding(guessed ?? UTF8)
  }

  #encoding(name: Unicode): FileEncoding {
    return name === UTF8 ? this.#utf8 : name === UTF16_LE ? this.#utf16le : this.#utf16be
  }
}

/** Returns the encoding of the byte order mark at the start of the bytes. */
export function markOf(head: Buffer): Unicode | undefined {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return UTF8
  if (head[0] === 0xff && head[1] === 0xfe) return UTF16_LE
  return head[0] === 0xfe && head[1] === 0xff ? UTF16_BE : undefined
}

/**
 * Guesses the encoding of text without a mark from its first 1024 bytes. It is UTF-16 if they contain `0a 00`
 * or `00 0a` at an even offset, or no line end but NUL bytes at many odd or many even offsets; otherwise
 * UTF-8. A single 0a byte proves nothing, as it is part of the frequent character U+4E0A. Returns undefined
 * while there are too few bytes.
 */
function guess(head: Buffer): Unicode | undefined {
  const nuls = [0, 0] as [even: number, odd: number]
  let lineEnd = -1
  for (let i = 0; i < head.length; i++) {
    if (head[i] === 0) nuls[i % 2 === 0 ? 0 : 1]++
    if (head[i] !== 10) continue
    if (i % 2 === 0 && head[i + 1] === 0) return UTF16_LE
    if (i % 2 === 1 && head[i - 1] === 0) return UTF16_BE
    lineEnd = i
  }
  const [even, odd] = nuls
  if (even + odd === 0 && lineEnd >= 0) {
    // An 0a as the last byte may be half of a newline, unless the bytes before it decide already.
    const isHalf = lineEnd % 2 === 0 && lineEnd + 1 === head.length && head.indexOf(10) === lineEnd
    return isHalf && (lineEnd === 0 || !isUtf8(head, lineEnd)) ? undefined : UTF8
  }
  if (head.length < HEAD_BYTES) return undefined
  if (odd >= MIN_NULS && even === 0) return UTF16_LE
  return even >= MIN_NULS && odd === 0 ? UTF16_BE : UTF8
}

function isUtf8(buf: Buffer, end: number): boolean {
  for (let at = 0; at < end; ) {
    const length = utf8SequenceLength(buf, at, end)
    if (length < 0) return false
    at += length
  }
  return true
}

/** Returns what follows the zero code units at `start`, at most HEAD_BYTES. */
function firstText(block: Buffer, start: number, end: number): Buffer {
  let at = start
  while (at + 1 < end && block[at] === 0 && block[at + 1] === 0) at += 2
  return block.subarray(at, Math.min(end, at + HEAD_BYTES))
}

/** Reads the first bytes of a file; fewer when it is shorter, and none when it cannot be read. */
function headOf({ handle }: TailFile): Buffer {
  const raw = Buffer.alloc(handle.isCompressed ? COMPRESSED_HEAD_BYTES : HEAD_BYTES)
  const size = read(handle.fd, raw, 0, raw.length, 0)
  // The source of the file reads the same bytes and reports the error.
  if (size instanceof FsFailure) return Buffer.alloc(0)
  const bytes = raw.subarray(0, size)
  if (!handle.isCompressed) return bytes
  try {
    // Half a megabyte that no agent needs without compressed files.
    const { constants, gunzipSync } = process.getBuiltinModule('node:zlib')
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, HEAD_BYTES)
  } catch {
    // The source inflates the same bytes and reports the damage.
    return Buffer.alloc(0)
  }
}
