import type { RotatingLog } from './log.ts'

/**
 * Promise for lines in files that came and went while the agent did not look. All other lines, in the live
 * file and in files that the agent has seen, arrive exactly once.
 *
 * - `once`: exactly once
 * - `maybe`: at most once, because nothing shows that the file belongs to the log
 * - `never`: must not arrive
 */
export type Unseen = 'once' | 'maybe' | 'never'

/** How the agent misses rotations: not at all, suspended by a signal, or not running. */
export type Absence = 'live' | 'burst' | 'away'

/** A rotation scheme. Paths are relative to the directory of the row. */
export interface Row {
  name: string
  /** Path of the input. */
  path: string[]
  /** Exclude_Path of the input. */
  exclude?: string[]
  /** Paths of other inputs, by name. */
  others?: Record<string, string[]>
  /** Inputs that must each send the lines of the log; default: `a`, the one with `path`. */
  senders?: string[]
  /** Program without which the row is skipped. */
  needs?: string
  /** Opens the live file, and creates what exists before the agent starts. Default: opens `app.log`. */
  begin?(log: RotatingLog): void | Promise<void>
  /** Rotates for the `n`th time, counted from 1. */
  rotate(log: RotatingLog, n: number): void | Promise<void>
  /** Writes once more after the agent has closed the rotated files. */
  afterwards?(log: RotatingLog): void
  /**
   * `maybe` if the unread rest of a file that the agent has seen is not promised after the agent was away.
   */
  rest?: 'maybe'
  /**
   * Reason why the row fails now and then, which keeps it out of the everyday tests. `npm run test:long`
   * includes it.
   */
  open?: string
  /** Default: `once`. */
  unseen?: Unseen | Partial<Record<Absence, Unseen>>
}

export function unseenOf(row: Row, absence: Absence): Unseen {
  return (typeof row.unseen === 'string' ? row.unseen : row.unseen?.[absence]) ?? 'once'
}

const FIRST = Date.UTC(2026, 10, 21, 6)
const TOKEN = /YYYY|MM|DD|HH|mm|ss|SSS|X/g

/**
 * Formats the time `days` days after 2026-11-21 06:00:00 UTC. `format` may contain YYYY, MM, DD, HH, mm, ss,
 * SSS, and X for seconds since 1970.
 */
export function date(days: number, format: string): string {
  const ms = FIRST + days * 86_400_000
  const text = new Date(ms).toISOString()
  const parts: Record<string, string> = {
    YYYY: text.slice(0, 4),
    MM: text.slice(5, 7),
    DD: text.slice(8, 10),
    HH: text.slice(11, 13),
    mm: text.slice(14, 16),
    ss: text.slice(17, 19),
    SSS: text.slice(20, 23),
    X: String(ms / 1000),
  }
  return format.replace(TOKEN, (token) => parts[token] as string)
}
