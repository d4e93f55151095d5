import { RubyFailure } from './failure.ts'
import { type Call, intArg, stringArg } from './method.ts'
import type { RubyRegex } from './regex.ts'
import { charge, type Scope } from './scope.ts'
import { readText, textBytes } from './text.ts'
import { Expression, type Value } from './values.ts'

/** References in a replacement: `\1`, `\0`, `\&`, `\k<name>`, `\\`. */
const REFERENCE = /\\(?:(\d)|k<([^>]+)>|([&`'\\]))/g
/** Characters that an item of a list counts in addition to its own. */
const ITEM_COST = 8
const BLANKS = /[\0\t\n\v\f\r ]+/

/** Implements `gsub` and `sub`. */
export function replace(self: string, { args, regex, scope }: Call, isGlobal: boolean): string {
  const [what] = args
  const by = stringArg(args[1])
  if (what instanceof Expression) return replaceMatches(self, regex(what.source), by, isGlobal, scope)
  const text = stringArg(what)
  const parts = text === '' ? [...self] : self.split(text)
  const value = by.replaceAll(REFERENCE, (_, digit, name, other) => {
    if (digit !== undefined) return digit === '0' ? text : ''
    if (name !== undefined) throw new RubyFailure('undefined group name reference')
    return other === '\\' ? '\\' : other === '&' ? text : ''
  })
  if (text === '') return isGlobal ? joined(['', ...parts, ''], value, scope) : value + self
  if (isGlobal) return joined(parts, value, scope)
  return parts.length === 1 ? self : [parts[0], value, parts.slice(1).join(text)].join('')
}

function joined(parts: readonly string[], separator: string, scope: Scope): string {
  charge(scope, parts.length * separator.length)
  return parts.join(separator)
}

function replaceMatches(self: string, regex: RubyRegex, by: string, isGlobal: boolean, scope: Scope): string {
  const bytes = textBytes(self)
  const hasReferences = by.includes('\\')
  const out: string[] = []
  let from = 0
  regex.scan(bytes, (spans) => {
    const [start, end] = [spans[0] as number, spans[1] as number]
    const value = hasReferences ? expanded(by, regex, bytes, spans) : by
    out.push(readText(bytes, from, start), value)
    charge(scope, value.length + ITEM_COST)
    from = end
    return isGlobal
  })
  if (out.length === 0) return self
  out.push(readText(bytes, from, bytes.length))
  return out.join('')
}

function expanded(by: string, regex: RubyRegex, bytes: Buffer, spans: Int32Array): string {
  const groups = regex.groups(bytes, spans)
  return by.replaceAll(REFERENCE, (_, digit, name, other) => {
    if (digit !== undefined) return groups[Number(digit)] ?? ''
    if (name !== undefined) {
      const at = regex.names.lastIndexOf(name)
      if (at < 0) throw new RubyFailure('undefined group name reference')
      return groups[at] ?? ''
    }
    if (other === '&') return groups[0] ?? ''
    if (other === '`') return readText(bytes, 0, spans[0] as number)
    return other === "'" ? readText(bytes, spans[1] as number, bytes.length) : '\\'
  })
}

/**
 * Implements `split`: without a limit empty parts at the end are left out, and a blank splits at runs of
 * blanks.
 */
export function split(self: string, { args, regex, scope }: Call): Value {
  const [what = ' '] = args
  const limit = args[1] === undefined ? 0 : intArg(args[1])
  charge(scope, self.length)
  if (self === '') return []
  if (limit === 1) return [self]
  let parts: string[]
  if (what instanceof Expression) parts = splitByRegex(self, regex(what.source), limit, scope)
  else if (what === null || what === ' ') parts = splitAtBlanks(self, limit)
  else parts = splitByText(self, stringArg(what), limit)
  charge(scope, parts.length * ITEM_COST)
  if (limit === 0) while (parts.at(-1) === '') parts.pop()
  return parts
}

function splitByText(self: string, separator: string, limit: number): string[] {
  const all = separator === '' ? [...self] : self.split(separator)
  if (separator === '' && limit < 0) all.push('')
  if (limit <= 0 || all.length <= limit) return all
  return [...all.slice(0, limit - 1), all.slice(limit - 1).join(separator)]
}

function splitAtBlanks(self: string, limit: number): string[] {
  const text = self.replace(/^[\0\t\n\v\f\r ]+/, '')
  if (limit <= 0) {
    const parts = text.split(BLANKS)
    return text === '' && limit === 0 ? [] : parts
  }
  const parts: string[] = []
  let rest = text
  while (rest !== '' && parts.length < limit - 1) {
    const found = BLANKS.exec(rest)
    if (found === null) break
    parts.push(rest.slice(0, found.index))
    rest = rest.slice(found.index + found[0].length)
  }
  return [...parts, rest]
}

function splitByRegex(self: string, regex: RubyRegex, limit: number, scope: Scope): string[] {
  const bytes = textBytes(self)
  const parts: string[] = []
  let from = 0
  let cuts = 1
  regex.scan(bytes, (spans) => {
    const [start, end] = [spans[0] as number, spans[1] as number]
    // An empty match splits between characters only.
    if (end === start && (start === from || start === bytes.length)) return start < bytes.length
    parts.push(readText(bytes, from, start))
    for (const group of regex.groups(bytes, spans).slice(1)) if (group !== null) parts.push(group)
    charge(scope, ITEM_COST)
    from = end
    cuts++
    return limit <= 0 || cuts < limit
  })
  parts.push(readText(bytes, from, bytes.length))
  return parts
}

/** Implements `scan`. */
export function scan(self: string, { args, regex, scope }: Call): Value {
  const [what] = args
  charge(scope, self.length)
  const found: Value[] = []
  if (!(what instanceof Expression)) {
    const text = stringArg(what)
    if (text === '') throw new RubyFailure('an empty string cannot be scanned for')
    for (let at = self.indexOf(text); at >= 0; at = self.indexOf(text, at + text.length)) {
      charge(scope, ITEM_COST)
      found.push(text)
    }
    return found
  }
  const expression = regex(what.source)
  const bytes = textBytes(self)
  expression.scan(bytes, (spans) => {
    const groups = expression.groups(bytes, spans)
    charge(scope, ITEM_COST * groups.length)
    found.push(groups.length === 1 ? (groups[0] as string) : groups.slice(1))
    return true
  })
  return found
}

/** Implements `tr`; with `to` empty the characters are deleted. */
export function translate(self: string, from: string, to: string): string {
  const isNegated = from.length > 1 && from.startsWith('^')
  const source = setOf(isNegated ? from.slice(1) : from)
  const target = setOf(to)
  const last = target.at(-1) ?? ''
  const index = new Map<string, number>()
  source.forEach((char, i) => {
    if (!index.has(char)) index.set(char, i)
  })
  let text = ''
  for (const char of self) {
    const at = index.get(char)
    if (isNegated) text += at === undefined ? last : char
    else text += at === undefined ? char : (target[at] ?? last)
  }
  return text
}

/** Returns the characters of a set such as `a-z_`; a backslash escapes. */
function setOf(text: string): string[] {
  const chars = [...text]
  const set: string[] = []
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string
    if (char === '\\' && i + 1 < chars.length) set.push(chars[++i] as string)
    else if (chars[i + 1] === '-' && i + 2 < chars.length) {
      const [first, last] = [char.codePointAt(0) ?? 0, (chars[i + 2] as string).codePointAt(0) ?? 0]
      if (last < first || last - first > 65_536) throw new RubyFailure('invalid range')
      for (let code = first; code <= last; code++) set.push(String.fromCodePoint(code))
      i += 2
    } else set.push(char)
  }
  return set
}
