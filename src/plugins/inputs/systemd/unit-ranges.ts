import type { Ack, Contributor } from '../../../core/plugin.ts'
import type { ExportScanner } from '../../../protocol/journal/export-scanner.ts'
import {
  FIELD,
  HASH,
  hashName,
  NAME,
  NAME_END,
  VALUE,
  VALUE_END,
} from '../../../protocol/journal/field-names.ts'
import type { Position, Range } from './position.ts'

const UNIT = '_SYSTEMD_UNIT'
const UNIT_BYTES = Buffer.from(UNIT)
/** As in fluent-bit. */
const UNKNOWN = Buffer.from('unknown')
/** Tags that are known at once: one that holds nothing is forgotten when there are more (a unit for each session). */
const KEPT = 2048

/** The entries of one tag that go into its current chunk. */
class Portion implements Contributor {
  readonly tag: string
  readonly unit: Buffer
  /** Of those whose units have the same hash. */
  next: Portion | undefined
  #range: Range | undefined
  #first = ''
  #count = 0
  #times = 0
  readonly #position: Position
  readonly #source: string

  /** `source` tells this journal from that of other agents. */
  constructor(tag: string, unit: Buffer, position: Position, source: string) {
    this.tag = tag
    this.unit = unit
    this.#position = position
    this.#source = source
  }

  /** Nothing of it is in a chunk that is not sealed. */
  get idle(): boolean {
    return this.#range === undefined
  }

  /** Its chunk begins: with the entry `first`, behind the entry `before`. */
  begin(first: string, before: string | undefined): void {
    this.#range = this.#position.open(before)
    this.#first = first
    this.#count = this.#times = 0
  }

  add(us: number): void {
    this.#count++
    this.#times = Math.imul(this.#times ^ (us % 0x7fffffff), 16_777_619)
  }

  closeRange(): { identity: string; settle: Ack } | undefined {
    const range = this.#range
    if (range === undefined) return undefined
    this.#range = undefined
    return {
      identity: `${this.#source}:${this.#first}:${this.#count}:${this.#times}`,
      settle: (outcome) => this.#position.settle(range, outcome),
    }
  }
}

/** The portion of each tag; with `*` in the tag there is one for each unit. No string is made for a unit that is known. */
export class Portions {
  readonly #tag: string
  readonly #position: Position
  readonly #source: string
  readonly #dynamic: boolean
  readonly #hash: number
  readonly #stripped: number
  readonly #byHash = new Map<number, Portion>()
  #last: Portion | undefined
  #size = 0

  constructor(tag: string, stripUnderscore: boolean, position: Position, source: string) {
    this.#tag = tag
    this.#position = position
    this.#source = source
    this.#dynamic = tag.includes('*')
    this.#stripped = stripUnderscore ? 1 : 0
    this.#hash = hashName(UNIT.slice(this.#stripped))
  }

  /** The portion that the entry goes to. */
  of(scan: ExportScanner): Portion {
    if (!this.#dynamic) {
      this.#last ??= new Portion(this.#tag, UNKNOWN, this.#position, this.#source)
      return this.#last
    }
    const field = this.#field(scan)
    if (field < 0) return this.#find(UNKNOWN, 0, UNKNOWN.length)
    return this.#find(
      scan.buf,
      scan.fields[field + VALUE] as number,
      scan.fields[field + VALUE_END] as number,
    )
  }

  #field(scan: ExportScanner): number {
    const { buf, fields, count } = scan
    const length = UNIT.length - this.#stripped
    for (let at = 0; at < count * FIELD; at += FIELD) {
      const name = fields[at + NAME] as number
      if (fields[at + HASH] !== this.#hash || (fields[at + NAME_END] as number) - name !== length) continue
      const from = name - this.#stripped
      if (buf.compare(UNIT_BYTES, 0, UNIT.length, from, from + UNIT.length) === 0) return at
    }
    return -1
  }

  #find(buf: Buffer, start: number, end: number): Portion {
    if (this.#last !== undefined && isUnit(this.#last, buf, start, end)) return this.#last
    let hash = 0
    for (let p = start; p < end; p++) hash = (Math.imul(hash, 31) + (buf[p] as number)) | 0
    let portion = this.#byHash.get(hash)
    while (portion !== undefined && !isUnit(portion, buf, start, end)) portion = portion.next
    portion ??= this.#make(Buffer.from(buf.subarray(start, end)), hash)
    this.#last = portion
    return portion
  }

  #make(unit: Buffer, hash: number): Portion {
    if (this.#size >= KEPT) this.#forgetIdle()
    const tag = this.#tag.replace('*', () => unit.toString())
    const portion = new Portion(tag, unit, this.#position, this.#source)
    portion.next = this.#byHash.get(hash)
    this.#byHash.set(hash, portion)
    this.#size++
    return portion
  }

  #forgetIdle(): void {
    for (const [hash, first] of this.#byHash) {
      let all = true
      for (let p: Portion | undefined = first; p !== undefined; p = p.next) all &&= p.idle
      if (all) this.#byHash.delete(hash)
    }
    this.#size = this.#byHash.size
  }
}

function isUnit(portion: Portion, buf: Buffer, start: number, end: number): boolean {
  const { unit } = portion
  return unit.length === end - start && buf.compare(unit, 0, unit.length, start, end) === 0
}
