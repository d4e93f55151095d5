import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import { reasonOf, ShipperError, systemCode } from '../../../core/error.ts'
import { defineOutput, type Output } from '../../../core/plugin.ts'
import { FileFormat } from './format.ts'
import { FILE_OPTIONS, type FileOptions } from './options.ts'

/** Appends each chunk to its file, which is opened per chunk. A partial write is truncated, so a retry duplicates nothing. */
class FileOutput implements Output {
  readonly #options: FileOptions
  readonly #format: FileFormat

  constructor(options: FileOptions) {
    this.#options = options
    this.#format = new FileFormat(options)
  }

  async flush(chunk: Chunk): Promise<void> {
    const path = join(this.#options.path, this.#options.file ?? pathOf(chunk.tag))
    let fd: number | undefined
    try {
      if (this.#options.mkdir) mkdirSync(dirname(path), { recursive: true })
      fd = openSync(path, 'a')
      this.#append(fd, path, chunk)
    } catch (error) {
      if (error instanceof ShipperError) throw error
      throw writeError(error, path, this.#options)
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  async close(): Promise<void> {}

  #append(fd: number, path: string, chunk: Chunk): void {
    const { size } = fstatSync(fd)
    this.#format.write(chunk, size === 0)
    if (size > 0 && endsMidLine(path, size)) writeSync(fd, '\n')
    const bytes = this.#format.text.bytes()
    let at = 0
    try {
      while (at < bytes.length) at += writeSync(fd, bytes, at)
    } catch (error) {
      if (at > 0) truncate(fd, size)
      throw error
    }
  }
}

/** Returns true when the last line has no end: a crash during a write leaves it so, and the next line must not join it. */
function endsMidLine(path: string, size: number): boolean {
  let fd: number | undefined
  try {
    // Opened again, for reading only: a file that may be written but not read is appended to as it is.
    fd = openSync(path, 'r')
    return readSync(fd, LAST_BYTE, 0, 1, size - 1) === 1 && LAST_BYTE[0] !== 0x0a
  } catch {
    return false
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

const LAST_BYTE = Buffer.alloc(1)

/** Removes a partial write. Pipes and devices cannot be truncated: there the retry writes it again. */
function truncate(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size)
  } catch {
    // The error of the write is the one to report.
  }
}

/** Longest name in a directory on Linux. */
const MAX_NAME_BYTES = 255
const NUL = /\0/g

/**
 * Returns the path of the file for a tag, relative to the directory. A tag may contain slashes (`var/log/a`), and cannot
 * leave the directory. Any tag that a sender may choose becomes a name that can be written: one that cannot would block
 * all the others.
 */
function pathOf(tag: string): string {
  const parts = tag.split('/').filter((part) => part !== '')
  return parts.length === 0 ? '_' : parts.map(nameOf).join('/')
}

function nameOf(text: string): string {
  if (text === '.' || text === '..') return '_'
  const name = text.replace(NUL, '_')
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  const bytes = Buffer.from(name)
  return bytes.toString('utf8', 0, charStart(bytes, MAX_NAME_BYTES))
}

/** Returns the offset of the UTF-8 character that contains the byte at `at`. */
function charStart(bytes: Buffer, at: number): number {
  let start = at
  while (((bytes[start] as number) & 0xc0) === 0x80) start--
  return start
}

/** System errors that concern the name of one file, not the directory or the disk. */
const SINGLE_FILE_ERRORS = ['EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']

function writeError(error: unknown, path: string, { mkdir }: FileOptions): ShipperError {
  const code = systemCode(error) ?? ''
  return new ShipperError('E_OUTPUT_WRITE', `cannot write ${path}: ${reasonOf(error)}`, {
    retryable: true,
    scope: SINGLE_FILE_ERRORS.includes(code) ? 'chunk' : 'peer',
    cause: error,
    ...(code === 'ENOENT' && !mkdir ? { hint: 'create the directory, or set Mkdir to on' } : {}),
  })
}

export const spec = defineOutput({
  kind: 'output',
  name: 'file',
  summary: 'Appends records to files.',
  description:
    'A chunk counts as delivered when the operating system has taken its text. When the disk is full the write is ' +
    'retried, and nothing is written twice. An incomplete last line, left by a crash, is ended before more is appended.',
  options: FILE_OPTIONS,
  example: '[OUTPUT]\n    Name   file\n    Match  *\n    Path   /tmp\n    File   records.log\n',
  inFlight: 1,
  create: (options) => new FileOutput(options),
})
