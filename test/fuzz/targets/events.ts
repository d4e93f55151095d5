import { skip } from '../../../src/core/msgpack/encode.ts'
import { mapPairs } from '../../../src/core/msgpack/record.ts'
import { eventTime } from '../../../src/plugins/inputs/docker-events/event-time.ts'
import { LineBuffer } from '../../../src/plugins/inputs/docker-events/line-buffer.ts'
import { EventReader } from '../../../src/plugins/inputs/kubernetes-events/event-reader.ts'
import { pieces } from '../random.ts'
import { must, size, type Target } from '../target.ts'

const EVENT = JSON.stringify({
  metadata: { name: 'a', uid: 'u', resourceVersion: '213', creationTimestamp: '2026-11-30T08:39:38Z' },
  reason: 'Started',
  firstTimestamp: '2026-11-30T08:39:38Z',
  lastTimestamp: null,
  count: 1,
})
const DIGITS = /^\d{1,39}$/

/** An item of a list or an event of a watch of Kubernetes events. */
export const kubernetesEvents: Target = {
  name: 'kubernetes-events',
  maxBytes: 5000,
  dictionary: [
    '{"type":"ADDED","object":',
    '{"type":"ERROR","object":',
    '"metadata":{',
    '"resourceVersion":"',
    '"resourceVersion":1',
    '"lastTimestamp":"2026-11-30T08:39:38Z"',
    '"creationTimestamp":"',
    '"eventTime":"2026-11-30T08:39:38.123456Z"',
    '"series":{"lastObservedTime":"2026-11-30T08:39:38.123456Z"}',
    '9999999999999999',
    'null',
    '}',
    '"__proto__":{',
  ],
  seeds: () => [
    EVENT,
    `{"type":"MODIFIED","object":${EVENT}}`,
    '{"type":"BOOKMARK","object":{"metadata":{}}}',
  ],
  run(input) {
    const reader = new EventReader()
    const kinds = [reader.readItem(input), reader.readWatched(input)].map((isRead, i) => {
      if (i === 0) reader.readItem(input)
      else reader.readWatched(input)
      if (!isRead) return 'none'
      must(reader.start >= 0 && reader.end > reader.start && reader.end <= reader.buf.length, 'a wrong range')
      checkEvent(reader, input, i === 1)
      return `${reader.type} ${reader.version?.toString().length} ${reader.time.sec >= 0}`
    })
    return kinds.join()
  },
}

/** What is read equals what JSON.parse finds, and the record is one map. */
function checkEvent(reader: EventReader, input: Buffer, isWatched: boolean): void {
  must(mapPairs(reader.buf, reader.start) >= 0, 'a record that is no map')
  must(skip(reader.buf, reader.start, reader.end) === reader.end, 'a record that is not one map')
  const { sec, nsec } = reader.time
  must(sec === -1 || (sec >= 0 && sec <= 0xffff_ffff), 'a time that no record can have')
  must(nsec >= 0 && nsec < 1e9, 'nanoseconds that no record can have')
  let parsed: unknown
  try {
    parsed = JSON.parse(input.toString())
  } catch {
    // Bytes that are not UTF-8, which a string cannot have.
    return
  }
  const event = (isWatched ? (parsed as { object: unknown }).object : parsed) as {
    metadata?: { resourceVersion?: unknown } | null
  }
  const version = event.metadata?.resourceVersion
  const expected = typeof version === 'string' && DIGITS.test(version) ? BigInt(version) : undefined
  must(reader.version === expected, () => `version ${reader.version} instead of ${expected}`)
}

const MAX_BYTES = 300

/** The stream of a Docker daemon. */
export const dockerEvents: Target = {
  name: 'docker-events',
  maxBytes: 3000,
  dictionary: ['\n', '\r\n', '"timeNano":', '"time":', '1796026940951940271', '4294967296', '\\"', '}'],
  seeds: () => [
    '{"Type":"volume","scope":"local","time":1796026940,"timeNano":1796026940951940271}\n\n{"time":5}\r\n',
  ],
  run(input) {
    const cut = linesOf(pieces(input))
    const whole = linesOf([input])
    must(cut.lines.join('\n') === whole.lines.join('\n'), 'other lines in pieces than as a whole')
    must(cut.oversize === whole.oversize, 'other lines are left out')
    must(
      whole.lines.every((line) => line !== '' && line.length <= MAX_BYTES && !line.includes('\n')),
      'a line that is none',
    )
    const times = [...new Set(whole.times)].toSorted().join('')
    return `${size(whole.lines.length)} ${whole.oversize > 0} ${times}`
  },
}

function linesOf(cut: readonly Buffer[]): { lines: string[]; times: string[]; oversize: number } {
  const buffer = new LineBuffer(MAX_BYTES)
  const lines: string[] = []
  const times: string[] = []
  for (const piece of cut) {
    buffer.push(piece)
    while (buffer.next()) {
      lines.push(buffer.buf.toString('latin1', buffer.start, buffer.end))
      const nano = eventTime(buffer.buf, buffer.start, buffer.end)?.nano
      must(nano === undefined || (nano >= 0n && nano < 2n ** 63n), 'a time that no record can have')
      times.push(nano === undefined ? '-' : String(nano).length > 10 ? 'n' : 's')
    }
  }
  return { lines, times, oversize: buffer.oversize }
}
