import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { OutputContext } from '../../../core/plugin.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { JsonLines } from '../../../lib/records/json-lines.ts'
import { dateKeyOf } from '../../../lib/records/json-records.ts'
import { JSON_DATE_FORMS } from '../../../lib/records/json-time.ts'

interface Options {
  jsonDateKey: string
  jsonDateFormat: keyof typeof JSON_DATE_FORMS
  logKey: string | undefined
}

/** Consecutive records of a chunk: entries `[start, end)` of its buffer, the records `[from, to)`. */
export interface Run<P> {
  place: P
  from: number
  to: number
  start: number
  end: number
}

/** Writes records as the lines of an object. */
export class ObjectText {
  readonly #text = new JsonText()
  readonly #lines: JsonLines
  readonly #logKey: Buffer | undefined
  readonly #reject: OutputContext['reject']
  readonly #entry = new Entry()

  constructor(options: Options, ctx: Pick<OutputContext, 'counters' | 'reject'>) {
    const { logKey, jsonDateFormat } = options
    const key = dateKeyOf(options)
    this.#lines = new JsonLines(
      {
        ...(key !== undefined && { time: JSON_DATE_FORMS[jsonDateFormat] }),
        pairs: key === undefined ? [] : [{ key, value: 'time' }],
        suffix: '\n',
      },
      ctx.counters,
    )
    this.#logKey = logKey === undefined ? undefined : Buffer.from(logKey)
    this.#reject = (chunk, start, end, reason) => ctx.reject(chunk, start, end, reason)
  }

  /** Unix time of the first record of a chunk in seconds. */
  firstSecond(chunk: Chunk): number {
    this.#entry.read(chunk, chunk.start)
    return this.#entry.time.sec
  }

  /** Returns the text of each run, valid until the next call. Throws what `reject` throws, before anything is used. */
  write<P>(chunk: Chunk, runs: readonly Run<P>[]): Buffer[] {
    this.#text.reset()
    const ends: number[] = []
    for (const run of runs) {
      this.#append(chunk, run)
      ends.push(this.#text.at)
    }
    const bytes = this.#text.bytes()
    return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
  }

  #append(chunk: Chunk, { start, end, from, to }: Run<unknown>): void {
    if (this.#logKey !== undefined) this.#appendValues(chunk, start, end, this.#logKey)
    else this.#lines.append(this.#text, chunk, start, { maxRecords: to - from })
  }

  #appendValues(chunk: Chunk, start: number, end: number, key: Buffer): void {
    const entry = this.#entry
    for (let at = start; at < end; at = entry.end) {
      entry.read(chunk, at, key)
      if (entry.value < 0) {
        const message = `a record has no field ${key.toString()}, which Log_Key names`
        const hint = 'correct Log_Key, or leave it out to upload whole records'
        this.#reject(chunk, at, entry.end, new ShipperError('E_OUTPUT_REJECTED', message, { hint }))
        continue
      }
      this.#text.plain(chunk.buf, entry.value)
      this.#text.byte(0x0a)
    }
  }

  /** Splits a chunk where the place of its records changes; `places` has one for each record, or is undefined for one run. */
  runsOf<P>(chunk: Chunk, places: readonly (P | undefined)[] | undefined): Run<P | undefined>[] {
    const { start, end, count } = chunk
    if (places === undefined) return [{ place: undefined, from: 0, to: count, start, end }]
    const runs: Run<P | undefined>[] = []
    const entry = this.#entry
    for (let at = start, i = 0; at < end; at = entry.end, i++) {
      entry.read(chunk, at)
      const last = runs.at(-1)
      if (last !== undefined && last.place === places[i]) {
        last.to = i + 1
        last.end = entry.end
      } else runs.push({ place: places[i], from: i, to: i + 1, start: at, end: entry.end })
    }
    return runs
  }
}
