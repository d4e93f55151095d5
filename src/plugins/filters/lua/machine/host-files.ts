import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'

/** Error numbers of the module's C library, by their names. */
const ERRNO: Readonly<Record<string, number>> = {
  EACCES: 2,
  EBADF: 8,
  EBUSY: 10,
  EEXIST: 20,
  EFBIG: 22,
  EINVAL: 28,
  EIO: 29,
  EISDIR: 31,
  ELOOP: 32,
  EMFILE: 33,
  ENAMETOOLONG: 37,
  ENOENT: 44,
  ENOSPC: 51,
  ENOTDIR: 54,
  ENOTEMPTY: 55,
  ENXIO: 60,
  EPERM: 63,
  EROFS: 69,
  ESPIPE: 70,
  ETXTBSY: 74,
  EXDEV: 75,
}
const FLAGS: readonly (readonly [number, number])[] = [
  [0o1, constants.O_WRONLY],
  [0o2, constants.O_RDWR],
  [0o100, constants.O_CREAT],
  [0o200, constants.O_EXCL],
  [0o1000, constants.O_TRUNC],
  [0o2000, constants.O_APPEND],
]
const APPEND = 0o2000
const STDOUT = 1
const STDERR = 2
const FIRST_FILE = 3
/** Files that a script may have open at the same time. */
const MAX_FILES = 64

interface OpenFile {
  fd: number
  position: number
  appends: boolean
}

/** The files of the machine for scripts, by the descriptors of the module. Functions return a negative error number, or a result. */
export class HostFiles {
  readonly #files: (OpenFile | undefined)[] = []
  readonly #print: (text: Buffer, isError: boolean) => void

  constructor(print: (text: Buffer, isError: boolean) => void) {
    this.#print = print
  }

  open(path: string, flags: number, mode: number): number {
    const free = this.#files.indexOf(undefined)
    const slot = free < 0 ? this.#files.length : free
    if (slot >= MAX_FILES) return -(ERRNO.EMFILE as number)
    return attempt(() => {
      // A named pipe must not hold up the agent until somebody opens its other end.
      const fd = openSync(
        path,
        FLAGS.reduce((all, [guest, host]) => (flags & guest ? all | host : all), constants.O_NONBLOCK),
        mode,
      )
      this.#files[slot] = { fd, position: 0, appends: (flags & APPEND) !== 0 }
      return slot + FIRST_FILE
    })
  }

  close(descriptor: number): number {
    const file = this.#files[descriptor - FIRST_FILE]
    if (file === undefined) return descriptor < FIRST_FILE ? 0 : -(ERRNO.EBADF as number)
    this.#files[descriptor - FIRST_FILE] = undefined
    return attempt(() => {
      closeSync(file.fd)
      return 0
    })
  }

  closeAll(): void {
    for (let i = 0; i < this.#files.length; i++) this.close(i + FIRST_FILE)
  }

  /** Standard input is empty. */
  read(descriptor: number, to: Buffer): number {
    if (descriptor === 0) return 0
    return this.#with(descriptor, (file) => {
      const read = readSync(file.fd, to, 0, to.length, isSeekable(file.fd) ? file.position : null)
      file.position += read
      return read
    })
  }

  write(descriptor: number, from: Buffer): number {
    if (descriptor === STDOUT || descriptor === STDERR) {
      this.#print(from, descriptor === STDERR)
      return from.length
    }
    return this.#with(descriptor, (file) => {
      const written = writeSync(
        file.fd,
        from,
        0,
        from.length,
        file.appends || !isSeekable(file.fd) ? null : file.position,
      )
      file.position = file.appends ? fstatSync(file.fd).size : file.position + written
      return written
    })
  }

  /** `whence`: 0 from the start, 1 from the position, 2 from the end. */
  seek(descriptor: number, offset: number, whence: number): number {
    return this.#with(descriptor, (file) => {
      if (!isSeekable(file.fd)) return -(ERRNO.ESPIPE as number)
      const base = whence === 0 ? 0 : whence === 1 ? file.position : fstatSync(file.fd).size
      if (base + offset < 0) return -(ERRNO.EINVAL as number)
      file.position = base + offset
      return file.position
    })
  }

  remove(path: string): number {
    return attempt(() => (unlinkSync(path), 0))
  }

  removeFolder(path: string): number {
    return attempt(() => (rmdirSync(path), 0))
  }

  rename(from: string, to: string): number {
    return attempt(() => (renameSync(from, to), 0))
  }

  #with(descriptor: number, run: (file: OpenFile) => number): number {
    const file = this.#files[descriptor - FIRST_FILE]
    return file === undefined ? -(ERRNO.EBADF as number) : attempt(() => run(file))
  }
}

function isSeekable(fd: number): boolean {
  return fstatSync(fd).isFile()
}

function attempt(run: () => number): number {
  try {
    return run()
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    return -(ERRNO[code ?? ''] ?? (ERRNO.EIO as number))
  }
}
