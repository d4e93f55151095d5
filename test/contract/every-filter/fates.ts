import { expect } from 'bun:test'
import { inspect } from 'node:util'
import { decode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { arrayItems, mapPairs, textHead } from '../../../src/core/msgpack/record.ts'
import { EventTime } from '../../../src/lib/records/event-time.ts'
import { ObjectDecoder } from '../../../src/lib/records/object-decoder.ts'
import { lastOfEach, type RawPair } from '../../support/records/raw-record.ts'
import { type FilterCase, NO_TEXT } from './cases.ts'
import type { ContractRun, SeenEntry } from './run.ts'

const ID = /<id:\d{5}>/g

/** Follows the records of a filter, and checks that each has one fate and keeps what the configuration does not name. */
export class Fates {
  readonly #case: FilterCase
  readonly #came: SeenEntry[] = []
  readonly #left: SeenEntry[] = []

  constructor(filterCase: FilterCase) {
    this.#case = filterCase
  }

  came(entries: readonly SeenEntry[]): void {
    this.#came.push(...entries)
  }

  left(entries: readonly SeenEntry[]): void {
    this.#left.push(...entries)
  }

  /** To be called when everything has settled. */
  check(run: ContractRun): void {
    this.#checkMalformed(run)
    if (this.#case.identity === 'log') this.#checkJoined(run)
    else this.#checkRecords(run)
  }

  /** Entries that are no records. */
  #checkMalformed({ rejected, emitted, rerouted, counters }: ContractRun): void {
    const bytesOf = (entries: readonly SeenEntry[]): string[] =>
      entries.filter(({ pairs }) => pairs === undefined).map(({ bytes }) => bytes)
    const came = bytesOf(this.#came)
    const left = bytesOf(this.#left)
    const given = bytesOf(rejected.map(({ entry }) => entry))
    const { malformed, dropped } = this.#case
    expect(bytesOf([...emitted, ...rerouted])).toEqual([])
    for (const { reason } of rejected)
      expect([reason.code, reason.hint === '']).toEqual(['E_FILTER_FAILED', false])
    if (malformed === 'dropped') expect([left, given]).toEqual([[], []])
    else if (malformed === 'counted') {
      const total = this.#came.length - this.#left.length
      expect(dropped?.(counters) ?? -1).toBe(total)
    } else expect([left, given]).toEqual([came, []])
  }

  #checkRecords(run: ContractRun): void {
    const { identity, fate, rejects, dropped } = this.#case
    const idOf = ({ head, pairs }: SeenEntry): string =>
      identity === 'id'
        ? (pairs?.find(({ key }) => key === 'id')?.value.toString('latin1') ?? 'a record without its id')
        : head
    const records = (entries: readonly SeenEntry[]): SeenEntry[] => entries.filter(({ pairs }) => pairs)
    const came = new Map(records(this.#came).map((entry) => [idOf(entry), entry]))
    const left = records(this.#left)
    const rerouted = records(run.rerouted)
    const given = new Set(run.rejected.filter(({ entry }) => entry.pairs).map(({ entry }) => idOf(entry)))
    const rejectedBytes = run.rejected.map(({ entry }) => entry.bytes)
    expect(records(run.emitted)).toEqual([])
    // In their order, none twice, none that did not come.
    const order = [...came.keys()]
    for (const part of [left, rerouted]) {
      const ids = part.map(idOf)
      const known = new Set(ids)
      if (part === left) expect(ids).toEqual(order.filter((id) => known.has(id)))
      else expect(ids.length).toBe(known.size)
    }
    const isLeft = new Set(left.map(idOf))
    const isRerouted = new Set(rerouted.map(idOf))
    let gone = 0
    for (const [id, entry] of came) {
      if (given.has(id)) {
        expect(rejects).toBe(true)
        expect([isLeft.has(id), isRerouted.has(id)]).toEqual([false, false])
        expect(rejectedBytes).toContain(entry.bytes)
        continue
      }
      const found = isLeft.has(id)
        ? isRerouted.has(id)
          ? 'both'
          : 'out'
        : isRerouted.has(id)
          ? 'rerouted'
          : 'dropped'
      if (
        found === 'dropped' &&
        (dropped !== undefined || (rejects === true && run.counters.get('failed_records', 'drop') > 0))
      )
        gone++
      else expect(`${id} ${found}`).toBe(`${id} ${fate?.(entry.pairs as RawPair[]) ?? 'out'}`)
    }
    if (dropped === undefined && gone > 0)
      expect(gone).toBeLessThanOrEqual(run.counters.get('failed_records', 'drop'))
    for (const entry of [...left, ...rerouted]) this.#checkPairs(came.get(idOf(entry)) as SeenEntry, entry)
  }

  /** Parts of joined records: each text is in one of them. */
  #checkJoined(run: ContractRun): void {
    const idsOf = (entries: readonly SeenEntry[], key: string): string[] =>
      entries.flatMap(({ pairs = [] }) =>
        pairs
          .filter((pair) => pair.key === key)
          .flatMap(({ value }) => value.toString('latin1').match(ID) ?? []),
      )
    const after = [...this.#left, ...run.emitted]
    const ids = idsOf(after, 'log')
    const wanted = idsOf(this.#came, 'log')
    if (this.#case.isHeld === true) expect(ids.filter((id) => !wanted.includes(id))).toEqual([])
    else expect(ids.sort()).toEqual(wanted.sort())
    expect(new Set(ids).size).toBe(ids.length)
    const came = new Map(this.#came.map((entry) => [idsOf([entry], 'id')[0], entry]))
    const times = new Set(this.#came.map(({ head }) => partsOf(head).time))
    for (const entry of after) {
      if (entry.pairs === undefined) continue
      const first = came.get(idsOf([entry], 'id')[0]) as SeenEntry
      // The time is that of the first or the last part.
      const { time, metadata } = partsOf(entry.head)
      expect([times.has(time), metadata]).toEqual([true, partsOf(first.head).metadata])
      this.#checkPairs(first, entry)
    }
  }

  #isNamed({ key, value }: RawPair): boolean {
    const { keys, changedValues } = this.#case
    if (changedValues?.test(value.toString('latin1')) === true) return true
    if (key === undefined || key.startsWith(NO_TEXT)) return keys.includes(NO_TEXT)
    return keys.some((name) => (name.endsWith('*') ? key.startsWith(name.slice(0, -1)) : key === name))
  }

  /** Pairs that the configuration does not name are what they were; none of the others is there more often than before. */
  #checkPairs(before: SeenEntry, after: SeenEntry): void {
    const { discards, merges, gains, reorders } = this.#case
    const [old, now] = [before.pairs ?? [], after.pairs ?? []]
    const isSame = before.bytes === after.bytes
    const form =
      isSame || reorders === undefined || reorders === 'pairs'
        ? hexOf
        : reorders === 'keys'
          ? withTextKey
          : objectForm(old)
    const others = (pairs: readonly RawPair[]): string[] =>
      (merges === true ? lastOfEach(pairs.map(keyed)) : pairs)
        .filter((pair) => !this.#isNamed(pair))
        .map(form)
    let wanted = others(old)
    let found = others(now)
    if (reorders !== undefined) [wanted, found] = [wanted.sort(), found.sort()]
    if (discards === true) {
      const kept = new Set(found)
      wanted = wanted.filter((pair) => kept.has(pair))
    }
    if (reorders === 'object') [wanted, found] = [[...new Set(wanted)], [...new Set(found)]]
    if (gains === true) {
      const came = new Set(this.#came.flatMap(({ pairs = [] }) => pairs.map(hexOf)))
      expect(found.splice(wanted.length).filter((pair) => !came.has(pair))).toEqual([])
    }
    expect(found).toEqual(wanted)
    const counts = countsOf(old)
    for (const [key, count] of countsOf(now)) {
      if (key.startsWith('no text') && this.#case.keys.includes(NO_TEXT)) continue
      if (count > Math.max(1, counts.get(key) ?? 0))
        throw new Error(`the key ${key} is there ${count} times, and was ${counts.get(key) ?? 0} times`)
    }
  }
}

/** Returns time and metadata of a head of an entry. A joined record has its time in the usual form. */
function partsOf(head: string): { time: string; metadata: string } {
  const buf = Buffer.from(head, 'hex')
  const at = head.startsWith('9292') ? 2 : 1
  const end = buf.length > at ? skip(buf, at, buf.length) : at
  const time = new EventTime()
  time.read(buf, 0)
  return { time: `${time.sec}.${time.nsec}`, metadata: buf.toString('hex', end) }
}

/** Gives a key that is no text one of its own, by which it is compared. */
const keyed = ({ key, keyBytes, value }: RawPair): RawPair => ({
  key: key ?? `${NO_TEXT}${keyBytes.toString('hex')}`,
  keyBytes,
  value,
})

function textKey(keyBytes: Buffer): string {
  const head = textHead(keyBytes, 0)
  return head < 0 ? String(decode(keyBytes)) : keyBytes.toString('utf8', head)
}

const withTextKey = ({ keyBytes, value }: RawPair): string => `${textKey(keyBytes)} ${value.toString('hex')}`

const decoder = new ObjectDecoder()

/** Returns what a list or map means to a script; bytes that are no UTF-8 in it may be written anew. */
function meaningOf(value: Buffer): string {
  decoder.open(value)
  return inspect(decoder.decodeAt(0), { depth: 300, sorted: true })
}

/**
 * Returns a form for the pairs of a record that was an object in between: values keep their bytes, lists and maps their meaning. Under a
 * key that is there twice, that is a number or no UTF-8, and in a record with keys that an object moves, values may be written anew.
 */
function objectForm(pairs: readonly RawPair[]): (pair: RawPair) => string {
  const texts = pairs.map(({ keyBytes }) => textKey(keyBytes))
  const numbers = new Set(texts.filter((_, i) => textHead(pairs[i]?.keyBytes as Buffer, 0) < 0))
  const isMoved = texts.some((text) => /^\d+$/.test(text))
  return ({ keyBytes, value }) => {
    const text = textKey(keyBytes)
    if (
      isMoved ||
      numbers.has(text) ||
      text.includes('\ufffd') ||
      texts.indexOf(text) !== texts.lastIndexOf(text)
    )
      return text
    const isContainer = mapPairs(value, 0) >= 0 || arrayItems(value, 0) >= 0
    return `${text} ${isContainer ? meaningOf(value) : value.toString('hex')}`
  }
}

const hexOf = ({ keyBytes, value }: RawPair): string => `${keyBytes.toString('hex')} ${value.toString('hex')}`

function countsOf(pairs: readonly RawPair[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { key, keyBytes } of pairs) {
    const name = key ?? `no text: ${keyBytes.toString('hex')}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
