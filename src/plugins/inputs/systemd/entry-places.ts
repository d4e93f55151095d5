import { EXTENTS, type Places } from '../../../core/places.ts'
import { addNamedPlace, placeSource } from '../../../lib/plugin/entry-places.ts'
import { newRunId } from '../../../lib/plugin/run-id.ts'
import { bootOffset, seqnumAt } from './cursor.ts'

/** Digits of the id of a sequence, and of a boot. */
const ID_DIGITS = 32
/** Offset of the first in a cursor: after `s=`. */
const SEQUENCE_OFFSET = 2

/**
 * Adds the places of the entries of one tag, from their cursors:
 *
 * ```
 *   source   agent, tag, id of the sequence, boot
 *   offset   number in the sequence
 *   extent   hash of the times and the fields: a machine that goes on from a snapshot of its memory gives numbers a second time
 * ```
 * Not by times and fields alone, although a copy of the entry in another file has them as well: journald gives lines that it has
 * read at once the same time, so that equal lines differ by their numbers only.
 */
export class EntryPlaces {
  readonly #agent: string
  readonly #tag: string
  /** Sequence and boot of the last entry, as in its cursor. */
  readonly #last = Buffer.alloc(2 * ID_DIGITS)
  #source = ''
  #unnamed = 0
  #runId: string | undefined

  constructor(agent: string, tag: string) {
    this.#agent = agent
    this.#tag = tag
  }

  /** Adds the place of the entry with the cursor buf[start, end). */
  add(places: Places, buf: Buffer, start: number, end: number): void {
    const sequence = start + SEQUENCE_OFFSET
    const boot = bootOffset(buf, start)
    const rest = boot + ID_DIGITS
    if (rest >= end) {
      this.#addUnnamed(places)
      return
    }
    const last = this.#last
    if (
      this.#source === '' ||
      last.compare(buf, sequence, sequence + ID_DIGITS, 0, ID_DIGITS) !== 0 ||
      last.compare(buf, boot, rest, ID_DIGITS) !== 0
    ) {
      buf.copy(last, 0, sequence, sequence + ID_DIGITS)
      buf.copy(last, ID_DIGITS, boot, rest)
      this.#source = placeSource('journal', this.#agent, this.#tag, last.toString('latin1'))
    }
    const source = places.sourceIndex(this.#source)
    const number = seqnumAt(buf, start)
    if (Number.isSafeInteger(number)) places.add(source, number, 0, hashOf(buf, rest, end))
    else addNamedPlace(places, source, buf.toString('latin1', start, end))
  }

  /** Adds a place for an entry without a cursor, which journalctl has not shown so far. */
  #addUnnamed(places: Places): void {
    this.#runId ??= newRunId()
    const source = placeSource('journal', this.#agent, this.#tag)
    addNamedPlace(places, places.sourceIndex(source), `${this.#runId} ${this.#unnamed++}`)
  }
}

/** Returns 24 bits of the FNV-1a hash. */
function hashOf(buf: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (buf[i] as number), 0x01000193)
  return ((hash >>> 24) ^ hash) & (EXTENTS - 1)
}
