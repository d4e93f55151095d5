import type { BatchInfo, Judgement } from '../../../lib/http-output/api.ts'
import { Verdicts } from '../../../lib/http-output/verdicts.ts'
import type { LokiEncoder } from './encoder.ts'
import { type RefusedStream, readRefusal, type StreamRules } from './refusal.ts'

/**
 * Returns the fates of the records that an answer with status 400 is about; undefined when it names none of them, so that halves have to
 * be sent.
 *
 * An ingester describes the last stream of a request only, and a distributor says nothing about entries beside those that it leaves out:
 * what is not named may have been refused, too. It is sent again until Loki takes all of it; an entry with the same time and line is kept
 * once. The exception is a stream of which the answer accounts for every entry of the request:
 *
 * ```
 *   named: refused        total = all of them: the others are refused as well        total = those named: the others are stored
 * ```
 */
export function findRefused(text: string, batch: BatchInfo, encoder: LokiEncoder): Judgement | undefined {
  const refusal = readRefusal(text)
  if (refusal === undefined) return undefined
  const verdicts = new Verdicts(batch.records)
  const streams = new Map([...refusal.streams].map(([labels, stream]) => [labels, new NamedStream(stream)]))
  let index = 0
  const sink = {
    add(labels: string, sec: number, nsec: number, _: Buffer, start: number, end: number): void {
      const ns = BigInt(sec) * 1_000_000_000n + BigInt(nsec)
      const stream = streams.get(labels)
      if (stream !== undefined) stream.count++
      const rule = ruleFor(refusal.rules.get(labels), ns, end - start)
      if (rule !== undefined) verdicts.refuse(index, `400 ${rule}`)
      else if (stream === undefined) verdicts.next(index)
      else stream.add(index, ns)
      index++
    },
  }
  for (const range of batch.ranges) encoder.describe(range, sink)
  for (const stream of streams.values()) stream.judge(verdicts)
  return verdicts.refusedCount > 0 ? { kind: 'records', verdicts } : undefined
}

/** Returns why an entry is refused by a rule for its stream of which the answer tells the limit. */
function ruleFor(rules: StreamRules | undefined, ns: bigint, lineBytes: number): string | undefined {
  const { maxLineBytes, oldest } = rules ?? {}
  if (maxLineBytes !== undefined && lineBytes > maxLineBytes.bytes) return maxLineBytes.reason
  return oldest !== undefined && ns < oldest.ns ? oldest.reason : undefined
}

/** The records of a request that are in a stream that an answer describes. */
class NamedStream {
  /** Number of all records of the request in it. */
  count = 0
  readonly #stream: RefusedStream
  readonly #atNamedTimes = new Map<bigint, number[]>()
  readonly #others: number[] = []

  constructor(stream: RefusedStream) {
    this.#stream = stream
  }

  add(index: number, ns: bigint): void {
    if (!this.#stream.entries.has(ns)) {
      this.#others.push(index)
      return
    }
    const indexes = this.#atNamedTimes.get(ns)
    if (indexes === undefined) this.#atNamedTimes.set(ns, [index])
    else indexes.push(index)
  }

  judge(verdicts: Verdicts): void {
    const { entries, total, of } = this.#stream
    const others = this.#others
    let named = 0
    for (const [ns, indexes] of this.#atNamedTimes) {
      const { reason = '', count = 0 } = entries.get(ns) ?? {}
      // Of several with the same time it is not known which ones are meant, unless it is all of them.
      if (indexes.length > count) others.push(...indexes)
      else for (const index of indexes) verdicts.refuse(index, `400 ${reason}`)
      if (indexes.length <= count) named += indexes.length
    }
    const isWhole = of === this.count
    if (isWhole && total === named) return
    const [first] = entries.values()
    const reason = isWhole && total === this.count ? first?.reason : undefined
    for (const index of others)
      if (reason === undefined) verdicts.next(index)
      else verdicts.refuse(index, `400 ${reason}`)
  }
}
