import type { StoreAnswer } from './answer.ts'
import { fault, good, jsonOf, operationOf } from './aws-json.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

export interface CloudwatchEvent {
  timestamp: number
  message: string
}

interface Put {
  logGroupName: string
  logStreamName: string
  logEvents: CloudwatchEvent[]
}

const DAY_MS = 86_400_000
const MAX_EVENTS = 10_000
const MAX_BYTES = 1_048_576
const EVENT_OVERHEAD = 26
const TOO_NEW_MS = 2 * 3_600_000

/** CloudWatch Logs: groups and streams must be created first; limits of a batch are checked as the service checks them. */
export class CloudwatchApi implements StoreApi {
  /** Events by `GROUP STREAM`. */
  readonly streams = new Map<string, CloudwatchEvent[]>()
  readonly groups = new Map<string, { retentionInDays?: number }>()

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    const body = jsonOf<Put & { retentionInDays: number }>(request)
    const { logGroupName: group, logStreamName: stream } = body
    switch (operationOf(request, 'Logs_20140328')) {
      case 'CreateLogGroup':
        if (this.groups.has(group)) return fault(400, 'ResourceAlreadyExistsException')
        this.groups.set(group, {})
        return good({})
      case 'PutRetentionPolicy':
        if (!this.groups.has(group))
          return fault(400, 'ResourceNotFoundException', 'The specified log group does not exist.')
        this.groups.set(group, { retentionInDays: body.retentionInDays })
        return good({})
      case 'CreateLogStream':
        if (!this.groups.has(group))
          return fault(400, 'ResourceNotFoundException', 'The specified log group does not exist.')
        if (this.streams.has(`${group} ${stream}`)) return fault(400, 'ResourceAlreadyExistsException')
        this.streams.set(`${group} ${stream}`, [])
        return good({})
      case 'PutLogEvents':
        return this.#put(body, store)
      default:
        return fault(400, 'UnknownOperationException')
    }
  }

  error(status: number): StoreAnswer {
    if (status === 429) return fault(400, 'ThrottlingException', 'Rate exceeded')
    if (status === 401 || status === 403) return fault(400, 'UnrecognizedClientException')
    return fault(status, status === 503 ? 'ServiceUnavailableException' : 'InternalFailure')
  }

  #put({ logGroupName, logStreamName, logEvents: events }: Put, store: StoreContext): StoreAnswer {
    const key = `${logGroupName} ${logStreamName}`
    const kept = this.streams.get(key)
    if (kept === undefined)
      return fault(400, 'ResourceNotFoundException', 'The specified log stream does not exist.')
    const problem = batchProblem(events)
    if (problem !== undefined) return fault(400, 'InvalidParameterException', problem)
    const days = this.groups.get(logGroupName)?.retentionInDays ?? Number.POSITIVE_INFINITY
    const age = ({ timestamp }: CloudwatchEvent): number => store.nowMs() - timestamp
    const firstNew = events.findIndex((event) => age(event) < -TOO_NEW_MS)
    const endOld = events.findLastIndex((event) => age(event) > 14 * DAY_MS) + 1
    const endExpired = events.findLastIndex((event) => age(event) > days * DAY_MS) + 1
    const from = Math.max(endOld, endExpired)
    const to = firstNew < 0 ? events.length : firstNew
    events.forEach((event, i) => {
      if (i < from || i >= to) store.ledger.refuse(event.message)
      else {
        kept.push(event)
        store.ledger.keep(event.message, key)
      }
    })
    const info = {
      ...(firstNew < 0 ? {} : { tooNewLogEventStartIndex: firstNew }),
      ...(endOld === 0 ? {} : { tooOldLogEventEndIndex: endOld }),
      ...(endExpired === 0 ? {} : { expiredLogEventEndIndex: endExpired }),
    }
    return good({
      nextSequenceToken: '1',
      ...(Object.keys(info).length === 0 ? {} : { rejectedLogEventsInfo: info }),
    })
  }
}

/** Returns what is wrong with a batch as a whole. */
function batchProblem(events: CloudwatchEvent[]): string | undefined {
  if (events.length === 0 || events.length > MAX_EVENTS) return `${events.length} events`
  const bytes = events.reduce((sum, { message }) => sum + Buffer.byteLength(message) + EVENT_OVERHEAD, 0)
  if (bytes > MAX_BYTES) return `Upload too large: ${bytes} bytes exceeds limit of ${MAX_BYTES}`
  if (events.some(({ message }) => message === '')) return 'a message is empty'
  if (events.some(({ timestamp }, i) => timestamp < (events[i - 1]?.timestamp ?? 0)))
    return 'Log events in a single PutLogEvents request must be in chronological order.'
  const span = (events.at(-1)?.timestamp ?? 0) - (events[0]?.timestamp ?? 0)
  return span > DAY_MS
    ? 'The batch of log events in a single PutLogEvents request cannot span more than 24 hours.'
    : undefined
}
