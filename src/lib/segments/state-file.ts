import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  close,
  createFile,
  FsFailure,
  fstat,
  isMissing,
  openDirectly,
  openToUpdate,
  readAt,
  syncDataLater,
} from '../fs/file-system.ts'
import { ByteReader, ByteWriter, checksum, MAX_SEGMENT } from './bytes.ts'
import { isFull } from './failure.ts'
import { isInPlace } from './in-place.ts'
import { MAX_NAME_BYTES } from './segment-codec.ts'
import type { OutputState, Position } from './types.ts'
import { writeAll } from './write-all.ts'

/**
 * A file with the state of one output; see segment-codec.ts for the notation.
 *
 * ```
 * file     = slot slot slot            ; at multiples of 65536
 * slot     = "shipout\n" version:u32 size:u32 crc:u32 sequence:whole position known:u32 before:whole own:whole
 *            allTotal:whole ownTotal:whole name:text length:u32 position*
 * position = segment:whole offset:whole
 * ```
 * `before` is the number of records that were written to the log before the position, and `own` that of those for the output; both are 0
 * and unknown when `known` is 0. The totals are those that were on disk when the state was written.
 * The valid slot with the highest sequence number counts. A write takes a slot that is neither the last one known to be on disk
 * nor one that is being synced: whatever a power failure leaves of the others, that one is whole. The checksum covers the
 * slot before and after itself.
 */
const SLOTS = 3
const SLOT_BYTES = 65_536
/** Size up to which the file of a state is read. */
export const STATE_FILE_BYTES = SLOTS * SLOT_BYTES
/** Number of blocks of 512 bytes that a whole file takes. */
const WHOLE_BLOCKS = STATE_FILE_BYTES / 512
const MAGIC = Buffer.from('shipout\n')
const VERSION = 1
const CRC_AT = 16
const FIXED_BYTES = 20
/** Maximum number of open positions in a file. */
export const MAX_OPEN = Math.floor((SLOT_BYTES - FIXED_BYTES - 24 - 36 - 8 - MAX_NAME_BYTES) / 16)
export const STATE_SUFFIX = '.state'

const UNSAFE = /[^A-Za-z0-9._-]/g
const MAX_READABLE = 40

/** Returns the name of the file with the state of an output, whose own name may have any characters. */
export function stateFileName(output: string): string {
  const readable = output.slice(0, MAX_READABLE).replace(UNSAFE, '_')
  return `${readable}.${createHash('sha256').update(output).digest('hex').slice(0, 16)}${STATE_SUFFIX}`
}

/** Returns the state with at most as many open positions as a file has room for: the position is lower instead. */
export function bounded(state: OutputState): OutputState {
  const first = state.open[MAX_OPEN]
  return first === undefined ? state : { position: first, open: state.open.slice(0, MAX_OPEN) }
}

/** What was written to a log before a position. */
export interface Passed {
  /** Number of records. */
  readonly before: number
  /** Number of those for the output. */
  readonly own: number
}

/** What a state says of the log. */
export interface Written {
  /** What was written before the position, if that is known. */
  readonly passed: Passed | undefined
  /** What was on disk when the state was written. */
  readonly total: Passed
}

export function encodeSlot(
  output: string,
  sequence: number,
  state: OutputState,
  { passed, total }: Written,
): Buffer {
  const out = new ByteWriter(128)
  out.at = MAGIC.copy(out.buf)
  out.u32(VERSION)
  out.u32(0)
  out.u32(0)
  out.whole(sequence)
  writePosition(out, state.position)
  out.u32(passed === undefined ? 0 : 1)
  out.whole(passed?.before ?? 0)
  out.whole(passed?.own ?? 0)
  out.whole(total.before)
  out.whole(total.own)
  out.text(output)
  out.u32(state.open.length)
  for (const at of state.open) writePosition(out, at)
  const { buf, at } = out
  buf.writeUInt32LE(at, 12)
  buf.writeUInt32LE(slotChecksum(buf, at), CRC_AT)
  return buf.subarray(0, at)
}

function writePosition(out: ByteWriter, { segment, offset }: Position): void {
  out.whole(segment)
  out.whole(offset)
}

function slotChecksum(buf: Buffer, end: number): number {
  return checksum(buf, FIXED_BYTES, end, checksum(buf, 0, CRC_AT))
}

interface Slot {
  readonly sequence: number
  readonly output: string
  readonly state: OutputState
  readonly written: Written
}

/** Returns what is in a slot, or undefined when it is damaged. */
export function decodeSlot(buf: Buffer): Slot | undefined {
  if (buf.length < FIXED_BYTES || buf.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return undefined
  const size = buf.readUInt32LE(12)
  if (buf.readUInt32LE(8) !== VERSION || size < FIXED_BYTES || size > buf.length) return undefined
  if (buf.readUInt32LE(CRC_AT) !== slotChecksum(buf, size)) return undefined
  const from = new ByteReader(buf, FIXED_BYTES, size)
  const sequence = from.whole()
  const position = readPosition(from)
  const isKnown = from.u32() !== 0
  const counts = { before: from.whole(), own: from.whole() }
  const total = { before: from.whole(), own: from.whole() }
  const output = from.text()
  const length = from.u32()
  const open: Position[] = []
  for (let i = 0; i < length && from.isValid; i++) open.push(readPosition(from))
  const isInRange = position.segment < MAX_SEGMENT && open.every(({ segment }) => segment < MAX_SEGMENT)
  if (!from.isDone || !isInRange) return undefined
  const written = { passed: isKnown ? counts : undefined, total }
  return { sequence, output, state: { position, open }, written }
}

function readPosition(from: ByteReader): Position {
  return { segment: from.whole(), offset: from.whole() }
}

/** What a state file holds: nothing, a state, or damaged slots beside it or alone. */
export interface ReadState {
  output: string | undefined
  state: OutputState | undefined
  written: Written
  isDamaged: boolean
  sequence: number
  slot: number
}

/** What a file without a valid slot says. */
export const NO_STATE: ReadState = {
  output: undefined,
  state: undefined,
  written: { passed: undefined, total: { before: 0, own: 0 } },
  isDamaged: false,
  sequence: 0,
  slot: 0,
}

/** Returns what the slots in the content of a file say. */
export function decodeState(content: Buffer): ReadState {
  const found: ReadState = { ...NO_STATE }
  const empty = Buffer.alloc(SLOT_BYTES)
  for (let i = 0; i < SLOTS; i++) {
    const bytes = content.subarray(i * SLOT_BYTES, (i + 1) * SLOT_BYTES)
    const slot = decodeSlot(bytes)
    if (slot === undefined) found.isDamaged ||= !bytes.equals(empty.subarray(0, bytes.length))
    else if (found.state === undefined || slot.sequence > found.sequence)
      Object.assign(found, slot, { slot: i })
  }
  return found
}

/** Reads a state file. A file that does not exist has no state. */
export function readStateFile(path: string): ReadState | FsFailure {
  const opened = openDirectly(path)
  if (opened instanceof FsFailure) return isMissing(opened) ? decodeState(Buffer.alloc(0)) : opened
  const content = Buffer.alloc(Math.min(Number(opened.stat.size), SLOTS * SLOT_BYTES))
  const failure = readAt(opened.fd, content, 0)
  close(opened.fd)
  return failure instanceof FsFailure ? failure : decodeState(content)
}

/** The state of one output as it is written, and on disk. */
export class StateFile {
  readonly output: string
  /** What was written last, and survives the end of the process. */
  written: OutputState | undefined
  /** What is known to survive a power failure. */
  durable: OutputState | undefined
  /** True when its file was created, and its folder has to be synced. */
  isNew = false
  readonly #path: string
  #fd: number | undefined
  #sequence: number
  /** Slot of `durable`, and that which is being synced. */
  #durableSlot: number
  #syncingSlot = -1
  #writtenSlot: number
  #counts: Written
  #isAllocated = false
  /** True after a failed sync: whether what was written is in the file is not known. */
  #isInDoubt = false

  /** `found`: what the file has now. */
  constructor(folder: string, output: string, found: ReadState | undefined) {
    this.output = output
    this.#path = join(folder, stateFileName(output))
    this.written = found?.state
    this.#counts = found?.written ?? NO_STATE.written
    this.#sequence = found?.sequence ?? 0
    this.#durableSlot = this.#writtenSlot = found?.slot ?? 0
  }

  /** What the file says was on disk. */
  get total(): Passed {
    return this.#counts.total
  }

  get isDurable(): boolean {
    return this.written === this.durable
  }

  /**
   * Takes the space of all slots on the disk, so that a state can be stored when the disk is full: chunks are only settled and deleted
   * then. What is in the file stays.
   */
  allocate(): FsFailure | undefined {
    if (this.#isAllocated) return undefined
    const fd = this.#open()
    if (fd instanceof FsFailure) return fd
    const found = fstat(fd)
    if (found instanceof FsFailure) return found
    if (found.size !== BigInt(STATE_FILE_BYTES) || found.blocks < BigInt(WHOLE_BLOCKS)) {
      const { written } = this
      const used =
        written === undefined ? 0 : encodeSlot(this.output, this.#sequence, written, this.#counts).length
      for (let slot = 0; slot < SLOTS; slot++) {
        const skipped = slot === this.#writtenSlot ? used : 0
        const failure = writeAll(fd, [Buffer.alloc(SLOT_BYTES - skipped)], slot * SLOT_BYTES + skipped)
        if (failure !== undefined) return failure
      }
    }
    this.#isAllocated = true
    return undefined
  }

  /** Writes a state; `counts`: what it says of the log. A failure leaves the one before. */
  write(state: OutputState, counts: Written): FsFailure | undefined {
    const fd = this.#open()
    if (fd instanceof FsFailure) return fd
    const kept = bounded(state)
    // The counts are not those of a lower position.
    const known = kept.position === state.position ? counts : { ...counts, passed: undefined }
    const bytes = encodeSlot(this.output, this.#sequence + 1, kept, known)
    let failure: FsFailure | undefined
    for (const slot of this.#freeSlots()) {
      failure = writeAll(fd, [bytes], slot * SLOT_BYTES)
      if (failure === undefined) {
        this.#sequence++
        this.#writtenSlot = slot
        this.written = kept
        this.#counts = known
        this.#isInDoubt = false
        return undefined
      }
      // Another slot helps only where this one has no space on the disk yet.
      if (!isFull(failure)) break
    }
    return failure
  }

  /** Returns the slots whose content may be lost: that of what was written last comes last. */
  #freeSlots(): number[] {
    const needed = [this.#durableSlot, this.#syncingSlot]
    const slots = Array.from({ length: SLOTS }, (_, i) => i).filter((slot) => !needed.includes(slot))
    return slots.sort((a, b) => Number(a === this.#writtenSlot) - Number(b === this.#writtenSlot))
  }

  /** Waits until what was written is on the disk. */
  async sync(): Promise<FsFailure | undefined> {
    const again = this.#isInDoubt || this.isGone ? this.restore() : undefined
    if (again !== undefined) return again
    const fd = this.#open()
    if (fd instanceof FsFailure) return fd
    const { written } = this
    const slot = this.#writtenSlot
    this.#syncingSlot = slot
    const failure = await syncDataLater(fd)
    this.#syncingSlot = -1
    if (failure !== undefined) {
      this.#isInDoubt = true
      return failure
    }
    this.#durableSlot = slot
    this.durable = written
    return undefined
  }

  /** True when the file that is open was removed, or another one has its name. */
  get isGone(): boolean {
    return this.#fd !== undefined && !isInPlace(this.#fd, this.#path)
  }

  /** Writes again what was written last: what the file has of it is not known, or the file is gone. */
  restore(): FsFailure | undefined {
    if (this.isGone) {
      this.close()
      this.durable = undefined
    }
    if (this.written === undefined) return undefined
    return this.allocate() ?? this.write(this.written, this.#counts)
  }

  close(): void {
    if (this.#fd !== undefined) close(this.#fd)
    this.#fd = undefined
    this.#isAllocated = false
  }

  #open(): number | FsFailure {
    if (this.#fd !== undefined) return this.#fd
    let opened: { fd: number } | FsFailure = openToUpdate(this.#path)
    if (isMissing(opened)) {
      const fd = createFile(this.#path, 0o600)
      opened = fd instanceof FsFailure ? fd : { fd }
      this.isNew = !(fd instanceof FsFailure)
    }
    if (opened instanceof FsFailure) return opened
    this.#fd = opened.fd
    return opened.fd
  }
}
