import { basename, dirname, join } from 'node:path'
import { FsFailure, isMissing, namesIn, read, stat } from '../fs/file-system.ts'

/** Parts of a dead-letter file: `FILE.1`, `FILE.2`, ... are full; only FILE is appended to. */
const PART_NUMBER = /^\.([1-9]\d{0,8})$/

/** Longest name in a directory on Linux, less the number of a part. */
const MAX_NAME_BYTES = 245

/** Returns the name of an output's file. An alias may contain what a file name must not. */
export function defaultFileName(output: string): string {
  const name = output.replace(/[/%\0]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  let end = Math.min(name.length, MAX_NAME_BYTES)
  while (Buffer.byteLength(`${PREFIX}${name.slice(0, end)}${SUFFIX}`) > MAX_NAME_BYTES) end--
  return `${PREFIX}${name.slice(0, end)}${SUFFIX}`
}

const PREFIX = 'dead-letters.'
const SUFFIX = '.jsonl'

/** Returns the numbers of the parts of the file at `path`, in ascending order. */
export function partNumbers(path: string): number[] | FsFailure {
  const names = namesIn(dirname(path))
  if (names instanceof FsFailure) return isMissing(names) ? [] : names
  const name = basename(path)
  return names
    .filter((other) => other.startsWith(name))
    .map((other) => PART_NUMBER.exec(other.slice(name.length)))
    .flatMap((match) => (match === null ? [] : [Number(match[1])]))
    .sort((a, b) => a - b)
}

export function partPath(path: string, number: number): string {
  return `${path}.${number}`
}

/** A file of rows; `isPart`: nothing is appended to it any more. */
export interface RowFile {
  path: string
  isPart: boolean
}

/**
 * Returns the files at `path`, oldest rows first: those of a directory under their default names, or a file with
 * its parts.
 */
export function rowFilesAt(path: string): RowFile[] | FsFailure {
  const found = stat(path)
  if (!(found instanceof FsFailure) && found.isDirectory()) return filesIn(path)
  const numbers = partNumbers(path)
  if (numbers instanceof FsFailure) return numbers
  const parts = numbers.map((number) => ({ path: partPath(path, number), isPart: true }))
  if (!(found instanceof FsFailure)) return [...parts, { path, isPart: DEFAULT_PART.test(path) }]
  return parts.length > 0 ? parts : found
}

const DEFAULT_PART = /\.jsonl\.[1-9]\d{0,8}$/

function filesIn(directory: string): RowFile[] | FsFailure {
  const names = namesIn(directory)
  if (names instanceof FsFailure) return names
  const found = names.map((name) => DEFAULT_NAME.exec(name)).filter((match) => match !== null)
  const number = (match: RegExpExecArray): number => Number(match[2] ?? Number.MAX_SAFE_INTEGER)
  found.sort((a, b) => ((a[1] as string) < (b[1] as string) ? -1 : a[1] === b[1] ? number(a) - number(b) : 1))
  return found.map((match) => ({ path: join(directory, match[0]), isPart: match[2] !== undefined }))
}

const DEFAULT_NAME = /^(dead-letters\..*?\.jsonl)(?:\.([1-9]\d{0,8}))?$/

interface Line {
  /** False for a last line without a newline. */
  isComplete: boolean
  /** Offset in the file. */
  offset: number
  /** The line without its newline, valid until the next one is read; undefined when it is too long to be a row. */
  bytes: Buffer | undefined
}

/** Maximum length of a row: base64 of the largest record that an input accepts, with room to spare. */
const MAX_ROW_BYTES = 128_000_000
const BLOCK_BYTES = 1_000_000

/** Reads the lines of an open file, in order. */
export function* linesOf(fd: number): Generator<Line | FsFailure, void> {
  let buf = Buffer.allocUnsafe(BLOCK_BYTES)
  let used = 0
  /** Offset in the file of the first byte in `buf`. */
  let base = 0
  let isTooLong = false
  let lineStart = 0
  for (;;) {
    if (used === buf.length) {
      if (buf.length >= MAX_ROW_BYTES) {
        isTooLong = true
        base += used
        used = 0
      } else buf = Buffer.concat([buf, Buffer.allocUnsafe(Math.min(buf.length, MAX_ROW_BYTES - buf.length))])
    }
    const got = read(fd, buf, used, buf.length - used, base + used)
    if (got instanceof FsFailure) {
      yield got
      return
    }
    if (got === 0) {
      const bytes = isTooLong ? undefined : buf.subarray(0, used)
      if (isTooLong || used > 0) yield { isComplete: false, offset: lineStart, bytes }
      return
    }
    const searched = used
    used += got
    let from = 0
    for (let end = buf.indexOf(10, searched); end >= 0 && end < used; end = buf.indexOf(10, from)) {
      yield { isComplete: true, offset: lineStart, bytes: isTooLong ? undefined : buf.subarray(from, end) }
      isTooLong = false
      from = end + 1
      lineStart = base + from
    }
    buf.copyWithin(0, from, used)
    base += from
    used -= from
  }
}
