import { join } from 'node:path'
import { ShipperError } from '../../core/error.ts'
import { FsFailure, isMissing, lstat } from '../fs/file-system.ts'
import { makeFolder } from './make-folder.ts'

/** Makes this process the only one that uses a folder, with a file whose path begins with `path`. Throws E_STORE_LOCKED. */
export type TakeLock = (path: string) => { release(): void }

/** File that the lock is on. */
const LOCK_FILE = 'buffer.lock'
const LOST_HINT =
  'start the agent again, which goes on with what is in the buffer, and never remove the lock file of a running one'

/** The lock of a folder, which is held from the start until `release`. */
export class FolderLock {
  readonly #folder: string
  readonly #path: string
  readonly #take: TakeLock
  #held: { release(): void } | undefined
  /** Inode of the file; undefined when there is none. */
  #inode: bigint | undefined

  /** Takes the lock. Throws E_BUFFER_LOCKED when another process has it, and E_BUFFER when it cannot be taken. */
  constructor(folder: string, take: TakeLock) {
    this.#folder = folder
    this.#path = join(folder, LOCK_FILE)
    this.#take = take
    this.ensure()
  }

  /** False after a failed `ensure`. */
  get isHeld(): boolean {
    return this.#held !== undefined
  }

  /** `gone`: there is no lock file. `replaced`: there is another one, which another process may have locked. */
  get state(): 'held' | 'gone' | 'replaced' {
    if (this.#held !== undefined && this.#inode === undefined) return 'held'
    const found = lstat(this.#path)
    if (isMissing(found)) return 'gone'
    // A file that cannot be examined counts as the one that was locked.
    return found instanceof FsFailure || found.ino === this.#inode ? 'held' : 'replaced'
  }

  get isFolderGone(): boolean {
    return isMissing(lstat(this.#folder))
  }

  /** Takes the lock unless it is held, or again if there is no lock file. Throws E_BUFFER_LOCKED or E_BUFFER. */
  ensure(): void {
    if (isMissing(lstat(this.#path))) this.release()
    if (this.#held !== undefined) return
    // If this fails, so does taking the lock.
    makeFolder(this.#folder)
    try {
      this.#held = takeLock(this.#folder, this.#take)
    } finally {
      const found = lstat(this.#path)
      this.#inode = found instanceof FsFailure ? undefined : found.ino
    }
  }

  /** Returns the error of a process that may not go on, because another one may have used the folder. */
  lostError(): ShipperError {
    return new ShipperError(
      'E_BUFFER_LOCKED',
      `the lock file ${this.#path} of the buffer was removed or replaced while it was in use: another agent may have used the buffer since`,
      { hint: LOST_HINT, details: { folder: this.#folder } },
    )
  }

  release(): void {
    this.#held?.release()
    this.#held = undefined
  }
}

function takeLock(folder: string, take: TakeLock): { release(): void } {
  try {
    return take(join(folder, 'buffer'))
  } catch (error) {
    if (!(error instanceof ShipperError) || error.code.startsWith('E_BUFFER')) throw error
    const { pid } = error.details
    if (error.code === 'E_STORE_LOCKED') {
      const who = pid === undefined ? 'another agent' : `another agent (pid ${pid})`
      throw new ShipperError('E_BUFFER_LOCKED', `the buffer ${folder} is in use by ${who}`, {
        details: { folder, pid },
        cause: error,
      })
    }
    throw new ShipperError('E_BUFFER', `the buffer ${folder} cannot be locked: ${error.message}`, {
      hint: error.hint,
      retryable: true,
      details: { folder },
      cause: error,
    })
  }
}
