import { expect, test } from 'bun:test'
import { beginsLikeLog } from '../../../src/lib/multiline/log-start.ts'
import { TRACES } from '../../../src/lib/multiline/traces.ts'

/**
 * Texts that the expressions repeat or search for. A line that repeats one of them is the worst case of some
 * expression.
 */
const UNITS = [
  ...[
    'a',
    'a.',
    'a_',
    'A::',
    'a\\',
    '\\a',
    ' ',
    '\t',
    '-',
    '.',
    ':',
    '(',
    ')',
    '[',
    '{',
    '^',
    '|',
    '~^',
    '| ',
  ],
  ...[
    'Error',
    'Error:',
    'Error: ',
    ' Error',
    'Error [x] ',
    'Exception(',
    'Exception (a',
    '(AError',
    'Error)',
  ],
  ...[
    'a:1:',
    'a:1:in `',
    "a:1:in 'x",
    "a:1:in `x': ",
    'x:1:in `a`',
    'panic: ',
    'fatal error',
    'goroutine 1 [',
  ],
  ...["thread 'a' panicked at ", "thread 'a' panicked at 'x", "', a:1:1", 'PHP ', 'Uncaught ', 'a.<locals>'],
  ...['Traceback (most recent call last):  ', '\tat a', '#1  ', '"level"', '{"a', '---> ', 'k=v ', '1.2 '],
]
const BEGINNINGS = [
  '',
  ' ',
  '\tat ',
  'goroutine 1 ',
  '  File "',
  '{',
  '(',
  'A (',
  "thread '",
  ' --- End of ',
  '/',
]
const BYTES = 32_000
/**
 * A line of this size takes at most 20 ms if the time is linear in its size, and 2 s or more if it is
 * quadratic.
 */
const LIMIT_MS = 1000

test('no expression takes quadratic time in the length of a line', () => {
  const expressions: [name: string, test: (text: string) => boolean][] = [['begins like log', beginsLikeLog]]
  for (const [name, { probe, rules }] of Object.entries(TRACES))
    for (const regex of [probe, ...rules.map(([, regex]) => regex)])
      expressions.push([`${name} ${regex.source}`, (text) => regex.test(text)])
  const slow: string[] = []
  for (const beginning of BEGINNINGS)
    for (const unit of UNITS) {
      const text = beginning + unit.repeat(BYTES / unit.length)
      for (const [name, matches] of expressions) {
        const best = Math.min(...tries(() => matches(text)))
        if (best > LIMIT_MS) slow.push(`${name}: ${Math.round(best)} ms for ${beginning}${unit}`)
      }
    }
  expect(slow).toEqual([])
}, 300_000)

/** Yields the duration of each attempt in milliseconds, up to the first within the limit. */
function* tries(run: () => void): Generator<number> {
  for (let n = 0; n < 3; n++) {
    const start = performance.now()
    run()
    const ms = performance.now() - start
    yield ms
    if (ms <= LIMIT_MS) return
  }
}
