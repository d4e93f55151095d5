import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import { messageOf, ShipperError } from '../../../core/error.ts'
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
    // A tag may hold a path's characters; a file name may not leave the folder by them.
    const path = join(this.#o.path, (this.#o.file ?? chunk.tag).replaceAll('..', '_'))
    let fd: number | undefined
    try {
      if (this.#o.mkdir) mkdirSync(dirname(path), { recursive: true })
      fd = openSync(path, 'a')
      this.#append(fd, chunk)
    } catch (error) {
      throw new ShipperError('E_OUTPUT_WRITE', `cannot write ${path}: ${messageOf(error)}`, {
        retryable: true,
        scope: 'peer',
        cause: error,
      })
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  async close(): Promise<void> {}

  #append(fd: number, chunk: Chunk): void {
    const { size } = fstatSync(fd)
    this.#format.write(chunk, size === 0)
    const bytes = this.#format.text.bytes()
    let at = 0
    try {
      while (at < bytes.length) at += writeSync(fd, bytes, at)
    } catch (error) {
      if (at > 0) ftruncateSync(fd, size)
      throw error
    }
  }
}

export const spec = defineOutput({
  kind: 'output',
  name: 'file',
  summary: 'Appends records to files.',
  description:
    'A chunk counts as delivered when the kernel has taken its text. A disk that is full is tried again, and nothing is ' +
    'written twice.',
  options: FILE_OPTIONS,
  example: '[OUTPUT]\n    Name   file\n    Match  *\n    Path   /tmp\n    File   records.log\n',
  inFlight: 1,
  create: (options) => new FileOutput(options),
})
