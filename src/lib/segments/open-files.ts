import { close, FsFailure, isMissing, openDirectly, read } from '../fs/file-system.ts'
import { bufferError } from './failure.ts'
import { isInPlace } from './in-place.ts'
import type { Segment } from './segment.ts'
import { isOther } from './segment-ends.ts'

/** Maximum number of segments that are open for reading only. */
const MAX_OPEN_FILES = 4
/** Number of failures after which a segment counts as damaged where the disk cannot read it. */
const MAX_FAILURES = 8

/** Descriptors of the segments that are written or were read last. */
export class OpenFiles {
  readonly #folder: string
  readonly #fds = new Map<Segment, number>()
  /** Those that must stay open. */
  readonly #kept = new Set<Segment>()

  /**
   * True while a log is opened: what the disk has failed to read is tried again at once, and then counts as
   * damaged. Otherwise a bad sector would prevent every start.
   */
  retriesAtOnce = true

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Takes over the descriptor of a segment that is written: it stays open until `release`. */
  keep(segment: Segment, fd: number): void {
    this.#fds.set(segment, fd)
    this.#kept.add(segment)
  }

  release(segment: Segment): void {
    this.#kept.delete(segment)
    this.#closeOldest()
  }

  /** Returns the descriptor of a segment that is kept open. */
  fdOf(segment: Segment): number {
    const fd = this.#fds.get(segment)
    if (fd === undefined) throw new Error(`${segment.path} is not open`)
    return fd
  }

  /**
   * Fills `buf[at, at + length)` from the segment and returns how many bytes there are: fewer at the end of the file, or where the disk has
   * failed again and again. Throws a retryable E_BUFFER for another failure.
   */
  read(segment: Segment, buf: Buffer, at: number, length: number, offset: number): number {
    let done = 0
    const fd = segment.isMissing ? undefined : this.#fdToRead(segment)
    while (fd !== undefined && done < length) {
      const got = read(fd, buf, at + done, length - done, offset + done)
      if (got instanceof FsFailure) {
        if (got.code === 'EIO' && ++segment.failures >= MAX_FAILURES) break
        if (got.code === 'EIO' && this.retriesAtOnce) continue
        throw bufferError(`read ${segment.path} in`, this.#folder, got)
      }
      if (got === 0) break
      done += got
    }
    return done
  }

  /**
   * Returns the segments that are open and whose files were removed or renamed by someone else: their
   * descriptors still give access to all of it.
   */
  removed(): Segment[] {
    return [...this.#fds].filter(([{ path }, fd]) => !isInPlace(fd, path)).map(([segment]) => segment)
  }

  /** Replaces the descriptor of a segment whose file was written anew. */
  replace(segment: Segment, fd: number): void {
    const old = this.#fds.get(segment)
    if (old !== undefined) close(old)
    this.#fds.set(segment, fd)
  }

  close(segment: Segment): void {
    const fd = this.#fds.get(segment)
    if (fd !== undefined) close(fd)
    this.#fds.delete(segment)
    this.#kept.delete(segment)
  }

  closeAll(): void {
    for (const segment of [...this.#fds.keys()]) this.close(segment)
  }

  #fdToRead(segment: Segment): number | undefined {
    const known = this.#fds.get(segment)
    if (known !== undefined) {
      // Moves it to the end of the order.
      this.#fds.delete(segment)
      this.#fds.set(segment, known)
      return known
    }
    const opened = openDirectly(segment.path)
    if (opened instanceof FsFailure) {
      if (!isMissing(opened) && !isOther(opened))
        throw bufferError(`open ${segment.path} in`, this.#folder, opened)
      segment.isMissing = true
      return undefined
    }
    this.#fds.set(segment, opened.fd)
    this.#closeOldest()
    return opened.fd
  }

  #closeOldest(): void {
    let excess = this.#fds.size - this.#kept.size - MAX_OPEN_FILES
    for (const segment of [...this.#fds.keys()]) {
      if (excess <= 0) return
      if (this.#kept.has(segment)) continue
      this.close(segment)
      excess--
    }
  }
}
