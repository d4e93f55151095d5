import type { RotatingLog } from './log.ts'
import type { TablePeer } from './peer.ts'
import { type Absence, type Row, type Unseen, unseenOf } from './row.ts'

/** State of a log when the agent looks again. */
export interface Resumed {
  /** Number of lines and content when the agent stopped looking. */
  linesBefore: number
  contentBefore: number
  /** Number of lines and content when it looks again. */
  lines: number
  content: number
  /** Files that contain each line at that time. */
  present: Map<number, string[]>
}

export interface Case {
  row: Row
  log: RotatingLog
  /** Undefined if the agent has always looked. */
  resumed?: Resumed
}

/** Returns the promise for a line. */
export function promised({ row, log, resumed }: Case, n: number, absence: Absence): Unseen {
  const line = log.lines[n]
  if (line === undefined || line.fleeting) return 'maybe'
  if (n < log.early) return 'never'
  if (resumed === undefined || n < resumed.linesBefore || n >= resumed.lines) return 'once'
  const known = line.content <= resumed.contentBefore
  if (!resumed.present.has(n))
    // A deleted file can still be read while it is open; an emptied one cannot.
    return known && absence === 'burst' && !log.truncated.has(line.content) ? 'once' : 'maybe'
  if (known) return absence === 'away' ? (row.rest ?? 'once') : 'once'
  return line.content === resumed.content ? 'once' : unseenOf(row, absence)
}

export function tagOf(log: RotatingLog, input: string): string {
  return `row${log.row}.${input}`
}

/** Returns the inputs that have to send the line. */
export function sendersOf({ row, log }: Case, n: number): string[] {
  const input = log.lines[n]?.input ?? 'a'
  return input === 'a' ? (row.senders ?? ['a']) : [input]
}

/** Returns the faults of the lines that arrived, one text for each file and kind of fault. */
export function faults(one: Case, absence: Absence, peer: TablePeer): string[] {
  const { log, row } = one
  const found = new Map<string, number[]>()
  const wanted = new Set<string>()
  log.lines.forEach((_, n) => {
    const promise = promised(one, n, absence)
    for (const sender of sendersOf(one, n)) {
      const count = peer.count(tagOf(log, sender), `${log.row}/${n}`)
      wanted.add(`${sender} ${log.row}/${n}`)
      const fault = faultOf(count, promise)
      if (fault === undefined) continue
      const text = `${fault}, ${placeOf(one, n)}${sender === 'a' ? '' : `, input ${sender}`}`
      found.set(text, [...(found.get(text) ?? []), n])
    }
  })
  const foreign = ['a', ...Object.keys(row.others ?? {})].flatMap((sender) =>
    peer
      .linesOf(tagOf(log, sender), '')
      .filter((line) => !line.startsWith('#') && !wanted.has(`${sender} ${line}`))
      .map((line) => `input ${sender}: ${line}`),
  )
  const texts = [...found].map(([text, lines]) => `${ranges(lines)}: ${text}`)
  if (foreign.length > 0)
    texts.push(`${foreign.length} lines that must not be read: ${foreign.slice(0, 3).join('; ')}`)
  return texts
}

function faultOf(count: number, promise: Unseen): string | undefined {
  if (count > 1) return `came ${count} times`
  if (promise === 'once' && count === 0) return 'missing'
  if (promise === 'never' && count > 0) return 'must not be read'
  return undefined
}

/** Returns where the line was written, and where it was when the agent looked again. */
function placeOf({ log, resumed }: Case, n: number): string {
  const line = log.lines[n]
  if (line === undefined) return ''
  const when =
    resumed === undefined
      ? ''
      : n < resumed.linesBefore
        ? ' before'
        : n < resumed.lines
          ? ' meanwhile'
          : ' after'
  const now = resumed?.present.get(n)?.join(', ') ?? ''
  return `written${when} to ${line.file} no. ${line.content}${now === '' ? '' : `, then in ${now}`}`
}

/** Formats 1, 2, 3, 7 as `1-3, 7`. */
function ranges(numbers: number[]): string {
  const parts: [number, number][] = []
  for (const n of numbers) {
    const last = parts.at(-1)
    if (last !== undefined && last[1] === n - 1) last[1] = n
    else parts.push([n, n])
  }
  return parts.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(', ')
}
