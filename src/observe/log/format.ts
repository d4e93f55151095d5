import { messageOf } from '../../core/error.ts'
import { escapeControls, escapeJsonControls, truncate } from '../../core/escape-controls.ts'
import { isSecretName } from '../../core/secret-names.ts'

/** One line of the agent's log, formatted as text for people and as JSON for programs. */
export interface LogLine {
  timeMs: number
  level: LineLevel
  plugin: string
  message: string
  fields: Record<string, unknown> | undefined
  /** Name of the kind of which all lines count as equal; see Logger. */
  kind?: string | undefined
}

export type LineLevel = 'error' | 'warn' | 'info' | 'debug'

const COLORS: Record<LineLevel, number> = { error: 31, warn: 33, info: 32, debug: 36 }

/** Maximum length of a message, a string or a complete value: bounds a line whatever a peer or a file name contains. */
const MAX_CHARS = 4000
const MAX_ITEMS = 50
const MAX_DEPTH = 4
const HIDDEN = '******'

const USERINFO = /(\/\/[^/\s:@]*:)[^/\s@]+@/g
const BARE = /^[^\s"=]+$/

/** Formats `[2026/11/21 06:00:00.123] [ info] [tail.0] message key=value`, in local time as fluent-bit does. */
export function formatText(line: LogLine, color: boolean): string {
  const level = line.level.padStart(5)
  const shown = color ? `\x1b[${COLORS[line.level]}m${level}\x1b[0m` : level
  return `[${localTime(line.timeMs)}] [${shown}] ${bodyText(line)}\n`
}

/** Formats `[tail.0] message key=value`: a line without time and level. */
export function bodyText(line: LogLine): string {
  let text = `[${escapeControls(line.plugin)}] ${messageText(line.message)}`
  for (const [key, value] of shownFields(line.fields)) {
    text += ` ${escapeControls(key)}=${escapeControls(fieldText(value))}`
  }
  return text
}

/** Formats `{"time","level","plugin","message",...fields}`; a field with one of those names gets a trailing `_`. */
export function formatJson(line: LogLine): string {
  const out: Record<string, unknown> = {
    time: isoTime(line.timeMs),
    level: line.level,
    plugin: line.plugin,
    message: truncate(line.message.replace(USERINFO, `$1${HIDDEN}@`), MAX_CHARS),
  }
  for (const [key, value] of shownFields(line.fields)) out[Object.hasOwn(out, key) ? `${key}_` : key] = value
  return `${escapeJsonControls(JSON.stringify(out))}\n`
}

function shownFields(fields: Record<string, unknown> | undefined): [string, unknown][] {
  if (fields === undefined) return []
  const shown: [string, unknown][] = []
  for (const [key, value] of Object.entries(fields)) {
    const safe = shownValue(key, value, 0)
    if (safe !== undefined) shown.push([key, safe])
  }
  return shown
}

/** Returns a bounded value that JSON can represent: without cycles, bytes and secrets. */
function shownValue(key: string, value: unknown, depth: number): unknown {
  if (value === undefined || typeof value === 'function') return undefined
  if (isSecretName(key)) return HIDDEN
  if (typeof value === 'string') return truncate(value.replace(USERINFO, `$1${HIDDEN}@`), MAX_CHARS)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value !== 'object') return String(value)
  return shownObject(value, depth)
}

function shownObject(value: object, depth: number): unknown {
  if (value instanceof Error) return truncate(messageOf(value).replace(USERINFO, `$1${HIDDEN}@`), MAX_CHARS)
  if (value instanceof Uint8Array) return `<${value.length} bytes>`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (depth >= MAX_DEPTH) return '...'
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ITEMS).map((item) => shownValue('', item, depth + 1) ?? null)
  }
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    const shown = shownValue(key, item, depth + 1)
    if (shown !== undefined) out[key] = shown
  }
  return out
}

function messageText(message: string): string {
  return escapeControls(truncate(message.replace(USERINFO, `$1${HIDDEN}@`), MAX_CHARS))
}

function fieldText(value: unknown): string {
  if (typeof value === 'string') return BARE.test(value) ? value : JSON.stringify(value)
  return truncate(typeof value === 'object' ? JSON.stringify(value) : String(value), MAX_CHARS)
}

/** Formats `2026/11/21 06:00:00.123` in local time. */
export function localTime(ms: number): string {
  const date = new Date(ms)
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${date.getFullYear()}/${two(date.getMonth() + 1)}/${two(date.getDate())}`
  const fraction = String(date.getMilliseconds()).padStart(3, '0')
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${fraction}`
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
