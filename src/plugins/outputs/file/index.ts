import { dirname, join, relative } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import { type ErrorScope, ShipperError } from '../../../core/error.ts'
import { defineOutput, type Output } from '../../../core/plugin.ts'
import {
  close,
  closeWritten,
  FOREIGN_LINK,
  FsFailure,
  isForeignLink,
  makeDirectories,
  NOT_A_FILE,
  type OpenedFile,
  openFile,
  openToAppend,
  read,
  readLink,
  realPath,
  stat,
  truncate,
  write,
} from '../../../lib/fs/file-system.ts'
import { FileFormat } from './format.ts'
import { FILE_OPTIONS, type FileOptions } from './options.ts'
import { type Destination, destinationOf } from './path.ts'

/**
 * Appends each chunk to its file, which is opened per chunk. A partial write is truncated, so a retry
 * duplicates nothing.
 */
class FileOutput implements Output {
  readonly #options: FileOptions
  readonly #format: FileFormat
  readonly #isOwnFile: (path: string) => boolean

  constructor(options: FileOptions, isOwnFile: (path: string) => boolean) {
    this.#options = options
    this.#isOwnFile = isOwnFile
    this.#format = new FileFormat(options)
  }

  async flush(chunk: Chunk): Promise<void> {
    const destination = destinationOf(chunk.tag, this.#options)
    const { path } = destination
    const opened = this.#open(destination)
    if (opened instanceof FsFailure) throw writeError(opened, destination, this.#options)
    const failure = this.#append(opened, path, chunk)
    const lost = closeWritten(opened.fd)
    if (failure !== undefined || lost !== undefined)
      throw writeError((failure ?? lost) as FsFailure, destination, this.#options)
  }

  async close(): Promise<void> {}

  #open({ path, isConfigured }: Destination): OpenedFile | FsFailure {
    const { mkdir, path: directory = '.' } = this.#options
    if (!isConfigured && this.#isOwnFile(path)) return OWN
    if (!mkdir) return openToAppend(path, { mode: FILE_MODE, devices: isConfigured })
    // A tag with slashes chooses directories, too.
    const refused = isConfigured ? undefined : foreignLinkBelow(directory, path)
    const failure = refused ?? makeDirectories(dirname(path))
    if (failure !== undefined) return failure
    // A device is opened only if the configuration names it, as a tag may come from a sender.
    const opened = openToAppend(path, { mode: FILE_MODE, devices: isConfigured })
    if (isConfigured || opened instanceof FsFailure) return opened
    // A link that was made since then led the call elsewhere, and may be gone again.
    const changed = foreignLinkBelow(directory, path) ?? (isAt(opened.fd, path) ? undefined : MOVED)
    if (changed === undefined) return opened
    close(opened.fd)
    return changed
  }

  #append({ fd, stat }: OpenedFile, path: string, chunk: Chunk): FsFailure | undefined {
    const size = Number(stat.size)
    this.#format.write(chunk, size === 0)
    if (size > 0 && endsMidLine(path, size)) {
      const ended = write(fd, NEWLINE)
      if (ended instanceof FsFailure) return ended
    }
    const bytes = this.#format.text.bytes()
    for (let at = 0; at < bytes.length; ) {
      const written = write(fd, bytes, at)
      if (written instanceof FsFailure) {
        // Removes a partial write. A device cannot be truncated, so a retry writes the complete chunk again.
        if (at > 0) truncate(fd, size)
        return written
      }
      at += written
    }
    return undefined
  }
}

const FILE_MODE = 0o666
const OWN_FILE = 'OWN_FILE'
const OWN = new FsFailure(OWN_FILE, 'it is a file of the agent itself')
const MOVED = new FsFailure(FOREIGN_LINK, 'its directories change while it is opened')

/** Refuses a directory below `directory` on the way to the path that is a link of another user. */
function foreignLinkBelow(directory: string, path: string): FsFailure | undefined {
  const parts = relative(directory, dirname(path)).split('/')
  let at = directory
  for (const part of parts) {
    at = join(at, part)
    if (part !== '' && isForeignLink(at))
      return new FsFailure(FOREIGN_LINK, `${at} is a link that belongs to another user`)
  }
  return undefined
}

/** True when the open file has this path now. Without /proc that cannot be told. */
function isAt(fd: number, path: string): boolean {
  const opened = readLink(`/proc/self/fd/${fd}`)
  return opened instanceof FsFailure || opened === realPath(path)
}
const NEWLINE = Buffer.from('\n')

/**
 * Returns true when the last line has no end: a crash during a write leaves it so, and the next line must not
 * join it.
 */
function endsMidLine(path: string, size: number): boolean {
  // A second descriptor is opened for reading. An unreadable file is appended to as it is.
  const opened = openFile(path)
  if (opened instanceof FsFailure) return false
  const isRead = read(opened.fd, LAST_BYTE, 0, 1, size - 1) === 1
  close(opened.fd)
  return isRead && LAST_BYTE[0] !== 0x0a
}

const LAST_BYTE = Buffer.alloc(1)

/** Failures that concern one file name, not the directory or the disk. */
const SINGLE_FILE_ERRORS = [
  'EEXIST',
  'EISDIR',
  'ENOTDIR',
  'ELOOP',
  'ENAMETOOLONG',
  NOT_A_FILE,
  FOREIGN_LINK,
  OWN_FILE,
]

/** Failures that concern one file if it exists, or one of the directories that a tag has named, below Path. */
const PERMISSION_ERRORS = ['EACCES', 'EPERM', 'ENOENT', 'ETXTBSY']

function scopeOf(code: string, { path, isConfigured }: Destination, directory: string): ErrorScope {
  if (SINGLE_FILE_ERRORS.includes(code)) return isConfigured ? 'chunk' : 'destination'
  if (isConfigured || !PERMISSION_ERRORS.includes(code)) return 'peer'
  const isBelow = dirname(path) !== dirname(join(directory, 'x')) && !(stat(directory) instanceof FsFailure)
  return isBelow || !(stat(path) instanceof FsFailure) ? 'destination' : 'peer'
}

function writeError(failure: FsFailure, destination: Destination, options: FileOptions): ShipperError {
  const { code, message } = failure
  const { mkdir, path: directory = '.' } = options
  const hint =
    code === 'ENOENT' && !mkdir
      ? 'create the directory, or set Mkdir to on'
      : code === NOT_A_FILE
        ? 'only regular files, and devices named by File, are written; to write to a pipe, use the output stdout'
        : code === OWN_FILE
          ? 'a tag must not name it: choose a Path in which the agent keeps nothing'
          : undefined
  return new ShipperError('E_OUTPUT_WRITE', `cannot write ${destination.path}: ${message}`, {
    retryable: true,
    scope: scopeOf(code, destination, directory),
    ...(hint === undefined ? {} : { hint }),
  })
}

export const spec = defineOutput({
  kind: 'output',
  name: 'file',
  summary: 'Appends records to files.',
  description:
    'A chunk counts as delivered when the operating system has taken its text. When the disk is full the write is ' +
    'retried, and nothing is written twice. An incomplete last line, left by a crash, is ended before more is appended. ' +
    'Only regular files are written, and character devices (a terminal, /dev/null) that File names, but never a FIFO. A tag cannot name a file ' +
    'of the agent itself, such as its database, log or configuration.',
  options: FILE_OPTIONS,
  example: '[OUTPUT]\n    Name   file\n    Match  *\n    Path   /tmp\n    File   records.log\n',
  inFlight: 1,
  writes: (options) => {
    const { path, isConfigured } = destinationOf('', options)
    return isConfigured ? path : undefined
  },
  create: (options, ctx) => new FileOutput(options, (path) => ctx.isOwnFile?.(path) === true),
})
