import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import { reasonOf, ShipperError, systemCode } from '../../../core/error.ts'
import { defineOutput, type Output } from '../../../core/plugin.ts'
import { FileFormat } from './format.ts'
import { FILE_OPTIONS, type FileOptions } from './options.ts'

/** Appends each chunk with one open file: what was written before an error is taken back, so a retry doubles nothing. */
class FileOutput implements Output {
  readonly #o: FileOptions
  readonly #format: FileFormat

  constructor(options: FileOptions) {
    this.#o = options
    this.#format = new FileFormat(options)
  }

  async flush(chunk: Chunk): Promise<void> {
    const path = join(this.#o.path, this.#o.file ?? nameOf(chunk.tag))
    let fd: number | undefined
    try {
      if (this.#o.mkdir) mkdirSync(dirname(path), { recursive: true })
      fd = openSync(path, 'a')
      this.#append(fd, path, chunk)
    } catch (error) {
      if (error instanceof ShipperError) throw error
      throw writeError(error, path, this.#o)
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  async close(): Promise<void> {}

  #append(fd: number, path: string, chunk: Chunk): void {
    const { size } = fstatSync(fd)
    this.#format.write(chunk, size === 0)
    if (size > 0 && isTorn(path, size)) writeSync(fd, '\n')
    const bytes = this.#format.text.bytes()
    let at = 0
    try {
      while (at < bytes.length) at += writeSync(fd, bytes, at)
    } catch (error) {
      if (at > 0) takeBack(fd, size)
      throw error
    }
  }
}

/** Whether the last line has no end: a crash in the midst of a write leaves it so, and the next line must not join it. */
function isTorn(path: string, size: number): boolean {
  let fd: number | undefined
  try {
    // Opened again and only to read: a file that may be written and not read is left as it is.
    fd = openSync(path, 'r')
    return readSync(fd, LAST, 0, 1, size - 1) === 1 && LAST[0] !== 0x0a
  } catch {
    return false
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

const LAST = Buffer.alloc(1)

/** A pipe or a device cannot take it back: there the retry writes it again. */
function takeBack(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size)
  } catch {
    // The failure of the write is the one to be told.
  }
}

/** Most bytes of a name in a folder. */
const NAME_BYTES = 255
const NUL = /\0/g

/**
 * A tag may be a path below the folder (`var/log/a`), and may not lead out of it. Whatever a sender takes for a tag is made
 * a name that can be written: one that cannot would hold up all the others.
 */
function nameOf(tag: string): string {
  const parts = tag.split('/').filter((part) => part !== '')
  return parts.length === 0 ? '_' : parts.map(partOf).join('/')
}

function partOf(text: string): string {
  if (text === '.' || text === '..') return '_'
  const part = text.replace(NUL, '_')
  if (Buffer.byteLength(part) <= NAME_BYTES) return part
  const bytes = Buffer.from(part)
  return bytes.toString('utf8', 0, charStart(bytes, NAME_BYTES))
}

function charStart(bytes: Buffer, at: number): number {
  let start = at
  while (((bytes[start] as number) & 0xc0) === 0x80) start--
  return start
}

/** What has to do with the name of one file, and not with the folder or the disk. */
const OF_ONE_FILE = ['EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']

function writeError(error: unknown, path: string, { mkdir }: FileOptions): ShipperError {
  const code = systemCode(error) ?? ''
  return new ShipperError('E_OUTPUT_WRITE', `cannot write ${path}: ${reasonOf(error)}`, {
    retryable: true,
    scope: OF_ONE_FILE.includes(code) ? 'chunk' : 'peer',
    cause: error,
    ...(code === 'ENOENT' && !mkdir ? { hint: 'make the folder, or set Mkdir to on' } : {}),
  })
}

export const spec = defineOutput({
  kind: 'output',
  name: 'file',
  summary: 'Appends records to files.',
  description:
    'A chunk counts as delivered when the kernel has taken its text. A disk that is full is tried again, and nothing is ' +
    'written twice. What a crash has left of a line at the end of the file is ended before more is appended.',
  options: FILE_OPTIONS,
  example: '[OUTPUT]\n    Name   file\n    Match  *\n    Path   /tmp\n    File   records.log\n',
  inFlight: 1,
  create: (options) => new FileOutput(options),
})
