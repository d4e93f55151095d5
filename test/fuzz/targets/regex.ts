import { ShipperError } from '../../../src/core/error.ts'
import { matcherOf } from '../../../src/lib/regex/line-matcher.ts'
import { translateOnigmo } from '../../../src/lib/regex/onigmo.ts'
import { kindOf, must, type Target } from '../target.ts'

/** Number of texts after which another way of matching may be used (a module); every expression is tried on so many. */
const MANY_TEXTS = 4100
const MAX_MANY_BYTES = 40
const MAX_TEXT_COPIES = 200

/** What a matcher says of a text; the result is a number (0: no match, 1: match, 2: gave up) or a boolean. */
function outcome(
  matcher: ReturnType<typeof matcherOf>,
  groups: number,
  text: Buffer,
  from: number,
  to: number,
): string {
  const result = Number(matcher.match(text, from, to))
  must(result === 0 || result === 1 || result === 2, () => `result ${result}`)
  if (result !== 1) return String(result)
  const spans = [...matcher.spans.subarray(0, groups * 2)].map((at) => (at < 0 ? -1 : at - from))
  for (let i = 0; i < spans.length; i += 2) {
    const [start = -1, end = -1] = [spans[i], spans[i + 1]]
    const isInside = start >= 0 && end >= start && end <= to - from
    must(
      isInside || (i > 0 && start === -1 && end === -1),
      () => `group ${i / 2} is ${start} to ${end} of ${to - from}`,
    )
  }
  return `1 ${spans.join()}`
}

/** Any expression ends on any text within the counted number of steps, with the same result each time. */
export const regex: Target = {
  name: 'regex',
  maxBytes: 300,
  maxMs: 1500,
  dictionary: [
    '(?<a>',
    ')',
    '(x+)+',
    '(?:',
    '|',
    '*',
    '+?',
    '++',
    '{2,5}',
    '{0,}',
    '[^"]',
    '[a-z\\d]',
    '[[:alpha:]]',
    '\\w+',
    '.*',
    '\\k<a>',
    '\\1',
    '(?=',
    '(?!',
    '(?<=',
    '(?<!',
    '(?>',
    '^',
    '$',
    '\\b',
    '\\A',
    '\\z',
    '\\R',
    '(?i)',
    '\\h',
    '&&',
    '\n',
    'aaaaaaaaaaaaaaaa',
    'xxxxxxxxxxxxxxxx!',
  ],
  seeds: () => [
    '^(?<a>(x+)+)$\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!',
    '^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "(?<method>\\S+)(?: +(?<path>.*?) +\\S*)?"\n1 - - [x] "GET / HTTP/1.1"',
    '(?<a>.*.*.*)=(?<b>.*)\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    '(?<q>["\'])(?<t>.*?)\\k<q>\nsay "it" and \'that\'',
    '^(?=.*\\d)(?!.*;)(?<a>\\w+)$\nabc1',
    '(?<=a)(?<b>b*)(?<!c)(?>x|xy)z\naabbxyz',
    '(?i)(?<m>error|warn(?:ing)?)\\b\nWARNING: x',
    '(?<a>(?:a?){20}a{20})\naaaaaaaaaaaaaaaaaaaa',
    '^(?<l>\\h+)\\R(?<m>[^\\n]*)\\z\n00ff\nrest',
    '(?<a>(?:()|a)*)(?:b*)*c\naaaabbb',
  ],
  run(input) {
    const newline = input.indexOf(10)
    const expression = input.toString('latin1', 0, newline < 0 ? input.length : newline)
    const text = newline < 0 ? Buffer.alloc(0) : input.subarray(newline + 1)
    try {
      const translated = translateOnigmo(expression)
      const groups = translated.names.length
      const matcher = matcherOf(translated)
      const alone = outcome(matcher, groups, text, 0, text.length)
      const padded = Buffer.concat([Buffer.from('xa\n'), text, Buffer.from('\nxa')])
      const within = outcome(matcher, groups, padded, 3, 3 + text.length)
      must(within === alone, () => `alone ${alone}, in a longer text ${within}`)
      const long = Buffer.concat(
        Array.from(
          { length: Math.min(MAX_TEXT_COPIES, 1 + Math.floor(4000 / (text.length + 1))) },
          () => text,
        ),
      )
      const longOutcome = outcome(matcher, groups, long, 0, long.length)
      if (text.length <= MAX_MANY_BYTES && alone[0] !== '2') checkLater(matcher, groups, text, alone)
      return `${alone[0]} ${longOutcome[0]} ${groups} ${expression.replaceAll(/[\w\s]/g, '').slice(0, 5)}`
    } catch (error) {
      if (!(error instanceof ShipperError)) throw error
      return kindOf(error)
    }
  },
}

function checkLater(
  matcher: ReturnType<typeof matcherOf>,
  groups: number,
  text: Buffer,
  first: string,
): void {
  for (let i = 0; i < MANY_TEXTS; i++) matcher.match(text, 0, 0)
  const later = outcome(matcher, groups, text, 0, text.length)
  must(later === first, () => `the first time ${first}, later ${later}`)
}
