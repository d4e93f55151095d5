import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { type Captures, checkTemplate, TagText, Template } from '../../../src/lib/records/template.ts'
import { matcherOf } from '../../../src/lib/regex/line-matcher.ts'
import { translateOnigmo } from '../../../src/lib/regex/onigmo.ts'

const RECORD = { on: '1', s: 'txt', i: 5, f: 1.5, b: true, n: null, m: { k: 'v' }, l: [1], e: '' }

/** Returns the text, or undefined when something is missing. */
function textOf(
  template: string,
  tag = 't',
  record: unknown = RECORD,
  captures?: Captures,
): string | undefined {
  const buf = Buffer.from(encode(record, { useBigInt64: true }))
  const out = new JsonText()
  const compiled = Template.parse(template, { captures: true })
  const isComplete = compiled.write(out, new TagText().set(tag), buf, 0, buf.length, captures)
  expect(isComplete || out.at === 0).toBe(true)
  return isComplete ? out.bytes().toString() : undefined
}

function capturesOf(expression: string, text: string): Captures {
  const matcher = matcherOf(translateOnigmo(expression))
  const src = Buffer.from(text)
  matcher.match(src, 0, src.length)
  return { src, spans: matcher.spans }
}

describe('Template', () => {
  // The tags that fluent-bit makes of them.
  test.each([
    ['x.$s', 'x.txt'],
    ['x.$i', 'x.5'],
    ['x.$f', 'x.1.500000'],
    ['x.$b', 'x.true'],
    ['x.$n', 'x.null'],
    ['x.$e.y', 'x..y'],
    ["x.$m['k'].y", 'x.v.y'],
    ['x.$s.$i', 'x.txt.5'],
    ['$TAG.$s', 't.txt'],
    ['x.$l[0]', 'x.1'],
    ['new-tag_x/y', 'new-tag_x/y'],
  ])('%s is %s as in fluent-bit', (template, expected) => {
    expect(textOf(template)).toBe(expected)
  })

  // fluent-bit cuts the first away, and leaves an empty text for the others.
  test.each([
    ['x$s-y', 'xtxt-y'],
    ['x$sy', undefined],
    ['x.$s_y', undefined],
    ['x.$gone', undefined],
    ['$gone.x', undefined],
    ['x.$TAG[7]', undefined],
    ['x.$m', undefined],
    ['x.$l', undefined],
  ])('%s is %p, which is better than in fluent-bit', (template, expected) => {
    expect(textOf(template)).toBe(expected)
  })

  test('$TAG is the tag and $TAG[n] a part of it', () => {
    expect(textOf('x.$TAG', 'app.web.1')).toBe('x.app.web.1')
    expect(textOf('$TAG[1]-$TAG[0]/$TAG[2]', 'app.web.1')).toBe('web-app/1')
    expect(textOf('$TAG[1].', 'app..1')).toBe('.')
    expect([textOf('$TAG[0]', ''), textOf('$TAG[1]', '')]).toEqual(['', undefined])
  })

  test('$0 to $9 are the groups of the expression, one digit each', () => {
    expect(textOf('cap.$1.$2.$0', 't', RECORD, capturesOf('^(.)-(\\d)', 'x-1'))).toBe('cap.x.1.x-1')
    expect(textOf('a$1b$2c', 't', RECORD, capturesOf('^(x)-(1)$', 'x-1'))).toBe('axb1c')
    expect(textOf('$10', 't', RECORD, capturesOf('^(x)', 'x'))).toBe('x0')
  })

  test('a group that did not take part in the match is missing, as is one that the expression does not have', () => {
    const captures = capturesOf('^(x)(y)?-.*$', 'x-1')
    expect([textOf('$1', 't', {}, captures), textOf('$2', 't', {}, captures)]).toEqual(['x', undefined])
    expect([textOf('$9', 't', {}, captures), textOf('$1', 't', {})]).toEqual([undefined, undefined])
  })

  test('integers keep all their digits, and bytes stay as they are', () => {
    expect(textOf('$n', 't', { n: 2n ** 64n - 1n })).toBe('18446744073709551615')
    expect(textOf('$n', 't', { n: -(2n ** 63n) })).toBe('-9223372036854775808')
    const buf = Buffer.from('81a161c402ff22', 'hex')
    const out = new JsonText()
    Template.parse('$a').write(out, new TagText(), buf, 0, buf.length)
    expect(out.bytes().toString('hex')).toBe('ff22')
    expect(textOf('$f', 't', { f: Number.NaN })).toBeUndefined()
    expect(textOf('$f', 't', { f: 1e22 })).toBe('10000000000000000000000.000000')
  })

  test('isPerTag is true when nothing depends on the record', () => {
    expect(
      ['x', 'x.$TAG[1].$TAG', '$a', '$TAG.$1'].map(
        (text) => Template.parse(text, { captures: true }).isPerTag,
      ),
    ).toEqual([true, true, false, false])
  })

  test.each([
    ['$', 'there is no key after "$" at character 1'],
    ['a.$.b', 'there is no key after "$" at character 3'],
    ["$['a']", `there is no key after "$" at character 1`],
    [
      '$a[x]',
      '"$a[x]" is not a record accessor: in the bracket at character 3 must be a number, or a key in quotation marks',
    ],
    ['$TAG[-1]', '"$TAG[-1]" is not a record accessor: the index at character 5 is negative'],
    ["$TAG['a']", `a part of $TAG is named by one number: $TAG[1]`],
    ['x.$1', '$1 is a group of an expression, of which there is none here'],
  ])('%s is refused with what is wrong', (text, reason) => {
    expect(checkTemplate(text)?.reason).toBe(reason)
  })
})
