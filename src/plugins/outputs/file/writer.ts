import { dirname, join, relative } from 'node:path'
import { type ErrorScope, ShipperError } from '../../../core/error.ts'
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
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import type { FileOptions } from './options.ts'
import type { Destination } from './path.ts'

/** Why nothing was written. */
export interface WriteFailure {
  error: ShipperError
  /** True when a tag or a record has chosen what can never be written, such as a directory: waiting does not help. */
  isPermanent: boolean
}

/**
 * Appends text to files, each of which is open only during the call. A partial write is truncated, so that a retry
 * duplicates nothing.
 */
export class FileWriter {
  readonly #mkdir: boolean
  /** True when an incomplete last line is ended before more is appended. */
  readonly #hasLines: boolean
  readonly #isOwnFile: (path: string) => boolean

  constructor({ mkdir, format }: FileOptions, isOwnFile: (path: string) => boolean) {
    this.#mkdir = mkdir
    this.#hasLines = format !== 'msgpack'
    this.#isOwnFile = isOwnFile
  }

  /** Appends what `format` writes to `text`; it is told whether the file is empty. Returns undefined on success. */
  append(
    destination: Destination,
    text: JsonText,
    format: (isNewFile: boolean) => void,
  ): WriteFailure | undefined {
    const opened = this.#open(destination)
    if (opened instanceof FsFailure) return this.#failure(opened, destination)
    const failure = appendTo(opened, this.#hasLines ? destination.path : undefined, text, format)
    const lost = closeWritten(opened.fd)
    const failed = failure ?? lost
    return failed === undefined ? undefined : this.#failure(failed, destination)
  }

  #open({ path, directory, chosenBy }: Destination): OpenedFile | FsFailure {
    const isConfigured = chosenBy === 'configuration'
    // A device is opened only if the configuration names it, as a tag or a record may come from a sender.
    const options = { mode: FILE_MODE, devices: isConfigured }
    if (!isConfigured && this.#isOwnFile(path)) return OWN
    if (isConfigured || (!this.#mkdir && isIn(directory, path))) {
      const failure = this.#mkdir ? makeDirectories(dirname(path)) : undefined
      return failure ?? openToAppend(path, options)
    }
    // Slashes of a tag, and fields in Path, choose directories, too.
    const refused = foreignLinkBelow(directory, path)
    const failure = refused ?? (this.#mkdir ? makeDirectories(dirname(path)) : undefined)
    if (failure !== undefined) return failure
    const opened = openToAppend(path, options)
    if (opened instanceof FsFailure) return opened
    // A link that was made since then led the call elsewhere, and may be gone again.
    const changed = foreignLinkBelow(directory, path) ?? (isAt(opened.fd, path) ? undefined : MOVED)
    if (changed === undefined) return opened
    close(opened.fd)
    return changed
  }

  #failure({ code, message }: FsFailure, destination: Destination): WriteFailure {
    const hint =
      code === 'ENOENT' && !this.#mkdir
        ? 'create the directory, or set Mkdir to on'
        : code === NOT_A_FILE
          ? 'only regular files, and devices named by File, are written; to write to a pipe, use the output stdout'
          : code === OWN_FILE
            ? 'a tag or a record must not name it: choose a Path in which the agent keeps nothing'
            : undefined
    const error = new ShipperError('E_OUTPUT_WRITE', `cannot write ${destination.path}: ${message}`, {
      retryable: true,
      scope: scopeOf(code, destination),
      ...(hint === undefined ? {} : { hint }),
    })
    const isPermanent = destination.chosenBy !== 'configuration' && NAME_ERRORS.includes(code)
    return { error, isPermanent }
  }
}

/** `path`: of a file whose last line is ended when it is incomplete. */
function appendTo(
  { fd, stat }: OpenedFile,
  path: string | undefined,
  text: JsonText,
  format: (isNewFile: boolean) => void,
): FsFailure | undefined {
  const size = Number(stat.size)
  format(size === 0)
  if (path !== undefined && size > 0 && endsMidLine(path, size)) {
    const ended = write(fd, NEWLINE)
    if (ended instanceof FsFailure) return ended
  }
  const bytes = text.bytes()
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

const FILE_MODE = 0o666
const OWN_FILE = 'OWN_FILE'
const MOVING = 'MOVING'
const OWN = new FsFailure(OWN_FILE, 'it is a file of the agent itself')
const MOVED = new FsFailure(MOVING, 'its directories change while it is opened')
const NEWLINE = Buffer.from('\n')

/** True when the path is a name in the directory, without further ones between them. */
function isIn(directory: string, path: string): boolean {
  return dirname(path) === dirname(join(directory, 'x'))
}

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

/** Failures that a name itself makes, as long as nobody changes what has it. */
const NAME_ERRORS = [
  'EEXIST',
  'EISDIR',
  'ENOTDIR',
  'ELOOP',
  'ENAMETOOLONG',
  NOT_A_FILE,
  FOREIGN_LINK,
  OWN_FILE,
]

/** Failures that concern one file name, not the directory or the disk. */
const SINGLE_FILE_ERRORS = [...NAME_ERRORS, MOVING]

/** Failures that concern one file if it exists, or a directory below the one that the configuration names. */
const PERMISSION_ERRORS = ['EACCES', 'EPERM', 'ENOENT', 'ETXTBSY']

function scopeOf(code: string, { path, directory, chosenBy }: Destination): ErrorScope {
  const chosen: ErrorScope =
    chosenBy === 'configuration' ? 'chunk' : chosenBy === 'tag' ? 'destination' : 'records'
  if (SINGLE_FILE_ERRORS.includes(code)) return chosen
  if (chosen === 'chunk' || !PERMISSION_ERRORS.includes(code)) return 'peer'
  const isBelow = !isIn(directory, path) && !(stat(directory) instanceof FsFailure)
  return isBelow || !(stat(path) instanceof FsFailure) ? chosen : 'peer'
}
