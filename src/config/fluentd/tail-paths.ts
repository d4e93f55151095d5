import type { Attribute } from './element.ts'
import type { Translation } from './translation.ts'

/** Digits of the parts of a date in a path. */
const DATE_PARTS: Readonly<Record<string, string>> = {
  Y: '[0-9][0-9][0-9][0-9]',
  y: '[0-9][0-9]',
  m: '[0-9][0-9]',
  d: '[0-9][0-9]',
  H: '[0-9][0-9]',
  M: '[0-9][0-9]',
  S: '[0-9][0-9]',
  j: '[0-9][0-9][0-9]',
  F: '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]',
  b: '[A-Z][a-z][a-z]',
}
const DATE_PART = /%([YymdHMSjFb%])/g
const ANY_DATE = /%[YymdHMSjFb]/
/** Directories below that of `**` in which files are searched for. */
const MAX_DEPTH = 5
const MAX_ALTERNATIVES = 100
const BRACES = /\{([^{}]*,[^{}]*)\}/
const LITERAL = /[?[\]\\]/g

/** How a path is read: with `*` only, with `?` and `[a-z]`, or with `{a,b}`, too. */
type GlobPolicy = 'backward_compatible' | 'extended' | 'always'

/**
 * Returns a path of a source as patterns of the input tail. Parts of a date become digits, as all dates are followed; `**`
 * becomes a pattern for each depth, up to MAX_DEPTH; what is no pattern in fluentd is escaped.
 */
export function tailPatterns(path: string, policy: GlobPolicy): string[] {
  const escaped = policy === 'backward_compatible' ? path.replace(LITERAL, '\\$&') : path
  const dated = escaped.replace(DATE_PART, (_, part: string) => DATE_PARTS[part] ?? '%')
  const alternatives = policy === 'always' ? expandBraces(dated) : [dated]
  return alternatives.flatMap(expandDepths)
}

function expandBraces(pattern: string): string[] {
  let patterns = [pattern]
  for (;;) {
    const at = patterns.findIndex((one) => BRACES.test(one))
    if (at < 0 || patterns.length >= MAX_ALTERNATIVES) return patterns
    const one = patterns[at] as string
    const [group = '', list = ''] = BRACES.exec(one) ?? []
    patterns = [
      ...patterns.slice(0, at),
      ...list.split(',').map((word) => one.replace(group, () => word)),
      ...patterns.slice(at + 1),
    ]
  }
}

function expandDepths(pattern: string): string[] {
  const at = pattern.indexOf('/**/')
  if (at < 0) return [pattern]
  const [before, after] = [pattern.slice(0, at), pattern.slice(at + 4)]
  return Array.from({ length: MAX_DEPTH + 1 }, (_, depth) => `${before}/${'*/'.repeat(depth)}${after}`)
}

/** Reports what the patterns of a path do otherwise than fluentd. */
export function reportPath(
  path: string,
  attribute: Attribute,
  readsHead: boolean,
  translation: Translation,
): void {
  const { valueLocation } = attribute
  if (ANY_DATE.test(path)) {
    const message = `[tail] the date in ${path} is a pattern here: files of every date are followed`
    if (readsHead) translation.warn(`${message}, those of earlier dates from their beginning`, valueLocation)
    else translation.note(`${message}, those that exist at the start from their end`, valueLocation)
  }
  if (path.includes('/**/'))
    translation.warn(`[tail] ** in ${path} stands for at most ${MAX_DEPTH} directories here`, valueLocation)
}
