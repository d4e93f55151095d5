import type { Random } from './tail/log-lines.ts'

const SETS = (
  String.raw`a b [^\x20] " . [^"] [ab] \w \n é \d [a-f0-9] \S [^a\n] (?m:.) [\w.-] [\x80-\xff] [^\x00-\x40] \s ` +
  String.raw`[!-.a:=@^~\xf0] \\ [^,;:"a] [aeiou]`
).split(' ')
const TIMES = '* + ? {2} {1,2} *? +? ?? *+ ++ {0,3} {2,} {1,9} {2,4}? {10} {3,20} {0,12}? {2,}?'.split(' ')
/** Repetitions of groups. */
const TURNS = '? * + {2} {1,3} *? ?? +? {0,2}? {2,}'.split(' ')
const ANCHORS = String.raw`^ $ \A \z \Z \b \B`.split(' ')
const TEXTS = ['abab', 'ab "', 'aaaaaaaa', 'a\\nb', ' - ']
const ESCAPED = [
  String.raw`[^"\\]*(?:\\.[^"\\]*)*`,
  String.raw`(?<g>[^"\\]*(?:\\(?m:.)[^"\\]*)*)`,
  '(?<g>[^"a]*(?:a(?m:.)[^"a]*)*)"',
  '(?<g>[^ b"]*(?:b[^\n][^ b"]*)*)"',
  '(?<g>[^"b]*(?:ba[^"b]*)*)',
]
const PARTS = [
  ...[
    'a',
    'b',
    ' ',
    '"',
    '\n',
    'é',
    'ab',
    '" "',
    '\\',
    '\\"',
    '1',
    '0f',
    '.',
    '-',
    ',',
    ',,',
    '=~',
    '\r',
    '  ',
  ],
  ...['aaaaaaaaaaaaaaaaaaaa', 'ababababab', 'b1 "x" ', '123456789012345678', '\xff'],
]
const MAX_DEPTH = 4

/** Returns an expression with anything that the matchers know except lookaround and back references. */
export function randomExpression(r: Random): string {
  return `${r.of(['^', '^', '\\A', '', '', '', ''])}${sequence(r, 0)}${r.of(['(?<last>a?)', '', ''])}`
}

/** Returns a text of the characters that such expressions are about. */
export function randomText(r: Random): Buffer {
  const parts = Array.from({ length: r.below(10) }, () => r.of(PARTS))
  return Buffer.from(parts.join(''), r.of(['latin1', 'utf8'] as const))
}

function sequence(r: Random, depth: number): string {
  return Array.from({ length: 1 + r.below(4) }, () => item(r, depth)).join('')
}

function choice(r: Random, depth: number, least: number): string {
  return `(?:${Array.from({ length: least + r.below(2) }, () => sequence(r, depth + 1)).join('|')})`
}

function group(r: Random, depth: number): string {
  return `(?<g${r.below(4)}>${sequence(r, depth + 1)})`
}

function item(r: Random, depth: number): string {
  const kind = r.below(27)
  if (kind < 4 || depth >= MAX_DEPTH) return r.of(SETS)
  if (kind < 11) return r.of(SETS) + r.of(TIMES)
  if (kind < 12) return r.of(ANCHORS)
  if (kind < 13) return r.of(TEXTS)
  if (kind < 15) return choice(r, depth, 2)
  if (kind < 19) return group(r, depth)
  if (kind < 25) return (r.below(2) === 0 ? choice(r, depth, 1) : group(r, depth)) + r.of(TURNS)
  return r.of(ESCAPED)
}
