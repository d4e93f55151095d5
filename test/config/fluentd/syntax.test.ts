import { describe, expect, test } from 'bun:test'
import { hostname } from 'node:os'
import { elements } from './reading.ts'

const IN = (value: string): string => `<match a>\n  key ${value}\n</match>\n`

/** Reads one value, which must have no problem. */
function value(text: string, env = {}): string | undefined {
  const { plain, reported } = elements(IN(text), env)
  expect(reported).toEqual([])
  return (plain['match a'] as Record<string, string>).key
}

describe('sections', () => {
  test('are nested, and have arguments and attributes', () => {
    const { plain, reported } = elements(
      '<source>\n  @type tail\n  <parse>\n    @type json\n  </parse>\n</source>\n<match a.** b.{c,d}>\n  type null\n</match>\n',
    )
    expect(reported).toEqual([])
    expect(plain).toEqual({
      source: { '@type': 'tail', parse: { '@type': 'json' } },
      'match a.** b.{c,d}': { type: 'null' },
    })
  })

  test('are read with CRLF, tabs, a byte order mark, comments and blanks around names', () => {
    const { plain, reported } = elements(
      '\ufeff# first\r\n< match a  >\t# why\r\n\ttype\tnull # really\r\n\r\n  # all\r\n</ match >\r\n'
        .replace('< match', '<match')
        .replace('</ match', '</match'),
    )
    expect(reported).toEqual([])
    expect(plain).toEqual({ 'match a': { type: 'null' } })
  })

  test('may have an argument in quotation marks, with an expression', () => {
    const { plain } = elements('<match "#{ENV[\'P\']}.**">\n</match>\n', { P: 'app' })
    expect(plain).toEqual({ 'match app.**': {} })
  })

  test('without an end are reported at their beginning', () => {
    const { reported } = elements('<label @A>\n  <match **>\n    @type null\n')
    expect(reported).toEqual(['f.conf:2:3: <match> has no end', 'f.conf:1:1: <label> has no end'])
  })

  test('that end in the wrong order are reported with both places', () => {
    const { reported, plain } = elements('<match a>\n  <store>\n    x 1\n</match>\n<match b>\n</match>\n')
    expect(reported).toEqual(['f.conf:4:1: </match> is here, but <store> of line 2 has no end'])
    expect(plain).toEqual({ 'match a': { store: { x: '1' } }, 'match b': {} })
  })

  test('that end without a beginning are reported, and reading continues', () => {
    const { reported, plain } = elements('</source>\n<match a>\n</match>\n')
    expect(reported).toEqual(['f.conf:1:1: </source> ends a section that has not begun'])
    expect(plain).toEqual({ 'match a': {} })
  })

  test('on one line are refused, as by fluentd, with what to do', () => {
    const { reported, hints } = elements('<match **> type stdout </match>\n')
    expect(reported[0]).toBe('f.conf:1:12: there is more on the line after <match>')
    expect(hints[0]).toContain('a line of its own')
  })

  test('of a million levels end with a problem', () => {
    const { reported } = elements('<a>\n'.repeat(10_000))
    expect(reported.some((line) => line.includes('100 levels'))).toBe(true)
  })
})

describe('values without quotation marks', () => {
  test('end before a blank and #; another # belongs to them', () => {
    expect(value('a#b c # why')).toBe('a#b c')
    expect(value('/^a#/')).toBe('/^a#/')
  })

  test('keep backslashes, quotation marks within and expressions that stand outside of quotation marks', () => {
    expect(value('C:\\logs "x" #{ENV}'.replace(' #{', '#{'))).toBe('C:\\logs "x"#{ENV}')
  })

  test('may be missing', () => {
    const { plain } = elements('<match a>\n  disable_retry_limit\n  utc  \n</match>\n')
    expect(plain).toEqual({ 'match a': { disable_retry_limit: '', utc: '' } })
  })

  test('of a megabyte, of blanks or not, take no time', () => {
    const long = 'x '.repeat(500_000)
    const started = performance.now()
    elements(`<a>\nk ${long}\nl ${' '.repeat(1_000_000)}\n${'#'.repeat(1_000_000)}\n</a>\n`)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

describe('values in quotation marks', () => {
  test('have escapes in double ones, and only two in single ones', () => {
    expect(value('"a\\tb\\n\\"c\\" \\\\ \\. # not a comment"')).toBe('a\tb\n"c" \\ . # not a comment')
    expect(value("'a\\tb it\\'s \\\\ #{x}'")).toBe("a\\tb it's \\ #{x}")
  })

  test('go over lines in double ones; a backslash joins them', () => {
    expect(value('"one\ntwo\\\nthree"')).toBe('one\ntwothree')
  })

  test('without an end are reported at their beginning', () => {
    expect(elements(IN('"abc')).reported).toContain('f.conf:2:7: the text that begins with " has no end')
    expect(elements(IN("'abc")).reported).toContain("f.conf:2:7: the text that begins with ' has no end")
  })

  test('with an unknown escape are reported, and with text behind them', () => {
    expect(elements(IN('"\\w+"')).reported).toEqual(['f.conf:2:8: unknown escape "\\w"'])
    expect(elements(IN('"a" b')).reported).toEqual([
      'f.conf:2:11: there is more on the line after the value of key',
    ])
  })
})

describe('JSON values', () => {
  test('go over lines, with comments', () => {
    expect(value('["a", # first\n   "b#c"\n  ]')).toBe('["a","b#c"]')
    expect(value('{"a": {"b": [1, null]}}')).toBe('{"a":{"b":[1,null]}}')
  })

  test('have expressions within their texts', () => {
    expect(value('["#{ENV[\'A\']}"]', { A: 'x"y' })).toBe('["x\\"y"]')
  })

  test('that are none, or have no end, are reported at their beginning', () => {
    expect(elements(IN('[a, b]')).reported).toEqual([
      'f.conf:2:7: the array that begins here is not valid JSON',
    ])
    expect(elements(IN('{"a": 1')).reported[0]).toBe('f.conf:2:7: the object that begins here has no end')
  })
})

describe('expressions', () => {
  test.each([
    ["ENV['A']", 'a'],
    ['ENV["A"]', 'a'],
    ["ENV.fetch('A')", 'a'],
    ["ENV.fetch('B', 'other')", 'other'],
    ["ENV['B'] || 'other'", 'other'],
    ["ENV['B'] || ENV['A']", 'a'],
    ["(ENV['B'] || 'x').upcase", 'X'],
    ["ENV['EMPTY'] || 'other'", ''],
    ["ENV['A'] || ENV.fetch('B')", 'a'],
    ['Socket.gethostname', hostname()],
    ['hostname', hostname()],
    ['worker_id', '0'],
    ["ENV['B'].to_s", ''],
    ["ENV['B'] || true", 'true'],
    ["ENV['B'] || false", 'false'],
    ["ENV['A'] || false", 'a'],
    ["ENV['B'] || 'https://' + ENV.fetch('A') + ':' + \"443\"", 'https://a:443'],
    ["ENV['A'] || 'x' + ENV.fetch('B')", 'a'],
    ["ENV['A'] ? ENV['A'] : 'info'", 'a'],
    ["ENV['B'] ? ENV['B'].upcase : 'info'", 'info'],
    ["ENV['B'].nil? ? 1 : 2", '1'],
    ["ENV['EMPTY'].empty? ? 'none' : ENV['EMPTY']", 'none'],
    ["ENV['A'] == 'a' ? false : ENV.fetch('B')", 'false'],
    ["ENV['A'] != 'a' ? 'x' : ENV['B'] ? 'y' : 'z'", 'z'],
    ["ENV['B'] ? false : ENV['EMPTY']", ''],
    ["(ENV['A'] == 'b') || 'other'", 'other'],
    ["ENV['A'] == 'b'", 'false'],
    ["false || ENV['EMPTY']", ''],
  ])('#{%s} is %s', (code, expected) => {
    expect(value(`"#{${code}}"`, { A: 'a', EMPTY: '' })).toBe(expected)
  })

  test('stand within a text', () => {
    expect(value('"/x/#{ENV["A"]}/y"', { A: 'a' })).toBe('/x/a/y')
  })

  test('of a variable that is not set are empty, with a warning', () => {
    const { plain, warnings } = elements(IN('"#{ENV[\'NO\']}"'))
    expect(plain).toEqual({ 'match a': { key: '' } })
    expect(warnings).toEqual(['f.conf:2:8: variable NO is not set: it is replaced by an empty string'])
  })

  test('make an attribute absent with use_nil and use_default', () => {
    expect(value('"#{ENV[\'NO\'] || use_default}"')).toBeUndefined()
    expect(value('"#{use_nil}"')).toBeUndefined()
    expect(value('"#{ENV[\'A\'] || use_nil}"', { A: 'a' })).toBe('a')
  })

  test.each([
    'File.read("/etc/passwd")',
    '`id`',
    'Time.now.to_i',
    "ENV['A'] ? 1",
    "ENV['B'].empty? ? 1 : 2",
    "ENV['A#{1}']",
    'system("x")',
    "ENV['A'][0]",
    "ENV['B'] + 'x'",
  ])('that are other code are refused with their text: %s', (code) => {
    const { reported, hints } = elements(IN(`"#{${code}}"`), { A: 'a' })
    expect(reported).toEqual([`f.conf:2:8: cannot evaluate #{${code}}: it is Ruby code that is not run here`])
    expect(hints[0]).toContain("ENV['NAME']")
  })

  test('of fetch without the variable end with its name', () => {
    const { reported } = elements(IN('"#{ENV.fetch(\'NO\')}"'))
    expect(reported).toEqual([
      "f.conf:2:8: cannot evaluate #{ENV.fetch('NO')}: the environment variable NO is not set",
    ])
  })

  test('without an end, or nested a thousand deep, are reported', () => {
    expect(elements(IN('"#{ENV[\'A\'"')).reported[0]).toContain('has no end')
    const deep = `${'('.repeat(1000)}ENV['A']${')'.repeat(1000)}`
    expect(elements(IN(`"#{${deep}}"`)).reported[0]).toContain('cannot evaluate')
  })
})

test('a file of values without an end is not read again for each of them', () => {
  const started = performance.now()
  for (const line of ['k [', 'k {', 'k "#{', 'k "#{"']) {
    const { reported } = elements(`<a>\n${`${line}\n`.repeat(200_000)}</a>\n`)
    expect(reported.length).toBeGreaterThan(0)
  }
  expect(performance.now() - started).toBeLessThan(20_000)
})

describe('places', () => {
  test('are those of names, values and arguments', () => {
    const { root } = elements('\n <match  a b>\n\tkey   value\n </match>\n')
    const match = root.children[0]
    expect(match?.location).toEqual({ file: 'f.conf', line: 2, col: 2 })
    expect(match?.argumentLocation).toEqual({ file: 'f.conf', line: 2, col: 10 })
    expect(match?.attributes[0]?.location).toEqual({ file: 'f.conf', line: 3, col: 2 })
    expect(match?.attributes[0]?.valueLocation).toEqual({ file: 'f.conf', line: 3, col: 8 })
  })

  test('of all mistakes are reported at once', () => {
    const { reported } = elements('<source>\n  @foo x\n  a "\\q"\n  b [\n</source>\n')
    expect(reported.map((line) => line.split(': ')[0])).toEqual(['f.conf:2:3', 'f.conf:3:6', 'f.conf:4:5'])
  })
})
