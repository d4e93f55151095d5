import { messageOf } from '../../core/error.ts'
import { escapeControls, escapeJsonControls, truncate } from '../../core/escape-controls.ts'

/** One line of the agent's own log as text for a person and as JSON for a machine. Secrets never get this far. */
export interface LogLine {
  timeMs: number
  level: LineLevel
  plugin: string
  message: string
  fields: Record<string, unknown> | undefined
}

export type LineLevel = 'error' | 'warn' | 'info' | 'debug'

const COLOURS: Record<LineLevel, number> = { error: 31, warn: 33, info: 32, debug: 36 }

/** Most characters of a message, a string or a whole value; a line is bounded whatever a peer or a file name holds. */
const MOST_CHARS = 4000
const MOST_ITEMS = 50
const MOST_DEPTH = 4
const HIDDEN = '******'

const SECRET =
  /passw|passphrase|secret|token|credential|authorization|cookie|(shared|private|api|access)_?key/
const SECRET_ALONE = /^pass$|_pass$|_pwd$|^pwd$/
/** `kube_token_file` names a place, not the secret in it. */
const PLACE = /_(file|path|dir|name|url|count)$/
const CAMEL = /([a-z0-9])([A-Z])/g
const DASH = /[-.]/g
const USERINFO = /(\/\/[^/\s:@]*:)[^/\s@]+@/g
const BARE = /^[^\s"=]+$/

/** `[2026/11/21 06:00:00.123] [ info] [tail.0] message key=value`, in local time as fluent-bit's. */
export function formatText(line: LogLine, colour: boolean): string {
  const level = line.level.padStart(5)
  const shown = colour ? `\x1b[${COLOURS[line.level]}m${level}\x1b[0m` : level
  let text = `[${localTime(line.timeMs)}] [${shown}] [${escapeControls(line.plugin)}] ${messageText(line.message)}`
  for (const [key, value] of shownFields(line.fields)) {
    text += ` ${escapeControls(key)}=${escapeControls(fieldText(value))}`
  }
  return `${text}\n`
}

/** `{"time","level","plugin","message",...fields}`; a field with one of those names gets a `_` behind it. */
export function formatJson(line: LogLine): string {
  const out: Record<string, unknown> = {
    time: isoTime(line.timeMs),
    level: line.level,
    plugin: line.plugin,
    message: truncate(line.message.replace(USERINFO, `$1${HIDDEN}@`), MOST_CHARS),
  }
  for (const [key, value] of shownFields(line.fields)) out[Object.hasOwn(out, key) ? `${key}_` : key] = value
  return `${escapeJsonControls(JSON.stringify(out))}\n`
}

/** True when what is called so is not for other eyes. */
export function isSecret(key: string): boolean {
  const name = key.replace(CAMEL, '$1_$2').replace(DASH, '_').toLowerCase()
  return (SECRET.test(name) || SECRET_ALONE.test(name)) && !PLACE.test(name)
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

/** A bounded value that JSON can say: no cycles, no bytes, no secrets. */
function shownValue(key: string, value: unknown, depth: number): unknown {
  if (value === undefined || typeof value === 'function') return undefined
  if (isSecret(key)) return HIDDEN
  if (typeof value === 'string') return truncate(value.replace(USERINFO, `$1${HIDDEN}@`), MOST_CHARS)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value !== 'object') return String(value)
  return shownObject(value, depth)
}

function shownObject(value: object, depth: number): unknown {
  if (value instanceof Error) return truncate(messageOf(value).replace(USERINFO, `$1${HIDDEN}@`), MOST_CHARS)
  if (value instanceof Uint8Array) return `<${value.length} bytes>`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (depth >= MOST_DEPTH) return '...'
  if (Array.isArray(value)) {
    return value.slice(0, MOST_ITEMS).map((item) => shownValue('', item, depth + 1) ?? null)
  }
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value).slice(0, MOST_ITEMS)) {
    const shown = shownValue(key, item, depth + 1)
    if (shown !== undefined) out[key] = shown
  }
  return out
}

function messageText(message: string): string {
  return escapeControls(truncate(message.replace(USERINFO, `$1${HIDDEN}@`), MOST_CHARS))
}

function fieldText(value: unknown): string {
  if (typeof value === 'string') return BARE.test(value) ? value : JSON.stringify(value)
  return truncate(typeof value === 'object' ? JSON.stringify(value) : String(value), MOST_CHARS)
}

/** `2026/11/21 06:00:00.123` in local time. */
export function localTime(ms: number): string {
  const t = new Date(ms)
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${t.getFullYear()}/${two(t.getMonth() + 1)}/${two(t.getDate())}`
  const fraction = String(t.getMilliseconds()).padStart(3, '0')
  return `${day} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${fraction}`
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
