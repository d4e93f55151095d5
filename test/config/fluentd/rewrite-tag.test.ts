import { describe, expect, test } from 'bun:test'
import { hostname } from 'node:os'
import { optionsOf, translated } from './reading.ts'

const match = (lines: string): string => `<match a.**>\n@type rewrite_tag_filter\n${lines}\n</match>\n`
const rule = (key: string, pattern: string, tag: string, more = ''): string =>
  `<rule>\nkey ${key}\npattern ${pattern}\ntag ${tag}\n${more}</rule>`

function rulesOf(lines: string, rest = ''): string[] {
  const result = translated(match(lines) + rest)
  expect(result.reported).toEqual([])
  return optionsOf(result, 'FILTER', 'rewrite_tag').filter((option) => /^Rule|^Remove|^Capital/.test(option))
}

describe('<match> @type rewrite_tag_filter', () => {
  test('becomes a filter at its place, which drops what no rule matches and looks at the text of any value', () => {
    const result = translated(match(rule('level', '/^err/', 'error')) + '<match **>\n@type null\n</match>')
    expect([result.reported, result.warnings]).toEqual([[], []])
    expect(result.steps['']).toEqual(['a.** -> filter rewrite_tag', '** -> output null'])
    expect(optionsOf(result, 'FILTER', 'rewrite_tag')).toEqual([
      'Unmatched drop',
      'Values_As_Text on',
      'Rule level ^err error false',
    ])
  })

  test('has its rules in their order, with accessors, blanks and the placeholders of fluentd', () => {
    expect(
      rulesOf(
        [
          rule('$.a.b', '/^(x) "y"/', '$1.${tag}.__TAG__'),
          rule('c', '^z$', '${tag_parts[1]}.__TAG_PARTS[0]__.${hostname}'),
        ].join('\n'),
      ),
    ).toEqual([
      `Rule $a['b'] "^(x) \\"y\\"" $1.$TAG.$TAG false`,
      `Rule c ^z$ $TAG[1].$TAG[0].${hostname()} false`,
    ])
  })

  test('has the rules of old files, with ! for what the pattern does not match', () => {
    const lines = 'rewriterule2 b !^c$ other.$TAG\nrewriterule1 b ^c$ one'
    expect(translated(match(lines)).reported).toEqual([
      'f.conf:3:1: [rewrite_tag_filter] the tag "other.$TAG" has a placeholder that is not known',
    ])
    expect(rulesOf('rewriterule2 b !^c$ other\nrewriterule1 b ^c$ one')).toEqual([
      'Rule b ^c$ one false',
      'Rule b ^c$ other false not',
    ])
  })

  test('sends records to the label of the rule, or of the match, and begins in its own label without', () => {
    const label = '<label @X>\n<match **>\n@type null\n</match>\n</label>\n<label @Y>\n</label>'
    const rules = [rule('a', 'b', 'c', 'label @X\n'), rule('a', 'd', 'e', 'invert true\n')].join('\n')
    expect(rulesOf(rules, label)).toEqual(['Rule a b c false @X', 'Rule a d e false not'])
    expect(rulesOf(`@label @Y\n${rules}`, label)).toEqual(['Rule a b c false @X', 'Rule a d e false not @Y'])
    expect(translated(match(rule('a', 'b', 'c', 'label @NO\n'))).reported).toEqual([
      expect.stringContaining('there is no label @NO'),
    ])
  })

  test('takes a prefix or an expression out of the tag, and can capitalize groups', () => {
    const one = rule('a', 'b', 'c')
    expect(rulesOf(`remove_tag_prefix in.put\ncapitalize_regex_backreference yes\n${one}`)).toEqual([
      'Rule a b c false',
      'Remove_From_Tag ^in\\.put\\.?',
      'Capitalize_Captures on',
    ])
    expect(rulesOf(`remove_tag_regexp /^a\\./\n${one}`)).toEqual([
      'Rule a b c false',
      'Remove_From_Tag ^a\\.',
    ])
  })

  test.each([
    [match('hostname_command hostname -s\n' + rule('a', 'b', 'c')), '"hostname_command" is not supported'],
    [match(''), 'there is no <rule>'],
    [match('<rule>\nkey a\ntag b\n</rule>'), '"pattern" is missing'],
    [match('rewriterule1 a b'), 'must be a key, a pattern and a tag'],
    [match(rule('a', 'b', 'x.${nope}')), 'has a placeholder that is not known'],
    [match(rule('$.', 'b', 'x')), 'is not a key or a record accessor'],
    [
      `<match **>\n@type copy\n<store>\n@type rewrite_tag_filter\n${rule('a', 'b', 'c')}\n</store>\n</match>`,
      'rewrite_tag_filter cannot be a <store>',
    ],
  ])('refuses what it cannot do: %#', (text, reason) => {
    expect(translated(text).reported.join()).toContain(reason)
  })
})
