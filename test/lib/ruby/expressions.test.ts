import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { RubyRefusal } from '../../../src/lib/ruby/ast.ts'
import { compileRuby } from '../../../src/lib/ruby/compile.ts'
import { RubyFailure } from '../../../src/lib/ruby/failure.ts'
import { parseInterpolated, parseRuby } from '../../../src/lib/ruby/parse.ts'
import { fc } from '../../support/property.ts'
import { bytesOf, evaluated, scopeOf } from '../../support/ruby.ts'

/** What Ruby 3.4 made of each expression: a value, or null and the message of the exception. */
const FIXTURE = resolve(import.meta.dirname, '../../fixtures/ruby/expressions.json')
const { record, tag, cases } = JSON.parse(readFileSync(FIXTURE, 'utf8')) as {
  record: object
  tag: string
  cases: [string, unknown, string?][]
}

/** Messages are logged, so that they leave out the values that Ruby's have. */
function withoutValues(message: string): string {
  return message
    .replace(/^key not found: .*/, 'key not found')
    .replace(/^(comparison of \w+ with) \d+ failed/, '$1 Integer failed')
    .replace(/^index -?\d+ outside/, 'index outside')
}

// A missing third item would become the callback of the test.
const rows = cases.map(([expression, value, error = '']): [string, unknown, string] => [
  expression,
  value,
  error,
])

test.each(rows)('%s has the value that Ruby gives it', (expression, value, error) => {
  if (error === '') expect(evaluated(expression, record, tag)).toEqual(value)
  else expect(() => evaluated(expression, record, tag)).toThrow(withoutValues(error))
})

test('a float stays a float, and an integer of 64 bits an integer', () => {
  expect(bytesOf('1.0').toString('hex')).toBe('cb3ff0000000000000')
  expect(bytesOf('1').toString('hex')).toBe('01')
  expect(bytesOf('18446744073709551615').toString('hex')).toBe('cfffffffffffffffff')
  expect(bytesOf('-9223372036854775808').toString('hex')).toBe('d38000000000000000')
  expect(() => bytesOf('18446744073709551616')).toThrow('more than 64 bits')
})

test('reads integers of a record exactly', () => {
  const bytes = Buffer.from('81a16ecfffffffffffffffff', 'hex')
  expect(evaluated('record["n"] - 1', bytes)).toBe(18446744073709551614n)
  expect(evaluated('record["n"].to_s', bytes)).toBe('18446744073709551615')
})

test('a value that is not changed keeps its bytes: maps, lists and extension values', () => {
  // {"k": {"a": bin, "a": 1}, "e": ext type 5}
  const bytes = Buffer.from('82a16b82a161c402ff00a16101a165d40599', 'hex')
  expect(bytesOf('record["k"] || 1', bytes).toString('hex')).toBe('82a161c402ff00a16101')
  expect(bytesOf('record["none"] || record["e"]', bytes).toString('hex')).toBe('d40599')
  expect(() => bytesOf('record["e"].to_s', bytes)).toThrow('an extension value has no text')
  expect(evaluated('record["k"]["a"]', bytes)).toBe(1)
})

test('bytes that are not UTF-8 stay as they are', () => {
  const bytes = Buffer.concat([Buffer.from('81a16ca5', 'hex'), Buffer.from('a\xff\xe9, ', 'latin1')])
  expect(bytesOf('record["l"]', bytes).subarray(1).toString('latin1')).toBe('a\xff\xe9, ')
  expect(bytesOf('record["l"].strip.upcase + "é"', bytes).subarray(1).toString('latin1')).toBe(
    `A\xff\xe9,${Buffer.from('é').toString('latin1')}`,
  )
  expect(bytesOf('record["l"].gsub(/,/, ";").split(";")[0]', bytes).subarray(1).toString('latin1')).toBe(
    'a\xff\xe9',
  )
  expect(evaluated('record["l"].length', bytes)).toBe(5)
  expect(evaluated('record["l"].inspect', bytes)).toBe('"a\\xFF\\xE9, "')
  expect(evaluated('record["l"].scrub("?")', bytes)).toBe('a??, ')
})

test('of several fields with one key the last one counts', () => {
  const bytes = Buffer.from('83a16101a16202a16103', 'hex')
  expect(evaluated('record["a"]', bytes)).toBe(3)
  expect(evaluated('record.size', bytes)).toBe(2)
  expect(evaluated('record.to_s', bytes)).toBe('{"a"=>3, "b"=>2}')
})

test('knows the tag, the host, the environment and the time', () => {
  expect(evaluated('[tag, tag_parts, tag_prefix, tag_suffix]', {}, 'a.b..')).toEqual([
    'a.b..',
    ['a', 'b'],
    ['a', 'a.b'],
    ['a.b', 'b'],
  ])
  expect(evaluated('hostname + Socket.gethostname')).toBe('web-1web-1')
  expect(evaluated('ENV["REGION"] || "us"')).toBe('eu')
  expect(evaluated('[ENV["NONE"], ENV.fetch("NONE", 1), ENV.fetch("EMPTY")]')).toEqual([null, 1, ''])
  expect(() => evaluated('ENV.fetch("NONE")')).toThrow('key not found: "NONE"')
  expect(evaluated('Time.now.utc.iso8601(1)')).toBe('2023-11-14T22:13:21.5Z')
  expect(evaluated('time.utc')).toBe('2023-11-14 22:13:20 UTC')
})

test('writes JSON', () => {
  expect(evaluated('record.to_json', { a: [1, null, 'é"'], b: 1.5 })).toBe('{"a":[1,null,"é\\""],"b":1.5}')
  expect(evaluated('["a", nil, 1].to_json')).toBe('["a",null,1]')
})

test('reads JSON', () => {
  expect(evaluated('JSON.parse(record["log"])["a"][1]["b"]', { log: ' {"a": [1, {"b": 1.0}]} ' })).toBe(1)
  expect(evaluated('JSON.parse(record["log"])', { log: '{"a":[1,{"b":null}]}' })).toEqual({
    a: [1, { b: null }],
  })
  expect(evaluated('JSON.parse(record["log"])["a"] rescue nil', { log: 'text {' })).toBe(null)
  expect(() => evaluated('JSON.parse("{} x")')).toThrow('is not JSON')
  expect(() => evaluated('JSON.parse(record["none"])')).toThrow('no implicit conversion of nil into String')
  expect(evaluated('JSON.generate(record)', { a: 1 })).toBe('{"a":1}')
})

test.each([
  'JSON.parse(record["t"])',
  'Time.parse(record["t"])',
  'record.fetch(record["t"])',
  '[1].fetch(record["n"])',
  "'a' < record['n']",
  'time.getlocal(record["t"])',
  '"a".tr(record["r"], "x")',
  'record["n"].to_s(record["n"])',
  '"a".encode(record["t"])',
  'record["n"] * 4294967296 * 4294967296 * 4294967296',
])('the failure of %s does not say what the record has', (expression) => {
  const fields = { t: 'hunter2', n: 31337, r: 'z-hunter2' }
  let message = ''
  try {
    evaluated(expression, fields)
  } catch (error) {
    if (error instanceof RubyFailure) message = error.message
  }
  expect(message).not.toMatch(/^$|hunter2|31337|z-h/)
})

test('reads and moves times', () => {
  expect(evaluated('Time.parse("2026-11-21T06:00:00.5+01:00").to_f')).toBe(1795237200.5)
  expect(evaluated('Time.parse(record["t"]).utc.iso8601', { t: '2026-11-21 05:00:00Z' })).toBe(
    '2026-11-21T05:00:00Z',
  )
  expect(() => evaluated('Time.parse("yesterday")')).toThrow('a text of 9 bytes is not a time as in RFC 3339')
  expect(evaluated('time.getlocal("+05:30").strftime("%F %T %z")')).toBe('2023-11-15 03:43:20 +0530')
  expect(evaluated('Time.at(0).localtime("-03:00")')).toBe('1969-12-31 21:00:00 -0300')
  expect(() => evaluated('time.getlocal("Tokyo")')).toThrow('utc_offset')
})

test('an expression may be matched from the left, too', () => {
  const record = { message: 'x {"a": 1} y' }
  expect(evaluated('/.*?(\\{.*\\})/m.match(record["message"])[1]', record)).toBe('{"a": 1}')
  expect(evaluated('record["message"].match(/\\{.*\\}/m)&.to_s', record)).toBe('{"a": 1}')
  expect(evaluated('[/y/ =~ record["message"], /z/ =~ record["none"], /Y/i.match?("y")]', record)).toEqual([
    11,
    null,
    true,
  ])
})

test('knows if with semicolons and line feeds', () => {
  const text =
    'if record["log"] && record["log"].include?("ERROR"); record["log"].include?("valid") ? "v" : "g"; else; ""; end'
  expect(evaluated(text, { log: 'ERROR valid' })).toBe('v')
  expect(evaluated(text, {})).toBe('')
  expect(evaluated('if record["a"]\n  1\nelsif record["b"]\n  2\nelse\n  3\nend', { b: 1 })).toBe(2)
})

test('lists and maps in text look as in Ruby before 3.4', () => {
  expect(evaluated('"#{record["m"]}"', { m: { a: 1, b: [null, 'x\n#{y}'] } })).toBe(
    '{"a"=>1, "b"=>[nil, "x\\n\\#{y}"]}',
  )
})

test('skips a require', () => {
  expect(evaluated('require "json"; record.to_json')).toBe('{}')
})

test('text with placeholders is a string with interpolations', () => {
  const value = (text: string): unknown =>
    compileRuby(parseInterpolated(text), { environment: {} })(scopeOf({ a: 'x', b: { c: 1 } }))
  expect(value('#{record["a"]}-#{record["b"]["c"]}]')).toBe('x-1]')
  expect(value('say "hi" \\n #{"}"} \\#{x} #')).toBe('say "hi" \n } #{x} #')
  expect(value('')).toBe('')
})

/** Expression, what of it is refused, the character at which that begins, and a part of the hint. */
const REFUSED: [string, string, number, string][] = [
  ['a = 1', 'the assignment "="', 3, ''],
  ['message', 'the name "message"', 1, 'write record["message"] for a field; known are record, tag'],
  ['record["a"] = 1', 'the assignment "="', 13, ''],
  ['record["a"] += 1', 'the assignment "+="', 13, ''],
  ['record.each { |k, v| v }', 'a block of "each"', 13, 'only indexing'],
  ['record.map(&:x)', '"&"', 12, ''],
  ['record["a"].upcase!', 'the method "upcase!"', 13, 'write upcase'],
  ['record.delete("a")', 'the method "delete"', 8, 'Remove_Keys'],
  ['tag.first', 'the method "first"', 5, ''],
  ['record["a"].upcasse', 'the method "upcasse"', 13, 'did you mean upcase?'],
  ['recrod["a"]', 'the name "recrod"', 1, 'did you mean record?'],
  ['`id`', 'a command between backquotes', 1, ''],
  ['system("id")', 'the function "system"', 1, ''],
  ['eval("1")', 'the function "eval"', 1, ''],
  ['File.read("/etc/passwd")', 'File.read', 1, ''],
  ['Kernel', 'the constant Kernel', 1, ''],
  ['A::B', '"::"', 2, ''],
  ['1; 2', 'more than one statement', 2, ''],
  ['1\n2', 'more than one statement', 2, ''],
  ['$1', 'the variable "$..."', 1, ''],
  ['@a', 'the variable "@..."', 1, ''],
  ['record[:a]', 'a symbol', 8, 'write "name"'],
  ['{"a" => 1}', 'a block or hash, "{"', 1, ''],
  ['"a', 'a string without its closing "', 1, ''],
  ['/a', 'a regular expression without its closing slash', 1, ''],
  ['"a" =~ /(/', 'the regular expression /(/', 8, ''],
  ['"a".sub(/#{tag}/, "")', 'an interpolation in a regular expression', 10, ''],
  ['record["a"', 'an expression that ends too early', 11, ''],
  ['', 'an expression that ends too early', 1, ''],
  ['1 +', 'an expression that ends too early', 4, ''],
  ['(1', 'an expression that ends too early', 3, ''],
  ['"a".sub("b")', '"sub" with 1 arguments', 5, ''],
  ['record["a"].sub "b", "c"', 'an argument of "sub" without parentheses', 17, 'write sub(...)'],
  ['while true do end', '"while"', 1, ''],
  ['def x; end', '"def"', 1, ''],
  ['-> { 1 }', '"->"', 1, ''],
  ['017', 'the octal number 017', 1, 'decimal'],
  ['2 ** 100', '"**"', 3, ''],
  ['"a" << "b"', '"<<"', 5, ''],
  ['time.is_a?(Foo)', 'the class Foo', 12, ''],
  ['__send__', 'the name "__send__"', 1, ''],
  ['record.send("x")', 'the method "send"', 8, ''],
  ['record.constructor', 'the method "constructor"', 8, ''],
  ['record.__proto__', 'the method "__proto__"', 8, ''],
  ['hasOwnProperty', 'the name "hasOwnProperty"', 1, ''],
]

test.each(REFUSED)('%j is refused with its place', (text, what, character, hint) => {
  let refusal: unknown
  try {
    compileRuby(parseRuby(text), { environment: {} })
  } catch (error) {
    refusal = error
  }
  expect(refusal).toBeInstanceOf(RubyRefusal)
  const { message, character: at, hint: given } = refusal as RubyRefusal
  expect(message).toStartWith(what)
  expect(at).toBe(character)
  expect(given).toContain(hint)
})

test('an expression is limited in length and depth', () => {
  expect(() => parseRuby(`"${'a'.repeat(10_000)}"`)).toThrow('10002 characters, more than 10000')
  for (const text of [
    `${'('.repeat(200)}1${')'.repeat(200)}`,
    `${'!'.repeat(200)}1`,
    `${'- '.repeat(200)}1`,
    `${'['.repeat(200)}1${']'.repeat(200)}`,
    `1${' + 1'.repeat(200)}`,
    `tag${'.to_s'.repeat(200)}`,
    `tag${'[0]'.repeat(200)}`,
    `${'true ? 1 : '.repeat(200)}1`,
    `${'"#{'.repeat(200)}1${'}"'.repeat(200)}`,
    `${'not '.repeat(200)}1`,
  ])
    expect(() => parseRuby(text)).toThrow('more than 100 levels')
})

test('the strings that expressions make of a record are limited', () => {
  const failing = [
    '"a" * 2000000',
    `${'("a" * 300000) + '.repeat(5)}"x"`,
    '("a" * 1000).gsub(/./, "b" * 10000)',
    '("a" * 1000).gsub("a", "b" * 10000)',
    '"a".ljust(100000000)',
    '("a," * 200000).split(",").join("-" * 100)',
    '("a" * 900000).chars.size',
    '"#{"a" * 600000}#{"a" * 600000}"',
    '("a" * 2000000) rescue "x"',
  ]
  for (const text of failing) expect(() => evaluated(text)).toThrow('are too long')
  expect(() => evaluated(`("9" * 5000).to_i`)).toThrow('too many digits')
})

test('a regular expression stops after Regex_Step_Limit', () => {
  const text = { a: `${'x'.repeat(3000)}!` }
  expect(() => evaluated('record["a"].gsub(/^(x*)*$/, "")', text)).toThrow('takes too many steps')
  expect(evaluated('record["a"].gsub(/^(x*)*$/, "") rescue "limit"', text)).toBe('limit')
})

const WORDS = fc.constantFrom(
  ...'record ["a"] .dig("b",0) .fetch("a",1) tag tag_parts [0] [1..-1] [-1] .join(".") || && ! == + - * / % ? : ( ) [ ] , . &. "x" \'y\' "#{tag}" /a+/ =~ .gsub(/a/,"b") .split(",") .upcase .to_s .to_i nil true 1 2.5 if then else end unless rescue not or .. time .strftime("%Y") ENV \n ; { } | = < > %w[a] "#{ " \' / \\ .x Time .at(1) .size .nil? .to_json'.split(
    ' ',
  ),
)

test('property: an expression is refused, fails on the record or has a value, and nothing else happens', () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(WORDS, { maxLength: 14 }).map((words) => words.join(' ')),
    fc.array(WORDS, { maxLength: 14 }).map((words) => words.join('')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      try {
        bytesOf(text, { a: 'aXa,b', b: [1, { c: null }] })
      } catch (error) {
        expect(error instanceof RubyRefusal || error instanceof RubyFailure).toBe(true)
      }
    }),
    { numRuns: 3000 },
  )
})
