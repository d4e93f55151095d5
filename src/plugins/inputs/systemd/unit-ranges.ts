import type { Places } from '../../../core/places.ts'
import type { Ack, Contributor } from '../../../core/plugin.ts'
import {
  FIELD_STRIDE,
  HASH,
  hashName,
  NAME,
  NAME_END,
  VALUE,
  VALUE_END,
} from '../../../protocol/journal/export-fields.ts'
import type { ExportScanner } from '../../../protocol/journal/export-scanner.ts'
import type { CursorTracker, EntryRange } from './cursor-tracker.ts'
import { EntryPlaces } from './entry-places.ts'

const UNIT = '_SYSTEMD_UNIT'
const UNIT_BYTES = Buffer.from(UNIT)
/** Stands for the unit of entries without one, as in fluent-bit. */
const UNKNOWN = Buffer.from('unknown')
/** Maximum length of a unit's name; systemd's own limit. */
const MAX_UNIT_BYTES = 255
/** Units in the cache; above this, those without entries in an open chunk are removed (each login session is a unit). */
const MAX_CACHED_UNITS = 2048

/** Distinguishes a journal from those of other agents: the id of the agent, and `Path` or an empty text. */
interface JournalOrigin {
  readonly agent: string
  readonly path: string
}

/** The entries of one unit that are in the open chunk of its tag. */
class UnitRange implements Contributor {
  readonly tag: string
  readonly unit: Buffer
  /** Next range in the hash chain. */
  next: UnitRange | undefined
  #range: EntryRange | undefined
  #firstCursor = ''
  #count = 0
  #timeHash = 0
  readonly #tracker: CursorTracker
  readonly #origin: JournalOrigin
  /** Undefined while no places are wanted. */
  #places: EntryPlaces | undefined

  constructor(tag: string, unit: Buffer, tracker: CursorTracker, origin: JournalOrigin) {
    this.tag = tag
    this.unit = unit
    this.#tracker = tracker
    this.#origin = origin
  }

  /** True when no entry of the unit is in an open chunk. */
  get isIdle(): boolean {
    return this.#range === undefined
  }

  /** Begins a chunk whose first entry is `firstCursor`, the one after `cursorBefore`. */
  begin(firstCursor: string, cursorBefore: string | undefined): void {
    this.#range = this.#tracker.openRange(cursorBefore)
    this.#firstCursor = firstCursor
    this.#count = this.#timeHash = 0
  }

  /** Adds an entry with this time. */
  add(realtimeUs: number): void {
    this.#count++
    this.#timeHash = Math.imul(this.#timeHash ^ (realtimeUs % 0x7fffffff), 16_777_619)
  }

  /** Adds the place of the scanned entry. */
  addPlace(places: Places, { buf, cursorStart, cursorEnd }: ExportScanner): void {
    this.#places ??= new EntryPlaces(this.#origin.agent, this.tag)
    this.#places.add(places, buf, cursorStart, cursorEnd)
  }

  closeRange(): { identity: string; settle: Ack } | undefined {
    const { agent, path } = this.#origin
    const range = this.#range
    if (range === undefined) return undefined
    this.#range = undefined
    return {
      identity: `${agent}:journal:${path}:${this.#firstCursor}:${this.#count}:${this.#timeHash}`,
      settle: (outcome) => this.#tracker.settle(range, outcome),
    }
  }
}

/** The ranges of all units; a single one when the tag has no `*`. Creates no string for a cached unit. */
export class UnitRanges {
  readonly #tag: string
  readonly #tracker: CursorTracker
  readonly #origin: JournalOrigin
  readonly #isPerUnit: boolean
  readonly #nameHash: number
  readonly #strippedBytes: number
  readonly #byHash = new Map<number, UnitRange>()
  #last: UnitRange | undefined
  #size = 0
  #maxSize = MAX_CACHED_UNITS

  constructor(tag: string, stripUnderscore: boolean, tracker: CursorTracker, origin: JournalOrigin) {
    this.#tag = tag
    this.#tracker = tracker
    this.#origin = origin
    this.#isPerUnit = tag.includes('*')
    this.#strippedBytes = stripUnderscore ? 1 : 0
    this.#nameHash = hashName(UNIT.slice(this.#strippedBytes))
  }

  /** Returns the range that the scanned entry belongs to. */
  forEntry(scan: ExportScanner): UnitRange {
    if (!this.#isPerUnit) {
      this.#last ??= new UnitRange(this.#tag, UNKNOWN, this.#tracker, this.#origin)
      return this.#last
    }
    const field = this.#unitField(scan)
    if (field < 0) return this.#find(UNKNOWN, 0, UNKNOWN.length)
    const start = scan.fields[field + VALUE] as number
    const end = scan.fields[field + VALUE_END] as number
    if (end - start > MAX_UNIT_BYTES) return this.#find(UNKNOWN, 0, UNKNOWN.length)
    return this.#find(scan.buf, start, end)
  }

  /** Returns the offset of the unit's field in `fields`; -1 when the entry has none. */
  #unitField(scan: ExportScanner): number {
    const { buf, fields, fieldCount } = scan
    const length = UNIT.length - this.#strippedBytes
    for (let at = 0; at < fieldCount * FIELD_STRIDE; at += FIELD_STRIDE) {
      const name = fields[at + NAME] as number
      if (fields[at + HASH] !== this.#nameHash || (fields[at + NAME_END] as number) - name !== length)
        continue
      const from = name - this.#strippedBytes
      if (buf.compare(UNIT_BYTES, 0, UNIT.length, from, from + UNIT.length) === 0) return at
    }
    return -1
  }

  #find(buf: Buffer, start: number, end: number): UnitRange {
    if (this.#last !== undefined && isUnit(this.#last, buf, start, end)) return this.#last
    let hash = 0
    for (let p = start; p < end; p++) hash = (Math.imul(hash, 31) + (buf[p] as number)) | 0
    let range = this.#byHash.get(hash)
    while (range !== undefined && !isUnit(range, buf, start, end)) range = range.next
    range ??= this.#create(Buffer.from(buf.subarray(start, end)), hash)
    this.#last = range
    return range
  }

  #create(unit: Buffer, hash: number): UnitRange {
    if (this.#size >= this.#maxSize) this.#removeIdle()
    const name = isUnitName(unit) ? unit : UNKNOWN
    const tag = this.#tag.replace('*', () => name.toString())
    const range = new UnitRange(tag, unit, this.#tracker, this.#origin)
    range.next = this.#byHash.get(hash)
    this.#byHash.set(hash, range)
    this.#size++
    return range
  }

  #removeIdle(): void {
    for (const [hash, first] of this.#byHash) {
      let allIdle = true
      for (let r: UnitRange | undefined = first; r !== undefined; r = r.next) allIdle &&= r.isIdle
      if (allIdle) this.#byHash.delete(hash)
    }
    this.#size = this.#byHash.size
    // With many units in open chunks, not at every new one.
    this.#maxSize = Math.max(MAX_CACHED_UNITS, this.#size * 2)
  }
}

/**
 * Returns true for printable ASCII, of which all names of units consist: systemd escapes the rest. A journal of another
 * machine may have anything in this field, and a tag goes into log lines, file names and topics.
 */
function isUnitName(unit: Buffer): boolean {
  return unit.length > 0 && unit.every((c) => c > 0x20 && c < 0x7f)
}

function isUnit({ unit }: UnitRange, buf: Buffer, start: number, end: number): boolean {
  return unit.length === end - start && buf.compare(unit, 0, unit.length, start, end) === 0
}
