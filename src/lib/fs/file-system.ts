import { type BigIntStats, constants, type Dirent, type FSWatcher, type WatchListener } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { reasonOf, systemCode } from '../../core/error.ts'
import { sleepSync } from '../async/sleep-sync.ts'
import { systemCalls } from './system-calls.ts'

/**
 * Result of a failed file system call. A path that others control can fail in any way at any time (ELOOP,
 * EACCES, ESTALE, EIO), so a failure is a value that the caller must check, not an exception that may go
 * unnoticed.
 */
export class FsFailure {
  /** Name of the errno, or one of the codes below. */
  readonly code: string
  /** Reason in words, without the path. */
  readonly message: string

  constructor(code: string, message: string) {
    this.code = code
    this.message = message
  }

  toString(): string {
    return this.message
  }
}

/**
 * Code of a path that is not a regular file: a FIFO, a device, a socket, or a file of procfs and the like.
 */
export const NOT_A_FILE = 'NOT_A_FILE'

const NOT_FOUND = new FsFailure('ENOENT', 'no such file or directory')

/** True when the path, or a directory of it, does not exist. */
export function isMissing(result: unknown): result is FsFailure {
  return result instanceof FsFailure && (result.code === 'ENOENT' || result.code === 'ENOTDIR')
}

/** Returns the properties of the file that a path resolves to. */
export function stat(path: string): BigIntStats | FsFailure {
  return attempt(() => systemCalls.statSync(path, { bigint: true, throwIfNoEntry: false }) ?? NOT_FOUND)
}

/** Returns the properties of a path itself, without following a link. */
export function lstat(path: string): BigIntStats | FsFailure {
  return attempt(() => systemCalls.lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? NOT_FOUND)
}

/**
 * True when the path is a link that neither root nor this user has made: in a directory such as /tmp anyone can prepare
 * one that leads to a file which only the agent may write.
 */
export function isForeignLink(path: string): boolean {
  const found = lstat(path)
  if (found instanceof FsFailure || !found.isSymbolicLink()) return false
  return found.uid !== 0n && found.uid !== BigInt(process.geteuid?.() ?? 0)
}

export function fstat(fd: number): BigIntStats | FsFailure {
  return attempt(() => systemCalls.fstatSync(fd, { bigint: true }))
}

/**
 * Returns size and number of links of an open file. `fstat` takes as long again for properties that need more bits than a
 * number has.
 */
export function sizeAndLinks(fd: number): { size: number; nlink: number } | FsFailure {
  return attempt(() => systemCalls.fstatSync(fd))
}

/** Returns the names in a directory, in no particular order. */
export function namesIn(directory: string): string[] | FsFailure {
  return attempt(() => systemCalls.readdirSync(directory))
}

/** Returns the entries of a directory with their types, in no particular order. */
export function entriesIn(directory: string): Dirent[] | FsFailure {
  return attempt(() => systemCalls.readdirSync(directory, { withFileTypes: true }))
}

/**
 * Returns the names in a directory without blocking on the disk. Meant for directories with very many names.
 * Only creating the strings takes a turn of the event loop, half as long as for entries with types.
 */
export async function namesInLater(directory: string): Promise<string[] | FsFailure> {
  try {
    return await systemCalls.readdir(directory)
  } catch (error) {
    return failureOf(error)
  }
}

export function readLink(path: string): string | FsFailure {
  return attempt(() => systemCalls.readlinkSync(path))
}

export function realPath(path: string): string | FsFailure {
  return attempt(() => systemCalls.realpathSync(path))
}

export interface OpenedFile {
  fd: number
  stat: BigIntStats
  /** True when the file is known to have been reached through no link. */
  isDirect?: boolean
}

/**
 * Opens a regular file for reading, without ever blocking. Rejects a FIFO that was renamed over the path
 * (NOT_A_FILE), and devices and files of kernel file systems, whose reads may block forever or have side
 * effects.
 */
export function openFile(path: string): OpenedFile | FsFailure {
  const fd = attempt(() => systemCalls.openSync(path, constants.O_RDONLY | WITHOUT_WAITING))
  return fd instanceof FsFailure ? fd : accept(fd, isRegular)
}

/** True when there is a regular file that can be opened for reading. */
export function canOpen(path: string): boolean {
  const opened = openFile(path)
  if (opened instanceof FsFailure) return false
  close(opened.fd)
  return true
}

/** What may be opened besides regular files. */
interface AppendOptions {
  /** Permissions of a file that is created, before the umask. */
  mode: number
  /** Character devices, such as a terminal and /dev/null. */
  devices?: boolean
  /** Pipes that have a reader, such as /dev/stdout in a container. A write to a full one returns EAGAIN. */
  pipes?: boolean
}

/** Code of a path that leads through a link of another user. */
export const FOREIGN_LINK = 'FOREIGN_LINK'

/**
 * Opens a file for appending, without ever blocking, and creates it if it does not exist. Rejects a FIFO
 * without a reader, and everything else that is not allowed (NOT_A_FILE). A link is followed only if root or
 * this user made it (FOREIGN_LINK), as /dev/stdout is.
 */
export function openToAppend(path: string, { mode, devices, pipes }: AppendOptions): OpenedFile | FsFailure {
  const fd = openOwnPath(path, mode)
  if (fd instanceof FsFailure)
    return fd.code === 'ENXIO' ? new FsFailure(NOT_A_FILE, 'it is a FIFO that nobody reads, or a socket') : fd
  return accept(
    fd,
    (found) =>
      isRegular(found, fd) ||
      (devices === true && found.isCharacterDevice()) ||
      (pipes === true && found.isFIFO()),
  )
}

/** Longest chain of links, as in Linux. */
const MAX_LINKS = 40

/**
 * Opens a path for appending, with each link of its last component followed here. The kernel is told not to follow one, so
 * that no link can take the place of a file between the check and the call. Directories of the path are not checked.
 */
function openOwnPath(path: string, mode: number): number | FsFailure {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | WITHOUT_WAITING
  let at = path
  for (let i = 0; i < MAX_LINKS; i++) {
    const fd = attempt(() => systemCalls.openSync(at, flags | constants.O_NOFOLLOW, mode))
    if (!(fd instanceof FsFailure) || fd.code !== 'ELOOP') return fd
    const target = readLink(at)
    // No link: the loop is in the directories of the path.
    if (target instanceof FsFailure) return fd
    if (isForeignLink(at)) return new FsFailure(FOREIGN_LINK, 'it is a link that belongs to another user')
    // A link to an open file (/proc/self/fd/1) has no path that could be followed by name.
    if (isOpenFileLink(at)) return attempt(() => systemCalls.openSync(at, flags, mode))
    at = isAbsolute(target) ? target : join(dirname(at), target)
  }
  return new FsFailure('ELOOP', 'too many levels of symbolic links')
}

/** True for an entry of a directory of open descriptors, whose target is no path. */
function isOpenFileLink(path: string): boolean {
  const directory = realPath(dirname(path))
  return typeof directory === 'string' && OPEN_FILES.test(directory)
}

const OPEN_FILES = /^\/proc\/\d+\/(?:task\/\d+\/)?fd$/

/**
 * Opens a regular file for appending and for reading, without ever blocking, and creates it if it does not exist.
 * Refuses a link.
 */
export function openToKeep(path: string, mode: number): OpenedFile | FsFailure {
  const flags =
    constants.O_RDWR | constants.O_NOFOLLOW | constants.O_APPEND | constants.O_CREAT | WITHOUT_WAITING
  const fd = attempt(() => systemCalls.openSync(path, flags, mode))
  return fd instanceof FsFailure ? fd : accept(fd, isRegular)
}

/** Opens an existing regular file to read it and to overwrite bytes in place. Refuses a link. */
export function openToUpdate(path: string): OpenedFile | FsFailure {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | WITHOUT_WAITING
  const fd = attempt(() => systemCalls.openSync(path, flags))
  return fd instanceof FsFailure ? fd : accept(fd, isRegular)
}

/** Opens an existing regular file to read it. Refuses a link. */
export function openDirectly(path: string): OpenedFile | FsFailure {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | WITHOUT_WAITING
  const fd = attempt(() => systemCalls.openSync(path, flags))
  return fd instanceof FsFailure ? fd : accept(fd, isRegular)
}

/** Creates a file to write to and to read, and fails with EEXIST if there is one. Returns its descriptor. */
export function createFile(path: string, mode: number): number | FsFailure {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_CREAT | constants.O_EXCL
  return attempt(() => systemCalls.openSync(path, flags, mode))
}

const WITHOUT_WAITING = constants.O_NONBLOCK | constants.O_NOCTTY

/** Returns the open file with its properties, or closes it if the caller does not accept it. */
function accept(fd: number, isAccepted: (found: BigIntStats, fd: number) => boolean): OpenedFile | FsFailure {
  const found = fstat(fd)
  if (!(found instanceof FsFailure) && isAccepted(found, fd)) return { fd, stat: found }
  close(fd)
  return found instanceof FsFailure ? found : new FsFailure(NOT_A_FILE, 'it is not a regular file')
}

function isRegular(found: BigIntStats, fd: number): boolean {
  return found.isFile() && !isOfKernel(found.dev, fd)
}

/**
 * Reads up to `length` bytes from `position` into `buf` at `at`, and returns their number: 0 at the end of
 * the file.
 */
export function read(
  fd: number,
  buf: Buffer,
  at: number,
  length: number,
  position: number,
): number | FsFailure {
  // Called for every block: `attempt` would allocate a closure each time.
  try {
    return systemCalls.readSync(fd, buf, at, length, position)
  } catch (error) {
    return failureOf(error)
  }
}

/** Fills `buf` from `position`, and returns how many bytes there are: fewer at the end of the file. */
export function readAt(fd: number, buf: Buffer, position: number): number | FsFailure {
  let at = 0
  while (at < buf.length) {
    const got = read(fd, buf, at, buf.length - at, position + at)
    if (got instanceof FsFailure) return got
    if (got === 0) break
    at += got
  }
  return at
}

/** Returns the first `maxBytes` of a regular file as text. */
export function readTextFile(path: string, maxBytes: number): string | FsFailure {
  const opened = openFile(path)
  if (opened instanceof FsFailure) return opened
  const buf = Buffer.alloc(Math.min(maxBytes, Number(opened.stat.size)))
  const size = read(opened.fd, buf, 0, buf.length, 0)
  close(opened.fd)
  return size instanceof FsFailure ? size : buf.toString('utf8', 0, size)
}

/** Code of a content that is longer than the caller allows. */
export const TOO_LARGE = 'TOO_LARGE'
/** Time that the writer of a pipe may pause, and that all of it may take. */
const MAX_PIPE_PAUSE_MS = 10_000
const MAX_PIPE_MS = 30_000
const PIPE_STEP_MS = 5

/**
 * Returns the whole content of a regular file or a pipe (`<(...)` of a shell, /dev/stdin), for files that a configuration
 * names and that are read at the start. Reads at most `maxBytes` (TOO_LARGE), so that /dev/zero ends. Waits for the writer
 * of a pipe, but not for one that pauses for 10 s or takes 30 s (ETIMEDOUT). Files of kernel file systems are refused
 * (NOT_A_FILE): a read of /proc/kmsg waits, and takes its messages from others.
 */
export function readWhole(path: string, maxBytes: number): Buffer | FsFailure {
  const fd = attempt(() => systemCalls.openSync(path, constants.O_RDONLY | WITHOUT_WAITING))
  if (fd instanceof FsFailure) return fd
  const opened = accept(fd, (found) => !found.isFile() || isRegular(found, fd))
  return opened instanceof FsFailure ? opened : readToEnd(opened, maxBytes, MAX_PIPE_PAUSE_MS)
}

/** Returns the whole content as text; see `readWhole`. */
export function readWholeText(path: string, maxBytes: number): string | FsFailure {
  const content = readWhole(path, maxBytes)
  return content instanceof FsFailure ? content : content.toString('utf8')
}

/** Returns the whole content of a regular file, and nothing else (NOT_A_FILE), so that it never waits. */
export function readRegular(path: string, maxBytes: number): Buffer | FsFailure {
  const opened = openFile(path)
  return opened instanceof FsFailure ? opened : readToEnd(opened, maxBytes, 0)
}

/** Reads up to the end and closes the descriptor. */
function readToEnd({ fd, stat }: OpenedFile, maxBytes: number, maxPauseMs: number): Buffer | FsFailure {
  const tooLarge = new FsFailure(TOO_LARGE, `it has more than ${maxBytes} bytes`)
  const parts: Buffer[] = []
  let bytes = 0
  let pausedMs = 0
  let waitedMs = 0
  try {
    if (stat.isFile() && stat.size > BigInt(maxBytes)) return tooLarge
    for (;;) {
      const part = Buffer.allocUnsafe(65_536)
      const got = attempt(() => systemCalls.readSync(fd, part, 0, part.length, null))
      if (got === 0) return Buffer.concat(parts)
      if (got instanceof FsFailure && got.code !== 'EAGAIN') return got
      if (typeof got === 'number') {
        parts.push(part.subarray(0, got))
        bytes += got
        pausedMs = 0
        if (bytes > maxBytes) return tooLarge
      } else if (pausedMs >= maxPauseMs || waitedMs >= MAX_PIPE_MS) {
        return new FsFailure('ETIMEDOUT', `its end did not come within ${Math.round(waitedMs / 1000)} s`)
      } else {
        sleepSync(PIPE_STEP_MS)
        pausedMs += PIPE_STEP_MS
        waitedMs += PIPE_STEP_MS
      }
    }
  } finally {
    close(fd)
  }
}

/** Writes the bytes from `at` on, and returns how many were written, which may be fewer. */
export function write(fd: number, bytes: Uint8Array, at = 0): number | FsFailure {
  return attempt(() => systemCalls.writeSync(fd, bytes, at))
}

/** Overwrites bytes in place, in a file that is not open for appending. Returns how many were written. */
export function writeAt(fd: number, bytes: Uint8Array, position: number): number | FsFailure {
  return attempt(() => systemCalls.writeSync(fd, bytes, 0, bytes.length, position))
}

/** Writes several parts at `position`, one after the other, and returns how many bytes were written. */
export function writeParts(
  fd: number,
  parts: readonly NodeJS.ArrayBufferView[],
  position: number,
): number | FsFailure {
  return attempt(() => systemCalls.writevSync(fd, parts, position))
}

/** Waits until the content of a file, and what is needed to read it, is on its disk. Returns undefined on success. */
export function syncData(fd: number): FsFailure | undefined {
  return attempt(() => void systemCalls.fdatasyncSync(fd)) as FsFailure | undefined
}

/** Waits, without blocking, until the content of a file is on its disk. */
export function syncDataLater(fd: number): Promise<FsFailure | undefined> {
  return later((done) => systemCalls.fdatasync(fd, done))
}

/** Waits until what was written to a file is on its disk. Returns undefined on success. */
export function sync(fd: number): FsFailure | undefined {
  return attempt(() => void systemCalls.fsyncSync(fd)) as FsFailure | undefined
}

/** Waits, without blocking, until what was written to a file is on its disk. */
export function syncLater(fd: number): Promise<FsFailure | undefined> {
  return later((done) => systemCalls.fsync(fd, done))
}

/** Resolves with the failure of a call, which may be that it cannot be started. */
function later(call: (done: (error: unknown) => void) => void): Promise<FsFailure | undefined> {
  return new Promise((resolve) => {
    const started = attempt(() => {
      call((error) => resolve(error ? failureOf(error) : undefined))
      return undefined
    })
    if (started instanceof FsFailure) resolve(started)
  })
}

/** Waits, without blocking, until the entries of a directory are on its disk. */
export async function syncDirectoryLater(path: string): Promise<FsFailure | undefined> {
  const fd = attempt(() => systemCalls.openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))
  if (fd instanceof FsFailure) return fd
  const failure = await syncLater(fd)
  close(fd)
  return failure
}

/** Waits until the entries of a directory are on its disk. */
export function syncDirectory(path: string): FsFailure | undefined {
  const fd = attempt(() => systemCalls.openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))
  if (fd instanceof FsFailure) return fd
  const failure = sync(fd)
  close(fd)
  return failure
}

/** Renames a file, over another one if there is one. Returns undefined on success. */
export function rename(from: string, to: string): FsFailure | undefined {
  return attempt(() => void systemCalls.renameSync(from, to)) as FsFailure | undefined
}

/** Removes a name of a file. Returns undefined on success. */
export function remove(path: string): FsFailure | undefined {
  return attempt(() => void systemCalls.unlinkSync(path)) as FsFailure | undefined
}

/** Sets the size of a file. Returns undefined on success. */
export function truncate(fd: number, size: number): FsFailure | undefined {
  return attempt(() => void systemCalls.ftruncateSync(fd, size)) as FsFailure | undefined
}

/** Creates a directory and its parents. Succeeds if it already exists. `mode`: permissions of what is created. */
export function makeDirectories(path: string, mode = 0o777): FsFailure | undefined {
  const made = attempt(() => systemCalls.mkdirSync(path, { recursive: true, mode }))
  if (!(made instanceof FsFailure)) return undefined
  // What exists is no directory, as one would be a success.
  return made.code === 'EEXIST' ? new FsFailure('EEXIST', `${path} is not a directory`) : made
}

/** Closes a descriptor that was written to. After a failure (NFS) the written data may be lost. */
export function closeWritten(fd: number): FsFailure | undefined {
  return attempt(() => void systemCalls.closeSync(fd)) as FsFailure | undefined
}

/**
 * Closes a descriptor that was only read. Failures (EIO on network file systems) concern writers only, so
 * they are ignored.
 */
export function close(fd: number): void {
  attempt(() => systemCalls.closeSync(fd))
}

/** Watches a directory for changes of its entries. The watcher may emit `error` later. */
export function watchDirectory(directory: string, listener: WatchListener<string>): FSWatcher | FsFailure {
  return attempt(() => systemCalls.watch(directory, { persistent: false }, listener))
}

/** Magic numbers of file systems whose files are generated by the kernel (statfs(2), linux/magic.h). */
const KERNEL_FILE_SYSTEMS = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0xcafe4a11, // bpf
  0x62656570, // configfs
  0xf97cff8c, // selinuxfs
])

/** Devices classified so far; true for a kernel file system. */
const kernelDevices = new Map<bigint, boolean>()
/** Size at which the cache is cleared: mounts come and go, and device numbers are reused. */
const MAX_DEVICES = 256

function isOfKernel(device: bigint, fd: number): boolean {
  const known = kernelDevices.get(device)
  if (known !== undefined) return known
  const found = attempt(() => systemCalls.statfsSync(`/proc/self/fd/${fd}`))
  // If the type is unknown (no /proc), the file counts as regular.
  const isKernel = !(found instanceof FsFailure) && KERNEL_FILE_SYSTEMS.has(found.type >>> 0)
  if (kernelDevices.size >= MAX_DEVICES) kernelDevices.clear()
  kernelDevices.set(device, isKernel)
  return isKernel
}

function attempt<T>(call: () => T): T | FsFailure {
  try {
    return call()
  } catch (error) {
    return failureOf(error)
  }
}

function failureOf(error: unknown): FsFailure {
  return new FsFailure(systemCode(error) ?? 'UNKNOWN', reasonOf(error))
}
