import type { BigIntStats } from 'node:fs'
import type { Ack, Contributor, FileStatus } from '../../../../core/plugin.ts'
import { AckTracker } from './ack-tracker.ts'
import type { EntryEncoder } from './entry-encoder.ts'
import type { FileHandle } from './file-handle.ts'
import type { FileIdentity } from './identity.ts'
import { LineFailures } from './line-failures.ts'
import { ReadCursor } from './read-cursor.ts'
import { RotationState } from './rotation-state.ts'
import type { StoredRow } from './stored-row.ts'

/**
 * waiting: another file has to be read first, or a filter is not ready · reading: there may be bytes to read ·
 * idle: at the end · closed: the descriptor is closed.
 */
type FileState = 'waiting' | 'reading' | 'idle' | 'closed'

interface TailFileInit {
  path: string
  identity: FileIdentity
  handle: FileHandle
  stored: StoredRow
  encoder: EntryEncoder
  offset: number
  size: number
  isSkipping: boolean
  openedMs: number
  contentSinceMs: number
  /** Agent and input, as the first part of the identity of its ranges. */
  origin: string
  /** The acknowledged position moved over this many bytes. */
  onSettled: (file: TailFile, bytes: number) => void
}

/**
 * One open file and where it is read.
 *
 * ```
 *   0 ....... acked ........ offset ......... size
 *     settled      in chunks        not read
 * ```
 * Each part owns its fields and changes them by its own methods: `cursor` has offset and size, `acks` the acknowledged
 * position, `rotation` the times of rename and rewrite, `stored` what the database has, `failures` the lines not parsed. Names may change; `identity`
 * does not.
 */
export class TailFile implements Contributor {
  readonly identity: FileIdentity
  readonly handle: FileHandle
  readonly encoder: EntryEncoder
  readonly cursor: ReadCursor
  readonly acks: AckTracker
  readonly rotation: RotationState
  readonly stored: StoredRow
  readonly failures = new LineFailures()
  #path: string
  #state: FileState = 'reading'
  #predecessor: TailFile | undefined
  #inChunk = false
  readonly #origin: string

  constructor(init: TailFileInit) {
    const { offset, size, isSkipping, onSettled } = init
    this.identity = init.identity
    this.handle = init.handle
    this.encoder = init.encoder
    this.stored = init.stored
    this.cursor = new ReadCursor(offset, size, isSkipping, init.openedMs)
    this.acks = new AckTracker(offset, isSkipping, (bytes) => onSettled(this, bytes))
    this.rotation = new RotationState(init.contentSinceMs)
    this.#path = init.path
    this.#origin = init.origin
  }

  /** Current path; changes with a rename. */
  get path(): string {
    return this.#path
  }

  get tag(): string {
    return this.identity.tag
  }

  get state(): FileState {
    return this.#state
  }

  /** File that has to be read to its end before this one; undefined: there is none. */
  get predecessor(): TailFile | undefined {
    return this.#predecessor
  }

  /** True while bytes of the file are in a chunk that is being filled or has not settled, or in an open record. */
  get isUnsettled(): boolean {
    return this.#inChunk || this.acks.isPending
  }

  /** True when nothing more can be read from the file now. */
  get isDrained(): boolean {
    return this.#state === 'idle' || this.#state === 'closed'
  }

  rename(path: string): void {
    this.#path = path
  }

  /** Reads this file only after all of `file`; undefined: without waiting. */
  readAfter(file: TailFile | undefined): void {
    this.#predecessor = file
  }

  startWaiting(): void {
    this.#state = 'waiting'
  }

  startReading(): void {
    this.#state = 'reading'
  }

  /** Records that the file was read to its end. */
  reachEnd(): void {
    this.#state = 'idle'
  }

  close(): void {
    this.handle.close()
    this.#state = 'closed'
  }

  /** Updates the size, except of a .gz, and marks the file deleted if it has no name any more. */
  refresh(): void {
    const stat = this.handle.stat()
    if (!this.handle.isCompressed) this.cursor.recordSize(Number(stat.size))
    if (stat.nlink === 0n) this.rotation.markDeleted()
  }

  /** Begins again at the start of a file that was truncated or rewritten; `stat` is of the new content. */
  restart(nowMs: number, stat: BigIntStats): void {
    this.stored.restart(nowMs)
    this.cursor.restart(Number(stat.size))
    this.acks.restart()
    // A copy of the old content was made before this time, or in the same tick of the system's clock.
    this.rotation.recordRewrite(Number(stat.mtimeNs) / 1e6 + 0.001)
  }

  /** Returns true once per chunk: the caller then joins the file to the chunk. */
  needsJoin(): boolean {
    if (this.#inChunk) return false
    this.#inChunk = true
    return true
  }

  closeRange(): { identity: string; settle: Ack } | undefined {
    this.#inChunk = false
    const range = this.acks.endRange(this.cursor.offset, this.cursor.isSkipping)
    if (range === undefined) return undefined
    const { text, settle } = range
    return { identity: `${this.#origin}:${this.identity.key}:${this.stored.contentId}:${text}`, settle }
  }

  status(): FileStatus {
    const { identity, cursor, acks, rotation, failures } = this
    const state = !rotation.isRotated ? this.#state : rotation.isDeleted ? 'deleted' : 'rotated'
    return {
      path: this.#path,
      device: identity.device.toString(),
      inode: identity.inode.toString(),
      size: cursor.size,
      read: cursor.offset,
      acked: acks.position,
      lag: Math.max(0, cursor.size - acks.position),
      state,
      parseFailed: failures.unparsed,
      timeFailed: failures.untimed,
    }
  }
}
