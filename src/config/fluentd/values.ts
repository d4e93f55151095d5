import type { ShipperError, SourceLocation } from '../../core/error.ts'
import { problem } from '../config-tree.ts'
import { protect, protectedDollar } from '../literal-values.ts'
import type { Environment } from '../variables.ts'
import { codeEnd, evaluate } from './expression.ts'
import type { Scanner } from './scanner.ts'

/** A value as read; `value` is undefined when an expression makes it absent. */
interface ScannedValue {
  value: string | undefined
  variables?: string[]
  /** The value with variables of ours in place of expressions, if it has such. */
  source?: string
  /** Set when the value may be another one on another machine; `fixed`: `source` does not say how. */
  local?: 'written' | 'fixed'
}

export interface ValueContext {
  env: Environment
  problems: ShipperError[]
  /** Number of values without an end. */
  unended: number
  /** Called for an environment variable without a value. */
  onUnset: (name: string, location: SourceLocation) => void
}

const MAX_SHOWN = 120
const MAX_JSON_DEPTH = 100
/** Values without an end after which a file is read no further. */
const MAX_UNENDED = 20
const COMMENT = /[ \t]#/
const BLANK = /[ \t\r]/
const ESCAPES: Record<string, string> = { r: '\r', n: '\n', t: '\t', f: '\f', b: '\b', '0': '\0' }
/** Line end that does not count. */
const JOINED = /\\\r?\n/y
const WORD_CHARACTER = /[A-Za-z0-9]/

/**
 * Reads the value of an attribute:
 *
 * ```
 *   value  = "[" JSON | "{" JSON | text          JSON may take several lines, and have comments
 *   text   = '"' ... '"'                         escapes, #{code}; a line end belongs to it unless a backslash precedes it
 *          | "'" ... "'"                         only \' and \\ are escapes
 *          | characters up to the line end or " #"
 * ```
 * The place is at its first character. Problems are recorded; the place is then behind what was read.
 */
export function scanValue(scanner: Scanner, context: ValueContext): ScannedValue {
  const { next } = scanner
  if (next === '[' || next === '{') return scanJson(scanner, context)
  if (next === '"') return scanDoubleQuoted(scanner, context)
  if (next === "'") return scanSingleQuoted(scanner, context)
  return { value: scanPlain(scanner, COMMENT) }
}

/** Reads the name of an attribute, up to the next blank or line end. */
export function scanName(scanner: Scanner, context: ValueContext): string {
  const { next } = scanner
  if (next === '"') return scanDoubleQuoted(scanner, context).value ?? ''
  if (next === "'") return scanSingleQuoted(scanner, context).value ?? ''
  return scanPlain(scanner, BLANK)
}

/** Reads up to `end` or the line end, without blanks before it. */
export function scanPlain(scanner: Scanner, end: RegExp): string {
  const line = scanner.text.slice(scanner.at, scanner.lineEnd())
  const found = line.search(end)
  const value = (found < 0 ? line : line.slice(0, found)).trimEnd()
  scanner.at += value.length
  return value
}

/** Reads a path after @include. */
export function scanPath(scanner: Scanner, context: ValueContext): string {
  const isQuoted = scanner.next === '"' || scanner.next === "'"
  return isQuoted ? (scanValue(scanner, context).value ?? '') : scanPlain(scanner, COMMENT)
}

export function scanDoubleQuoted(scanner: Scanner, context: ValueContext): ScannedValue {
  const start = scanner.at++
  const used: string[] = []
  let value: string | undefined = ''
  let source = ''
  let local: ScannedValue['local']
  const add = (more: string | undefined, written = more ?? ''): void => {
    value = value === undefined || more === undefined ? undefined : value + more
    source += written
  }
  while (!scanner.isAtEnd) {
    const c = scanner.next
    if (c === '"') {
      scanner.at++
      if (local === undefined) return { value }
      return used.length === 0 ? { value, source, local } : { value, variables: used, source, local }
    }
    if (c === '\\') add(scanEscape(scanner, context))
    else if (c === '#' && scanner.text[scanner.at + 1] === '{') {
      const result = scanCode(scanner, context, used)
      if (result.isLocal) local = result.written === undefined ? 'fixed' : (local ?? 'written')
      add(result.value, result.written ?? protect(result.value ?? ''))
    } else {
      add(c, c === '$' ? protectedDollar(scanner.text, scanner.at) : c)
      scanner.at++
    }
  }
  return unclosed(scanner, start, '"', context)
}

function scanEscape(scanner: Scanner, { problems }: ValueContext): string {
  const at = scanner.at
  if (scanner.take(JOINED) !== undefined) return ''
  const c = scanner.text[at + 1] ?? ''
  scanner.at += 2
  const escaped = ESCAPES[c]
  if (escaped !== undefined) return escaped
  if (WORD_CHARACTER.test(c)) {
    const hint = 'write \\\\ for a backslash, or use single quotation marks'
    problems.push(problem('E_CONFIG_SYNTAX', `unknown escape "\\${c}"`, scanner.location(at), hint))
  }
  return c
}

function scanSingleQuoted(scanner: Scanner, context: ValueContext): ScannedValue {
  const start = scanner.at++
  let value = ''
  const end = scanner.lineEnd()
  while (scanner.at < end) {
    const c = scanner.next
    const escaped = scanner.text[scanner.at + 1]
    if (c === "'") {
      scanner.at++
      return { value }
    }
    if (c === '\\' && (escaped === "'" || escaped === '\\')) {
      value += escaped
      scanner.at += 2
    } else {
      value += c
      scanner.at++
    }
  }
  return unclosed(scanner, start, "'", context)
}

/** Reports a quotation mark without a second one, and goes on behind the line of the first. */
function unclosed(scanner: Scanner, start: number, mark: string, context: ValueContext): ScannedValue {
  const message = `the text that begins with ${mark} has no end`
  const hint = `end it with ${mark}${mark === "'" ? ' on the same line' : ''}`
  context.problems.push(problem('E_CONFIG_SYNTAX', message, scanner.location(start), hint))
  readOn(scanner, start, context)
  return { value: '' }
}

/**
 * Goes on behind the line of a value without an end, for which all of the text was searched; after some of them at the end, as a
 * file of such lines would take the square of its length.
 */
function readOn(scanner: Scanner, start: number, context: ValueContext): void {
  context.unended++
  scanner.at = context.unended > MAX_UNENDED ? scanner.text.length : scanner.lineEnd(start)
}

/** Evaluates `#{code}`; the value is undefined when the attribute is to be absent. */
function scanCode(
  scanner: Scanner,
  context: ValueContext,
  used: string[],
): { value: string | undefined; written?: string; isLocal?: boolean } {
  const start = scanner.at
  const location = scanner.location(start)
  const end = codeEnd(scanner.text, start + 2)
  if (end < 0) {
    const hint = 'end it with }'
    context.problems.push(problem('E_CONFIG_SYNTAX', 'the expression #{ has no end', location, hint))
    readOn(scanner, start, context)
    return { value: '' }
  }
  scanner.at = end + 1
  const result = evaluate(scanner.text.slice(start + 2, end), context.env)
  if ('reason' in result) {
    const written = scanner.text.slice(start, end + 1)
    const shown = written.length > MAX_SHOWN ? `${written.slice(0, MAX_SHOWN)}...` : written
    const message = `cannot evaluate ${shown}: ${result.reason}`
    context.problems.push(problem('E_CONFIG_BAD_VALUE', message, location, result.hint))
    return { value: '' }
  }
  used.push(...result.variables)
  for (const name of result.unset) context.onUnset(name, location)
  const { value, written, isLocal } = result
  return written === undefined ? { value, isLocal } : { value, written, isLocal }
}

/** Reads an array or object, and returns it as JSON without comments and line ends. */
function scanJson(scanner: Scanner, context: ValueContext): ScannedValue {
  const start = scanner.at
  const used: string[] = []
  let json = ''
  let depth = 0
  let deepest = 0
  let isText = false
  let isLocal = false
  while (!scanner.isAtEnd) {
    const c = scanner.next
    if (isText && c === '\\') {
      json += c + (scanner.text[scanner.at + 1] ?? '')
      scanner.at += 2
      continue
    }
    if (isText && c === '#' && scanner.text[scanner.at + 1] === '{') {
      const result = scanCode(scanner, context, used)
      isLocal ||= result.isLocal === true
      json += JSON.stringify(result.value ?? '').slice(1, -1)
      continue
    }
    if (!isText && c === '#') {
      scanner.at = scanner.lineEnd()
      continue
    }
    json += c
    scanner.at++
    if (c === '"') isText = !isText
    else if (!isText && (c === '[' || c === '{')) deepest = Math.max(deepest, ++depth)
    else if (!isText && (c === ']' || c === '}') && --depth === 0) break
  }
  const value = depth === 0 && deepest <= MAX_JSON_DEPTH ? compact(json) : undefined
  if (value !== undefined && !isLocal) return { value }
  if (value !== undefined) return { value, ...(used.length > 0 ? { variables: used } : {}), local: 'fixed' }
  const what = depth === 0 ? 'is not valid JSON' : 'has no end'
  const message = `the ${scanner.text[start] === '[' ? 'array' : 'object'} that begins here ${what}`
  const hint = 'write it as JSON, or put a string that begins with [ or { into quotation marks'
  context.problems.push(problem('E_CONFIG_SYNTAX', message, scanner.location(start), hint))
  if (depth !== 0) readOn(scanner, start, context)
  return { value: '' }
}

function compact(json: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(json))
  } catch {
    return undefined
  }
}
