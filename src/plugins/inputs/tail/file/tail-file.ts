import type { Ack, Contributor, FileStatus } from '../../../../core/plugin.ts'
import { Watermark } from '../../../../core/watermark.ts'
import type { OpenRecords } from '../multiline/open-records.ts'
import type { ByteSource } from './byte-source.ts'
import type { EntryEncoder } from './entry-encoder.ts'

/** Bytes before the offset that are compared at each read: a rewritten file shows there. */
export const TAIL_BYTES = 32

/**
 * waiting: behind another file that must be read first · reading: bytes may be there · idle: at the end ·
 * closed: nothing of it is open.
 */
type FileState = 'waiting' | 'reading' | 'idle' | 'closed'

interface FileInit {
  path: string
  openedAs: string
  fd: number
  source: ByteSource
  compressedBytes: number | undefined
  device: bigint
  inode: bigint
  bornMs: number
  sinceMs: number
  size: number
  offset: number
  skipping: boolean
  tag: string
  writer: EntryEncoder
  /** Agent and input. */
  origin: string
  onSettled: (file: TailFile, bytes: number) => void
}

/**
 * One open file and where in it we are.
 *
 * ```
 *   0 ....... acked ........ offset ......... size
 *     settled      in chunks        not read
 * ```
 * `offset` is the start of the first line not yet in a chunk (or, within a line that is being skipped, any byte of it);
 * `acked` moves with the watermark. Names may change, device and inode do not.
 */
export class TailFile implements Contributor {
  /** Where it is now; changes with a rename. */
  path: string
  /** The name it had when it was opened: tag and Path_Key come from it. */
  readonly openedAs: string
  readonly device: bigint
  readonly inode: bigint
  readonly tag: string
  readonly writer: EntryEncoder
  fd: number
  source: ByteSource
  /** Of a .gz: its size on disk; offsets count decompressed bytes. */
  readonly compressedBytes: number | undefined
  state: FileState = 'reading'
  offset: number
  /** Where reading began in this run. */
  readonly startedAt: number
  /** As last seen; the truth is in the file. */
  size: number
  /** Within a line that is too long: everything up to its newline is passed over. */
  skipping = false
  /** Of truncations in one second, those before the last. */
  #generation = 0
  /** Rotated away or deleted: when, in milliseconds; undefined while the path is its own. */
  rotatedMs: number | undefined
  deleted = false
  /** When it was created, in milliseconds of the file system's clock; 0 where it does not say. */
  readonly bornMs: number
  /** What stands beside it since before then is older, or a copy of what was in it before it was truncated. */
  sinceMs: number
  /** Nothing was known of what was in it when it was opened. */
  blank = false
  /** Last time that bytes were read. */
  activeMs = 0
  /** Read this one first. */
  after: TailFile | undefined
  /** The last bytes before `offset`, to be found there again. */
  readonly tail = Buffer.alloc(TAIL_BYTES)
  tailSize = 0
  /** Of the database. */
  rowId: number | undefined
  /**
   * Unix seconds: when it was found, or truncated last. With it a range has another identity than the same range of what
   * was there before, under this inode too, and has it in the next run still.
   */
  created = 0
  dirty = true
  fingerprint: string | undefined
  fingerprintSize = 0
  lostBytes = 0
  /** What is open of its lines, when lines are joined. */
  groups: OpenRecords | undefined
  /** Nothing is committed beyond it: from there on groups were open, and have not all ended. */
  hold: number | undefined
  #rangeStart: number
  #watermark: Watermark
  #ackedSkipping: { at: number; skipping: boolean } | undefined
  readonly #origin: string
  readonly #onSettled: (file: TailFile, bytes: number) => void
  #joined = false

  constructor(init: FileInit) {
    this.path = init.path
    this.openedAs = init.openedAs
    this.fd = init.fd
    this.source = init.source
    this.compressedBytes = init.compressedBytes
    this.device = init.device
    this.inode = init.inode
    this.bornMs = init.bornMs
    this.sinceMs = init.sinceMs
    this.size = init.size
    this.offset = this.#rangeStart = this.startedAt = init.offset
    this.tag = init.tag
    this.writer = init.writer
    this.#origin = init.origin
    this.#onSettled = init.onSettled
    this.#watermark = new Watermark(init.offset)
    this.skipping = init.skipping
    this.#ackedSkipping = { at: init.offset, skipping: init.skipping }
  }

  get key(): string {
    return identityKey(this.device, this.inode)
  }

  get compressed(): boolean {
    return this.compressedBytes !== undefined
  }

  get acked(): number {
    return this.#watermark.position
  }

  /** Something of it is in a chunk that has not settled, or is being put into one. */
  get unsettled(): boolean {
    return this.#joined || this.#watermark.pending > 0 || this.hold !== undefined
  }

  /** It was read up to this offset, and there is no more. */
  isAt(offset: number): boolean {
    return this.offset === offset && this.size === offset
  }

  /** True when the current chunk has to be joined (once per chunk). */
  needsJoin(): boolean {
    if (this.#joined) return false
    this.#joined = true
    return true
  }

  closeRange(): { identity: string; settle: Ack } | undefined {
    this.#joined = false
    const start = this.#rangeStart
    const end = this.hold ?? this.offset
    // Behind an open group nothing is committed; but a chunk with records from there has to settle too.
    const beyond = end < this.offset ? `+${this.offset}` : ''
    if (end === start && beyond === '') return undefined
    this.#rangeStart = end
    const watermark = this.#watermark
    const ticket = watermark.open(start, end)
    const skipping = this.skipping && beyond === ''
    return {
      identity: `${this.#origin}:${this.key}:${this.created}.${this.#generation}:${start}-${end}${beyond}`,
      settle: (outcome) => {
        if (outcome === 'aborted' || !watermark.settle(ticket) || watermark !== this.#watermark) return
        this.#ackedSkipping = { at: end, skipping }
        this.dirty = true
        this.#onSettled(this, end - start)
      },
    }
  }

  /** Whether the acknowledged position is within a line that is being skipped. */
  get ackedSkipping(): boolean {
    return this.#ackedSkipping?.at === this.acked && this.#ackedSkipping.skipping
  }

  /** It was truncated: from here on nothing of before counts. */
  restart(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    this.#generation = second === this.created ? this.#generation + 1 : 0
    this.created = second
    this.offset = this.#rangeStart = 0
    this.skipping = false
    this.#ackedSkipping = { at: 0, skipping: false }
    // A range of before never settles into the positions of after.
    this.#watermark = new Watermark(0)
    this.tailSize = 0
    this.fingerprint = undefined
    this.fingerprintSize = 0
    this.dirty = true
  }

  status(): FileStatus {
    const state = this.rotatedMs === undefined ? this.state : this.deleted ? 'deleted' : 'rotated'
    return {
      path: this.path,
      device: this.device.toString(),
      inode: this.inode.toString(),
      size: this.size,
      read: this.offset,
      acked: this.acked,
      lag: Math.max(0, this.size - this.acked),
      state,
    }
  }
}

export function identityKey(device: bigint, inode: bigint): string {
  return `${device}:${inode}`
}
