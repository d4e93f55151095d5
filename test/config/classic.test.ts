import { describe, expect, test } from 'bun:test'
import { ClassicText } from '../../src/config/classic.ts'
import { emptyTree, type Tree } from '../../src/config/config-tree.ts'
import { formatLocation } from '../../src/core/error.ts'
import { fc } from '../support/property.ts'

function read(text: string): Tree & { included: string[] } {
  const included: string[] = []
  const tree = emptyTree()
  // Without a promise from an include the text is read when the call returns.
  void new ClassicText('a.conf', 'main', tree, (pattern) => void included.push(pattern)).read(text)
  return { ...tree, included }
}
const problems = (text: string): string[] =>
  read(text).problems.map((p) => `${formatLocation(p.location)}: ${p.message}`)
const pairs = (tree: Tree): string[][] =>
  tree.sections.map((s) => [s.name, ...s.properties.map((e) => `${e.key}=${e.value}`)])

describe('the classic format', () => {
  test('consists of sections with entries, each with its location', () => {
    const tree = read('[SERVICE]\n    Flush 1\n\n[INPUT]\n  Name    tail\n  Path  /a b.log  \n')
    expect(pairs(tree)).toEqual([
      ['SERVICE', 'Flush=1'],
      ['INPUT', 'Name=tail', 'Path=/a b.log'],
    ])
    const path = tree.sections[1]?.properties[1]
    expect(formatLocation(tree.sections[1]?.location)).toBe('a.conf:4:1')
    expect(formatLocation(path?.location)).toBe('a.conf:6:3')
    expect(formatLocation(path?.valueLocation)).toBe('a.conf:6:9')
    expect(tree.problems).toEqual([])
  })

  test('accepts CRLF, tabs, a byte order mark, and no newline at the end', () => {
    const tree = read('\uFEFF[INPUT]\r\n\tName\ttail\r\n\r\n\tTag app')
    expect(pairs(tree)).toEqual([['INPUT', 'Name=tail', 'Tag=app']])
    expect(tree.problems).toEqual([])
  })

  test('has comments only on their own lines', () => {
    expect(pairs(read('# a\n[INPUT]\n    # b\n#c\n    Name tail # d\n'))).toEqual([
      ['INPUT', 'Name=tail # d'],
    ])
  })

  test('keeps repeated keys in order and quotes unchanged', () => {
    expect(pairs(read('[FILTER]\n  Record a "b c"\n  Record d e\n'))).toEqual([
      ['FILTER', 'Record=a "b c"', 'Record=d e'],
    ])
  })

  test('sets variables and includes files in column 1, also between entries', () => {
    const tree = read('@SET A=b c\n@include x/*.conf\n[INPUT]\n    Name tail\n@INCLUDE y.conf\n    Tag a\n')
    expect([...tree.variables]).toEqual([['A', 'b c']])
    expect(tree.included).toEqual(['x/*.conf', 'y.conf'])
    expect(pairs(tree)).toEqual([['INPUT', 'Name=tail', 'Tag=a']])
  })

  test('reads a deeper section as a group, and entries after it', () => {
    const tree = read('[INPUT]\n  Name tail\n  [PROCESSOR]\n    Rule a\n    Rule b\n  Tag x\n')
    expect(pairs(tree)).toEqual([['INPUT', 'Name=tail', 'Tag=x']])
    expect(tree.sections[0]?.groups.map((g) => [g.name, g.properties.length])).toEqual([['PROCESSOR', 2]])
    expect(tree.problems).toEqual([])
  })
})

describe('an indent of the classic format', () => {
  test('may be twice that of the first property', () => {
    expect(problems('[INPUT]\n  Name tail\n    Path a\n\tTag b\n')).toEqual([
      'a.conf:4:2: indented by 1 tab, but the first property here by 2 blanks',
    ])
  })

  test('may be that of the first section', () => {
    expect(problems('[SERVICE]\n  Flush 1\n[INPUT]\n    Name tail\n  Path a\n')).toEqual([])
    expect(problems('[SERVICE]\n    Flush 1\n[INPUT]\n  Name tail\n        Path a\n')).toEqual([])
  })
})

describe('a mistake in the classic format', () => {
  test('is reported with line and column, all of them together', () => {
    expect(
      problems('Name x\n[INPUT]\n    Name tail\n  Path /a\n    Tag\nDB a.db\n[OUTPUT\n@LOAD x\n@SET A\n'),
    ).toEqual([
      'a.conf:1:1: "Name" is outside of any section',
      'a.conf:4:3: indented by 2 blanks, but the first property here by 4 blanks',
      'a.conf:5:5: "Tag" has no value',
      'a.conf:6:1: "DB" must be indented',
      'a.conf:7:1: "[OUTPUT" is not a section header like [INPUT]',
      'a.conf:8:1: unknown command "@LOAD"',
      'a.conf:9:1: @SET needs NAME=value, not "A"',
    ])
  })

  test('shows nothing of a line that may be a secret', () => {
    const lines = [
      'rdkafka.sasl.password hunter2',
      'password=hunter2',
      '[OUTPUT hunter2',
      '@SET PASSWORD hunter2',
      '@PASSWORD hunter2',
    ]
    for (const line of lines) {
      const texts = [line, `[OUTPUT]\n    Name x\n${line}`, `[OUTPUT]\n    Name x\n    ${line}\n  ${line}`]
      for (const text of texts) expect([text, ...problems(text)].slice(1).join('\n')).not.toContain('hunter2')
    }
    expect(problems('[OUTPUT]\n    Name x\n    password=hunter2\n')).toEqual([
      'a.conf:3:5: "password" has no value',
    ])
  })

  test('with tabs instead of blanks names both', () => {
    expect(problems('[INPUT]\n\tName tail\n    Path a\n \tTag b\n')).toEqual([
      'a.conf:3:5: indented by 4 blanks, but the first property here by 1 tab',
      'a.conf:4:3: indented by 2 tabs and blanks, but the first property here by 1 tab',
    ])
  })

  test('does not lose the entry', () => {
    expect(pairs(read('[INPUT]\n    Name tail\n  Path /a\n'))).toEqual([['INPUT', 'Name=tail', 'Path=/a']])
  })

  test('may be an indented command', () => {
    expect(problems('[INPUT]\n    @INCLUDE a.conf\n')).toEqual([
      'a.conf:2:5: @INCLUDE must begin in column 1',
    ])
  })
})

const word = fc.stringMatching(/^[A-Za-z][\w.]{0,8}$/)
const value = fc.stringMatching(/^[!-~]([ -~]{0,12}[!-~])?$/)
const section = fc.record({
  name: word,
  indent: fc.constantFrom(' ', '    ', '\t'),
  entries: fc.array(fc.tuple(word, value), { maxLength: 5 }),
})

test('formatted sections are parsed to the same sections', () => {
  fc.assert(
    fc.property(fc.array(section, { maxLength: 4 }), fc.constantFrom('\n', '\r\n'), (sections, end) => {
      const text = sections
        .flatMap((s) => [`[${s.name}]`, ...s.entries.map(([k, v]) => `${s.indent}${k}  ${v}`), '# c'])
        .join(end)
      const tree = read(text)
      expect(tree.problems).toEqual([])
      expect(pairs(tree)).toEqual(sections.map((s) => [s.name, ...s.entries.map(([k, v]) => `${k}=${v}`)]))
    }),
  )
})

test('no text makes the parser throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => void read(text)))
})
