import type { BatchInfo } from '../http-output/api.ts'
import type { Failed } from '../http-output/failed.ts'
import { Verdicts } from '../http-output/verdicts.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Limits of the service for the time of an event. */
const MAX_AHEAD_MS = 2 * HOUR_MS
const MAX_AGE_MS = 14 * DAY_MS
/** Shortest retention that a log group may have. */
const MIN_RETENTION_MS = DAY_MS
/** Tolerated difference of two clocks. */
const CLOCK_MS = 600_000

interface RejectedInfo {
  tooNewLogEventStartIndex?: unknown
  tooOldLogEventEndIndex?: unknown
  expiredLogEventEndIndex?: unknown
}

interface RejectedContext {
  /** Times of the records of the batch, in milliseconds, and the number of the record of each event; undefined: the same. */
  readonly times: Float64Array
  readonly order: Uint32Array | undefined
  readonly nowMs: number
  /** Why events wait when the clock of the machine is wrong. */
  readonly wrongClock: Failed
}

/**
 * Returns the fate of each record by `rejectedLogEventsInfo` of an answer, whose indexes are those of the events as they were sent:
 *
 * ```
 *   0 .. expiredLogEventEndIndex, 0 .. tooOldLogEventEndIndex, tooNewLogEventStartIndex ..      the ends are exclusive
 * ```
 * An event that is too old or too new is refused for good when it is so by the clock of this machine, too. Otherwise the two clocks
 * differ, and every record would be refused: those wait until the clock is right. Throws when the answer is inconsistent.
 */
export function rejectedVerdicts(
  { records }: Pick<BatchInfo, 'records'>,
  info: RejectedInfo,
  { times, order, nowMs, wrongClock }: RejectedContext,
): Verdicts {
  const expired = indexIn(info, 'expiredLogEventEndIndex', records) ?? 0
  const old = indexIn(info, 'tooOldLogEventEndIndex', records) ?? 0
  const tooNew = indexIn(info, 'tooNewLogEventStartIndex', records) ?? records
  const verdicts = new Verdicts(records)
  for (let i = 0; i < records; i++) {
    if (i >= old && i >= expired && i < tooNew) continue
    const record = order === undefined ? i : (order[i] as number)
    const time = times[record] as number
    const text = new Date(time).toISOString()
    const aheadMs = time - nowMs
    if (i >= tooNew) {
      if (aheadMs > MAX_AHEAD_MS - CLOCK_MS)
        verdicts.refuse(
          record,
          `tooNewLogEventStartIndex ${tooNew}: its time ${text} is more than 2 hours in the future`,
        )
      else verdicts.again(record, wrongClock)
    } else if (-aheadMs < (i < old ? MAX_AGE_MS : MIN_RETENTION_MS) - CLOCK_MS)
      verdicts.again(record, wrongClock)
    else if (i < old)
      verdicts.refuse(record, `tooOldLogEventEndIndex ${old}: its time ${text} is more than 14 days ago`)
    else
      verdicts.refuse(
        record,
        `expiredLogEventEndIndex ${expired}: its time ${text} is before the retention of the log group`,
      )
  }
  return verdicts
}

function indexIn(info: RejectedInfo, name: keyof RejectedInfo, records: number): number | undefined {
  const index = info[name]
  if (index === undefined || index === null) return undefined
  if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index <= records) return index
  throw new Error(`${name} is not an index of its ${records} events`)
}
