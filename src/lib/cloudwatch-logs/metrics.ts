import { skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import type { EventTime } from '../records/event-time.ts'
import { PrefixTable } from '../records/key-table.ts'

/** Beginnings of the fields of the inputs cpu and mem that are metrics. */
const METRICS = new PrefixTable(
  [
    ...['cpu_', 'user_p', 'system_p'],
    ...['Mem.total', 'Mem.used', 'Mem.free', 'Swap.total', 'Swap.used', 'Swap.free'],
  ].map((name) => Buffer.from(name)),
)

/** Returns the unit of the metrics of an input; undefined for inputs of which none are made. */
export function metricUnitOf(input: string): string | undefined {
  if (/^cpu\b/.test(input)) return 'Percent'
  return /^mem\b/.test(input) ? 'Kilobytes' : undefined
}

/**
 * Writes records of the inputs cpu and mem in the Embedded Metric Format, from which the service makes metrics:
 *
 * ```
 *   {"_aws":{"Timestamp":..,"CloudWatchMetrics":[{"Namespace":"..","Dimensions":[[".."]],"Metrics":[{"Name":"..","Unit":".."}]}]}, pairs}
 * ```
 */
export class EmbeddedMetrics {
  readonly #namespace: string
  readonly #dimensions: string

  constructor(namespace: string, dimensions: string | undefined) {
    const sets = (dimensions ?? '').split(';').map((set) =>
      set
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
    )
    this.#namespace = JSON.stringify(namespace)
    this.#dimensions = JSON.stringify(sets.filter((names) => names.length > 0))
  }

  write(out: JsonText, buf: Buffer, map: number, { sec }: EventTime, unit: string): void {
    out.byte(0x7b)
    const start = out.at
    out.raw(`"_aws":{"Timestamp":${sec * 1000},"CloudWatchMetrics":[{"Namespace":`)
    out.raw(`${this.#namespace},"Dimensions":${this.#dimensions},"Metrics":[`)
    let isFirst = true
    let at = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const head = textHead(buf, at)
      if (head > 0 && METRICS.matches(buf, at + head, textLength(buf, at))) {
        out.raw(isFirst ? '{"Name":' : ',{"Name":')
        isFirst = false
        out.value(buf, at)
        out.raw(`,"Unit":"${unit}"}`)
      }
      at = skip(buf, skip(buf, at, buf.length), buf.length)
    }
    out.raw(']}]}')
    out.pairsAfter(buf, map, [start])
    out.byte(0x7d)
  }
}
