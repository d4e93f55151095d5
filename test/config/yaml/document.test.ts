import { describe, expect, test } from 'bun:test'
import { read, shapeOf } from './reading.ts'

const service = async (value: string): Promise<string | undefined> => {
  const { tree, problems } = await read(`service:\n  a: ${value}\n`)
  expect(problems).toEqual([])
  return tree.sections[0]?.properties[0]?.value
}

describe('a scalar is a text as written', () => {
  test.each([
    ['on', 'on'],
    ['Off', 'Off'],
    ['yes', 'yes'],
    ['true', 'true'],
    ['null', 'null'],
    ['~', '~'],
    ['0x1F', '0x1F'],
    ['010', '010'],
    ['1_000', '1_000'],
    ['1.50', '1.50'],
    ['.5', '.5'],
    ['2001-01-01', '2001-01-01'],
    ['!!int 5', '5'],
    ["'it''s'", "it's"],
    ['"a\\tb"', 'a\tb'],
    ['a b # comment', 'a b'],
    ['', ''],
    ['"${X}"', '${X}'],
  ])('%p', async (written, text) => {
    expect(await service(written)).toBe(text)
  })

  test('of several lines keeps them, and one of one line has no line end', async () => {
    expect(await service('|\n    if x then\n      y\n    end')).toBe('if x then\n  y\nend\n')
    expect(await service('>\n    one\n    two')).toBe('one two')
    expect(await service('|\n    one')).toBe('one')
    expect(await service('|+\n    one\n\n')).toBe('one\n\n\n')
  })
})

describe('a location', () => {
  test('of a property is that of its key, and each item of a list has its own', async () => {
    const { tree } = await read('service:\n  a: x\n  b:\n    - y\n    - z\n')
    const at = tree.sections[0]?.properties.map(({ location, valueLocation: value }) => [
      `${location.line}:${location.col}`,
      `${value.line}:${value.col}`,
    ])
    expect(at).toEqual([
      ['2:3', '2:6'],
      ['3:3', '4:7'],
      ['3:3', '5:7'],
    ])
  })

  test('counts lines that end with CRLF, and a byte order mark takes no column', async () => {
    const { tree } = await read('\ufeffservice:\r\n  a: x\r\n')
    expect(tree.sections[0]?.location).toEqual({ file: 'a.yaml', line: 1, col: 1 })
    expect(tree.sections[0]?.properties[0]).toMatchObject({ value: 'x', valueLocation: { line: 2, col: 6 } })
  })
})

describe('a key', () => {
  test('may be there twice', async () => {
    expect(await shapeOf('service:\n  a: x\n  a: y\n')).toEqual(['SERVICE{a=x a=y}'])
  })

  test('that is a list is a problem', async () => {
    expect((await read('service:\n  ? [a]\n  : b\n')).problems).toEqual([
      '2:5: a key must be a string, not a list',
    ])
  })
})

describe('aliases', () => {
  test('stand for values, maps and keys', async () => {
    const text = 'x: &x {a: &v b}\nservice: *x\nparsers:\n  - name: *v\n'
    expect(await shapeOf(text)).toEqual(['SERVICE{a=b}', 'PARSER{name=b}'])
  })

  test('merge maps with <<, whose own keys win', async () => {
    const text = 'x: &x\n  a: 1\n  b: 2\n  b: 3\nservice:\n  <<: *x\n  a: 4\n'
    expect(await shapeOf(text)).toEqual(['SERVICE{a=4 b=2 b=3}'])
    const two = 'x: &x {a: 1}\ny: &y {a: 2, b: 3}\nservice: {<<: [*x, *y]}\n'
    expect(await shapeOf(two)).toEqual(['SERVICE{a=1 b=3}'])
  })

  test('without an anchor, or of what contains them, are a problem with a hint', async () => {
    const { problems, hints } = await read('service:\n  match: *.log\n')
    expect(problems).toEqual(['2:10: the alias *.log has no anchor &.log before it'])
    expect(hints).toEqual(["if it is no alias, put it in quotation marks: '*.log'"])
    expect((await read('service: &a\n  a: *a\n')).problems).toHaveLength(1)
  })
})

describe('what is not valid YAML has a location and says what to do', () => {
  test.each([
    ['service:\n  a: *\n', '2:6: not valid YAML: an alias needs a name after *', "'*'"],
    ['service:\n\ta: b\n', '2:1: not valid YAML: a tab cannot indent a line', 'blanks'],
    ['service:\n  a: %d\n', '2:6: not valid YAML: a value cannot begin with this character', 'quotation'],
    ['service:\n  a: "\\d"\n', '2:7: not valid YAML: this escape is not known in double', 'single quotation'],
    ['service:\n  a: "x\n  b: y\n', '2:6: not valid YAML: the quotation mark is not closed', ''],
    ['service:\n  a: [a-z]+ x\n', '2:11: not valid YAML: this is not expected here', 'begins with [ or {'],
    ['service:\n  a: "x" y\n', '2:10: not valid YAML: this is not expected here', 'closing quotation mark'],
    ['service:\n  a: b: c\n', '2:6: not valid YAML: a second key on this line', 'quotation'],
    ['service:\n   a: b\n  c: d\n', '3:1: not valid YAML: the indent does not fit', 'same column'],
    ['pipeline: [\n', '2:1: not valid YAML: a [ or { is not closed', 'close it'],
    ['service:\n  a: b\n---\nservice:\n  a: c\n', '4:1: a second YAML document begins here', 'one document'],
    ['service:\n  a: \u0007\n', '2:6: control character U+0007', 'text'],
  ])('%p', async (text, message, hint) => {
    const { problems, hints, tree } = await read(text)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toStartWith(message)
    expect(hints[0]).toContain(hint)
    expect(tree.sections).toEqual([])
  })

  test('and the text, which may be a secret, is not in the message', async () => {
    for (const text of [
      'a: "x" hunter2\n',
      'a: b: hunter2\n',
      'a: [x] hunter2',
      '- a\nhunter2: b\n',
      'a: > hunter2',
    ])
      expect(JSON.stringify(await read(text).then(({ problems, hints }) => [problems, hints]))).not.toContain(
        'hunter2',
      )
  })

  test('empty documents around the only one are accepted', async () => {
    expect(await shapeOf('%YAML 1.1\n---\nservice:\n  a: b\n...\n')).toEqual(['SERVICE{a=b}'])
    expect(await shapeOf('')).toEqual([])
    expect(await shapeOf('# nothing\n')).toEqual([])
  })

  test('a tag without effect is a warning, those of YAML itself are not', async () => {
    const { tree, problems } = await read('service:\n  a: !foo b\n  c: !!str d\n  e: !!binary aGk=\n')
    expect(problems).toEqual([])
    expect(tree.warnings).toEqual([
      'a.yaml:2:11: the tag has no effect: values are taken as written',
      'a.yaml:4:15: the tag has no effect: values are taken as written',
    ])
    expect(tree.sections[0]?.properties.map(({ value }) => value)).toEqual(['b', 'd', 'aGk='])
  })
})

describe('a bomb is refused', () => {
  const repeat = (n: number, text: (i: number) => string): string =>
    Array.from({ length: n }, (_, i) => text(i)).join('')
  const bombs: Record<string, [text: string, message: string]> = {
    'nested 100,000 deep in brackets': [`a: ${'['.repeat(100_000)}`, 'nested more than 64 levels deep'],
    'nested in maps on one line': [`a: ${'{a: '.repeat(100_000)}`, 'nested more than 64 levels deep'],
    'nested in lists on one line': ['- '.repeat(100_000), 'nested more than 64 levels deep'],
    'nested by indents': [repeat(2000, (i) => `${' '.repeat(i)}a:\n`), 'nested more than 64 levels deep'],
    'ten levels of ten aliases': [
      `x: &a {k: v}\n${repeat(10, () => `y: &a {t: [${'*a, '.repeat(10)}]}\n`)}tests: [*a]\n`,
      'aliases repeat too many values',
    ],
    'a long list repeated': [
      `x: &a {r: [${'y,'.repeat(20_000)}]}\nparsers: [${'*a,'.repeat(20_000)}]\n`,
      'aliases repeat too many values',
    ],
    'merged again and again': [
      `x: &a {k: v}\n${repeat(9000, (i) => `x: &a {<<: *a, k${i}: v}\n`)}`,
      'too many values for a configuration',
    ],
    '5 MB of lines': ['a: b\n'.repeat(1_000_000), 'too long for a configuration'],
    '5 MB of empty lines': ['\n'.repeat(5_000_000), 'too long for a configuration'],
  }
  for (const [name, [text, message]] of Object.entries(bombs))
    test(name, async () => {
      const { problems } = await read(text)
      expect(problems.length).toBeLessThan(20)
      expect(problems.at(-1)).toEndWith(message)
    })

  test('a line of 1 MB is read', async () => {
    const { tree, problems } = await read(`service:\n  a: '${'x'.repeat(1_000_000)}'\n  b: c\n`)
    expect(problems).toEqual([])
    expect(tree.sections[0]?.properties.map(({ value }) => value.length)).toEqual([1_000_000, 1])
  })

  test('the number of problems is limited', async () => {
    expect((await read(`parsers:\n${'- x\n'.repeat(1000)}`)).problems).toHaveLength(101)
  })
})

test('an anchor without a value is a problem that says to quote it', async () => {
  const { problems, hints } = await read('service:\n  a: &foo\n  b: &bar x\n  c: *bar\n')
  expect(problems).toEqual(['2:10: &foo is an anchor of YAML without a value'])
  expect(hints).toEqual(["for this text quote it: '&foo'"])
})

test.each([
  ['p:\n  - a: b\n   c: d\n', '3:4', 4, 5],
  ['p:\n  i:\n    - name: x\n      path: y\n     tag: app\n', '5:6', 6, 7],
  ['p:\n  - a: b\n  c: d\n', '3:3', 3, 5],
])(
  'a key of a list item in another column is named with both columns: %p',
  async (text, at, column, expected) => {
    const { problems } = await read(text)
    expect(problems).toEqual([
      `${at}: not valid YAML: this key begins in column ${column}, but those of the list item above in column ${expected}`,
    ])
  },
)

test('a match or a tag without a value is a problem, as in the classic format', async () => {
  const stage = (line: string): string => `pipeline:\n  outputs:\n    - name: a\n      ${line}\n`
  for (const key of ['match', 'Match_Regex', 'tag'])
    expect((await read(stage(`${key}:`))).problems).toEqual([`4:7: "${key}" has no value`])
  expect((await read(stage("match: ''"))).problems).toEqual(['4:7: "match" has no value'])
  expect((await read(stage("match: '${UNSET}'"))).problems).toEqual([])
})
