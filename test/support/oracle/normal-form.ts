import { hostname } from 'node:os'
import type { Bytes } from './case.ts'

const DAY_S = 86_400
const TIME = /\b1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?\b/g
const UNITS: readonly [number, string][] = [
  [1, ''],
  [1e3, 'ms'],
  [1e6, 'us'],
  [1e9, 'ns'],
]
const MIN_HOST_CHARS = 4
/**
 * Returns a function that replaces what differs from run to run: the folder, times within a day of the run, the host, the ports of
 * the input and the server.
 */
export function normalForm(
  folder: string,
  startMs: number,
  rules: readonly [string, string][],
  ports: { input?: number; server?: number } = {},
): (value: Bytes) => Bytes {
  const start = new Date(startMs).toISOString()
  const day = start.slice(0, 10)
  const replacements: [RegExp | string, string][] = [
    [folder, '@DIR@'],
    ...(ports.server === undefined ? [] : [[String(ports.server), '@PORT@'] as [string, string]]),
    ...(ports.input === undefined ? [] : [[String(ports.input), '@PIN@'] as [string, string]]),
    [new RegExp(String.raw`${day}[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?`, 'g'), '@NOWDATE@'],
    [day.replaceAll('-', '.'), '@NOWDAY@'],
    [new RegExp(String.raw`${bsdDay(startMs)} \d\d:\d\d:\d\d`, 'g'), '@NOWBSD@'],
    ...(hostname().length >= MIN_HOST_CHARS ? [[hostname(), '@HOST@'] as [string, string]] : []),
    ...rules.map(([pattern, text]): [RegExp, string] => [
      pythonRegExp(pattern),
      text.replace(/\\(\d)/g, '$$$1'),
    ]),
  ]
  return (value) => {
    if (typeof value !== 'string') return value
    const withTimes = value.replace(TIME, (text) => now(text, startMs / 1000))
    return replacements.reduce((text, [from, to]) => text.replaceAll(from, to), withTimes)
  }
}

/** Returns the day as `Feb  3`, for an expression in which the blank before one digit may be missing. */
function bsdDay(startMs: number): string {
  const date = new Date(startMs)
  const month = date.toLocaleString('en', { month: 'short', timeZone: 'UTC' })
  return `${month}  ?${date.getUTCDate()}`
}

/** Returns an expression of Python, in which `(?s)` lets a dot match a line feed. */
function pythonRegExp(pattern: string): RegExp {
  return pattern.startsWith('(?s)') ? new RegExp(pattern.slice(4), 'gs') : new RegExp(pattern, 'g')
}

function now(text: string, startS: number): string {
  for (const [factor, unit] of UNITS) {
    if (Math.abs(Number(text) / factor - startS) < DAY_S)
      return `@NOW${unit}@${text.includes('.') ? '.n' : ''}`
  }
  return text
}
