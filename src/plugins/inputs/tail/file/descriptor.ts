import type { BigIntStats } from 'node:fs'
import {
  close,
  FsFailure,
  fstat,
  isMissing,
  openFile,
  read,
  sizeAndLinks,
  stat,
} from '../../../../lib/fs/file-system.ts'
import { type DescriptorBudget, descriptorBudget, type Releasable } from './descriptor-budget.ts'
import type { FileIdentity } from './identity.ts'

/** The file of a descriptor, as far as it is needed to close and open it. */
export interface DescriptorOwner {
  readonly identity: FileIdentity
  /** Where the file is. */
  readonly target: string
  /** Where it is followed, or was until it was rotated. */
  readonly livePath: string
  /** Size as last seen. */
  readonly size: number
  /** See `Releasable`. */
  readonly releaseRank: number | undefined
}

/** Callbacks for all descriptors of an input. */
export interface DescriptorEvents {
  /** Returns another path at which the file may be now. */
  find(owner: DescriptorOwner): string | undefined
  onReleased(): void
}

/** Shortest time between two attempts to find a file that was not found, as each reads a directory. */
const RETRY_MS = 500

/** True for failures that go away when other descriptors are closed. */
export function isOutOfDescriptors(result: unknown): result is FsFailure {
  return result instanceof FsFailure && (result.code === 'EMFILE' || result.code === 'ENFILE')
}

/**
 * The descriptor of a followed file. When the budget is used up, it is closed, and opened again when it is
 * needed: at the path of the file, or at the name that rotation gave it. The file is known by device, inode and
 * birth time.
 */
export class Descriptor implements Releasable {
  /** -1: released or closed. */
  #fd: number
  #isClosed = false
  #owner: DescriptorOwner | undefined
  #failure: FsFailure | undefined
  #retryAtMs = 0
  lastUsed: number
  readonly #events: DescriptorEvents | undefined
  readonly #budget: DescriptorBudget

  /** Without `events`, the descriptor is never released. */
  constructor(fd: number, events?: DescriptorEvents, budget = descriptorBudget) {
    this.#fd = fd
    this.#events = events
    this.#budget = budget
    this.lastUsed = budget.nextUse()
    budget.add(this)
  }

  /** Sets the file, once it is complete. */
  belongTo(owner: DescriptorOwner): void {
    this.#owner = owner
  }

  get isOpen(): boolean {
    return !this.#isClosed
  }

  /** True when it was released, and no file that may be the one was found since. */
  get isLost(): boolean {
    return this.#fd < 0 && isMissing(this.#failure)
  }

  /** True when it was released, and its inode belongs to another file now: this one was deleted. */
  isReplacedBy(found: BigIntStats): boolean {
    return this.#fd < 0 && !this.#isClosed && this.#owner !== undefined && !this.#isIt(found)
  }

  /** The number of the open descriptor; -1 once it is closed, or when the file cannot be opened again. */
  get fd(): number {
    if (this.#fd < 0 && !this.#isClosed) this.#reopen()
    this.lastUsed = this.#budget.nextUse()
    return this.#fd
  }

  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure {
    const fd = this.fd
    return fd < 0 && this.#failure !== undefined ? this.#failure : read(fd, buf, at, length, position)
  }

  /**
   * Returns the properties of the file; a failure when they are not available, as after the server deleted it
   * (ESTALE). A released descriptor stays closed as long as the file is at its path.
   */
  stat(): BigIntStats | FsFailure {
    if (this.#fd < 0 && !this.#isClosed && this.#owner !== undefined) {
      const found = stat(this.#owner.target)
      if (!(found instanceof FsFailure) && this.#isIt(found)) return found
    }
    const fd = this.fd
    return fd < 0 && this.#failure !== undefined ? this.#failure : fstat(fd)
  }

  /** Returns size and number of links, under the same conditions as `stat`. */
  look(): { size: number; nlink: number } | FsFailure {
    if (this.#fd >= 0) {
      this.lastUsed = this.#budget.nextUse()
      return sizeAndLinks(this.#fd)
    }
    const found = this.stat()
    return found instanceof FsFailure ? found : { size: Number(found.size), nlink: Number(found.nlink) }
  }

  get releaseRank(): number | undefined {
    return this.#events === undefined ? undefined : this.#owner?.releaseRank
  }

  release(): boolean {
    const { releaseRank = 0, size = 0 } = this.#owner ?? {}
    const found = fstat(this.#fd)
    // A deleted file cannot be opened again, and one that has grown is not read to its end.
    if (found instanceof FsFailure || found.nlink === 0n) return false
    if (releaseRank === 0 && Number(found.size) !== size) return false
    close(this.#fd)
    this.#fd = -1
    this.#failure = undefined
    this.#retryAtMs = 0
    this.#events?.onReleased()
    return true
  }

  close(): void {
    this.#isClosed = true
    this.#budget.remove(this)
    if (this.#fd >= 0) close(this.#fd)
    this.#fd = -1
    this.#failure = undefined
  }

  #isIt({ dev, ino, birthtimeNs }: BigIntStats): boolean {
    const { identity } = this.#owner as DescriptorOwner
    return dev === identity.device && ino === identity.inode && birthtimeNs === identity.birthNs
  }

  #reopen(): void {
    const owner = this.#owner as DescriptorOwner
    const nowMs = performance.now()
    if (this.#failure !== undefined && nowMs < this.#retryAtMs) return
    this.#retryAtMs = nowMs + RETRY_MS
    const failure = this.#openAt(owner.target)
    if (isMissing(failure)) {
      const elsewhere = this.#events?.find(owner)
      this.#failure = elsewhere === undefined ? failure : this.#openAt(elsewhere)
    } else this.#failure = failure
  }

  /** Opens the file at a path; ENOENT when another one is there. */
  #openAt(path: string): FsFailure | undefined {
    if (!this.#budget.makeRoom()) return new FsFailure('EMFILE', 'too many open files')
    let opened = openFile(path)
    if (isOutOfDescriptors(opened) && this.#budget.lower()) opened = openFile(path)
    if (opened instanceof FsFailure) return opened
    if (!this.#isIt(opened.stat)) {
      close(opened.fd)
      return new FsFailure('ENOENT', 'another file is at its path')
    }
    this.#fd = opened.fd
    this.#budget.add(this)
    return undefined
  }
}
