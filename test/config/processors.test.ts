import { describe, expect, test } from 'bun:test'
import type { InputPlan } from '../../src/core/plan.ts'
import { type Given, load } from './loading.ts'

const OUTPUTS =
  '[{name: send, match: "*"}, {name: store, alias: one, match: "*"}, {name: store, alias: two, match: "*"}]'

async function loadInput(keys: string, outputs = OUTPUTS, given: Given = {}) {
  const text = `pipeline:\n  inputs:\n    - {name: clock, ${keys}}\n  outputs: ${outputs}\n`
  const result = await load(text, given)
  // The word at the location in place of the location.
  const name = (line: string): string =>
    line.replace(/^a\.conf:(\d+):(\d+)/, (_, row, col) => {
      const at = text.split('\n')[Number(row) - 1]?.slice(Number(col) - 1) ?? ''
      return `at ${/^\{?[^\s:,}\]]*/.exec(at)}`
    })
  return {
    reported: result.reported.map(name),
    warnings: result.warnings.map(name),
    problems: result.problems,
    input: result.plan?.inputs[0] as InputPlan,
  }
}

const rules = (rule: string, more = ''): string =>
  `processors: {logs: [{name: keep, condition: {${more} rules: [${rule}]}}]}`

describe('a processor', () => {
  test('is a filter of its input or output, needs no match and has a name of its own', async () => {
    const text = `
pipeline:
  inputs:
    - name: clock
      processors: {logs: [{name: keep, regex: a b}, {name: keep}, {name: pods, alias: mine}]}
  filters:
    - {name: keep, match: '*'}
  outputs:
    - name: send
      match: '*'
      processors: {logs: [{name: keep}]}
`
    const { plan, reported, warnings } = await load(text)
    expect([reported, warnings]).toEqual([[], []])
    const [input] = plan?.inputs ?? []
    expect(input?.processors?.map(({ name }) => name)).toEqual(['clock.0/keep.0', 'clock.0/keep.1', 'mine'])
    expect(input?.processors?.[0]?.options).toEqual({ regex: [['a', 'b']] })
    expect(input?.processors?.[0]?.location).toMatchObject({ line: 5, col: 27 })
    expect(plan?.filters.map(({ name }) => name)).toEqual(['keep.0'])
    expect(plan?.outputs[0]?.processors?.map(({ name }) => name)).toEqual(['send.0/keep.0'])
    expect(plan?.outputs[0]?.processors?.[0]?.condition).toBeUndefined()
  })

  test('has the problems of a filter, at its own place', async () => {
    const { reported } = await loadInput(
      'processors: {logs: [{name: keepp}, {regexp: x}, {name: keep, colour: red}]}',
    )
    expect(reported).toEqual([
      'at keepp: unknown filter "keepp" (did you mean keep?)',
      'at {regexp: [filter] required option "name" is missing',
      'at colour: [keep] unknown option "colour"',
    ])
  })

  test('of fluent-bit that is not there, and one without effect on logs', async () => {
    const { reported, warnings, problems } = await loadInput(
      'processors: {logs: [{name: sql, query: x}, {name: sampling, sampling_settings: {a: 1}}, {name: Labels}]}',
    )
    expect(reported).toEqual(['at sql: unknown processor "sql": fluent-bit has it, shipper does not'])
    expect(problems[0]?.code).toBe('E_CONFIG_UNKNOWN_PLUGIN')
    expect(warnings.slice(0, 2)).toEqual([
      'at {name: the processor sampling has no effect: it does not change logs',
      'at {name: the processor labels has no effect: it does not change logs',
    ])
  })

  test('of an output that is not there is checked as well', async () => {
    const { reported } = await loadInput('', '[{name: gone, processors: {logs: [{name: sql}]}}]')
    expect(reported).toEqual([
      'at gone: unknown output "gone"',
      'at sql: unknown processor "sql": fluent-bit has it, shipper does not',
    ])
  })

  test('that is not there has a condition that is checked', async () => {
    const condition = 'condition: {rules: [{field: $a, op: like, value: x}]}'
    const { reported } = await loadInput(`processors: {logs: [{name: sql, ${condition}}]}`)
    expect(reported).toHaveLength(2)
    expect(reported[1]).toStartWith('at like: [processor sql] "op" must be one of eq, neq,')
  })

  test('has no use for a match, and none for a map', async () => {
    const { reported, warnings } = await loadInput(
      'processors: {logs: [{name: keep, match: x, regex: {a: b}}]}',
    )
    expect(warnings).toEqual([
      'at match: "match" has no effect: a processor gets all records of its input or output',
    ])
    expect(reported).toEqual([
      'at {a: "regex" of a processor must be a string or a list of strings, not a map',
    ])
  })

  test('may name a parser of a parsers file', async () => {
    const files = { 'p.conf': '[PARSER]\n  Name p\n  Format regex\n  Regex (\n' }
    const { reported } = await load(
      'service: {parsers_file: p.conf}\npipeline:\n  inputs: [{name: clock, processors: {logs: [{name: keep, merge_parser: p}]}}]\n  outputs: [{name: send, match: "*"}]\n',
      { files },
    )
    expect(reported).toEqual(['p.conf:4:9: [parser p] cannot compile "("'])
  })
})

describe('a condition', () => {
  test('has the rules of the plan', async () => {
    const { input, reported } = await loadInput(
      rules(
        "{field: $a, op: IN, value: ['1', 2]}, {field: \"$m['k']\", op: gt, value: 1.5, context: attributes}",
        'op: OR,',
      ),
    )
    expect(reported).toEqual([])
    expect(input.processors?.[0]?.condition).toMatchObject({
      op: 'or',
      rules: [
        { field: '$a', op: 'in', values: ['1', '2'], context: 'body' },
        { field: "$m['k']", op: 'gt', values: ['1.5'], context: 'metadata' },
      ],
    })
  })

  test('holds for all rules by default', async () => {
    const { input } = await loadInput(rules('{field: $a, op: eq, value: ""}'))
    expect(input.processors?.[0]?.condition).toMatchObject({ op: 'and', rules: [{ op: 'eq', values: [''] }] })
  })

  test.each([
    ['{field: $a, op: like, value: x}', '"op" must be one of eq, neq,'],
    ['{field: $a, op: exists, value: x}', '"op" must be one of eq, neq,'],
    ['{op: eq, value: x}', 'required option "field" is missing'],
    ['{field: $a, value: x}', 'required option "op" is missing'],
    ['{field: $a, op: eq}', 'required option "value" is missing'],
    ['{field: $a, op: eq, value: [x, y]}', '"eq" compares with one value, not with 2'],
    ['{field: $a, op: gt, value: x}', '"gt" needs a number, not "x"'],
    ['{field: $a, op: regex, value: "("}', '"value" must be a regular expression, not "("'],
    ['{field: $a, op: eq, value: x, context: head}', '"context" must be one of body, message,'],
    [
      '{field: $a, op: eq, value: x, context: OTEL_scope_name}',
      'the context OTEL_scope_name is not there: logs',
    ],
    [
      '{field: $a, op: eq, value: x, context: group_body}',
      'the context group_body is not there: logs have no',
    ],
    ['{feild: $a, field: $b, op: eq, value: x}', 'unknown option "feild" (did you mean field?)'],
    ['', 'the condition has no rules'],
  ])('with the rule %s is a problem', async (rule, message) => {
    const { reported } = await loadInput(rules(rule))
    expect(reported).toHaveLength(1)
    expect(reported[0]).toContain(`[processor keep] ${message}`)
  })

  test('of a field without dollar sign compares a text, which is a warning', async () => {
    const { warnings } = await loadInput(rules('{field: a, op: eq, value: x}'))
    expect(warnings.filter((line) => line.includes('dollar'))).toEqual([
      'at a: [processor keep] "a" has no dollar sign: it is compared as this text, not as a field of the record; for the field write $a',
    ])
  })

  test('of a processor has no default', async () => {
    const { reported, problems } = await loadInput(rules('{field: $a, op: eq, value: x}', 'default: true,'))
    expect(reported[0]).toContain('[processor keep] unknown option "default"')
    expect(problems[0]?.hint).toBe('the options are op')
  })
})

describe('a route', () => {
  const routes = (list: string): string => `routes: {logs: [${list}]}`

  test('leads to outputs by alias, instance or plugin, which need no match then', async () => {
    const { input, warnings, reported } = await loadInput(
      routes(
        '{name: a, condition: {rules: [{field: $a, op: eq, value: x}]}, to: {outputs: [one, two]}}, ' +
          '{name: b, condition: {default: true}, to: send.0}, {name: c, to: {outputs: [send, send.0]}}',
      ),
      '[{name: send}, {name: store, alias: one}, {name: store, alias: two}]',
    )
    expect([reported, warnings]).toEqual([[], []])
    expect(input.routes?.map(({ name, outputs }) => [name, outputs])).toEqual([
      ['a', ['one', 'two']],
      ['b', ['send.0']],
      ['c', ['send.0']],
    ])
    expect(input.routes?.[0]?.condition).toMatchObject({ op: 'and', rules: [{ field: '$a' }] })
    expect(input.routes?.slice(1).map(({ condition }) => condition)).toEqual(['default', undefined])
  })

  test('by the name of a plugin leads to the first of its outputs, with a warning', async () => {
    const { input, warnings } = await loadInput(routes('{name: a, to: store}'))
    expect(input.routes?.[0]?.outputs).toEqual(['one'])
    expect(warnings[0]).toBe(
      'at store: there are 2 outputs store: the route leads to one; give each an alias',
    )
  })

  test.each([
    ['{name: a, to: tow}', 'at tow: [route a] there is no output "tow" (did you mean two?)'],
    ['{name: a, to: {outputs: [elsewhere]}}', 'at elsewhere: [route a] there is no output "elsewhere"'],
    ['{to: one}', 'at {to: [route] required option "name" is missing'],
    ['{name: a}', 'at {name: [route] required option "outputs" is missing'],
    ['{name: a, to: {outputs: []}}', 'at {name: [route] required option "outputs" is missing'],
    ['{name: a, to: one}, {name: a, to: two}', 'at a: [route] there is a route "a" above'],
    ['{name: a, condition: {op: or}, to: one}', 'at condition: [route a] the condition has no rules'],
    ['{name: a, condition: {default: perhaps}, to: one}', '[route a] "default" must be true, on or yes'],
  ])('%s is a problem', async (route, message) => {
    const { reported } = await loadInput(routes(route))
    expect(reported).toHaveLength(1)
    expect(reported[0]).toContain(message)
  })

  test('to an output whose plugin is not there names it once', async () => {
    const { reported } = await loadInput(routes('{name: a, to: mine}'), '[{name: gone, alias: mine}]')
    expect(reported).toEqual(['at gone: unknown output "gone"'])
  })

  test('warns of what has no effect', async () => {
    const { warnings, reported } = await loadInput(
      routes(
        '{name: a, per_record_routing: false, processors: [], to: {outputs: [{name: one, fallback: two}]}, ' +
          'condition: {default: on, rules: [{field: $a, op: eq, value: x}]}}',
      ),
    )
    expect(reported).toEqual([])
    expect(warnings.map((line) => line.replace(/^.*?: /, ''))).toEqual([
      '"processors" of a route has no effect, as in fluent-bit',
      '"fallback" of an output of a route has no effect',
      '[route] "per_record_routing" has no effect: each record is routed by itself',
      '[route a] the rules have no effect: "default" is true',
    ])
  })

  test('is not for outputs', async () => {
    const { reported, warnings } = await loadInput('', '[{name: send, match: "*", routes: {logs: []}}]')
    expect(reported).toEqual([])
    expect(warnings).toEqual(['at routes: "routes" has no effect here: it is for inputs'])
  })
})

test('upstreams of a main file have no effect; an output reads those of a file', async () => {
  const upstream = 'upstream_servers: [{name: u, nodes: [{name: n, host: h, port: 5}]}]\n'
  const here = await loadInput('', `${OUTPUTS}\n${upstream}`)
  expect(here.reported).toEqual([])
  expect(here.warnings).toContain(
    'at upstream_servers: "upstream_servers" has no effect here: an output names a file with it in its option Upstream',
  )
  const text =
    'pipeline:\n  inputs: [{name: clock}]\n  outputs: [{name: send, match: "*", upstream: u.yaml}]\n'
  const { plan, reported, warnings } = await load(text, { files: { 'u.yaml': upstream } })
  expect([reported, warnings]).toEqual([[], []])
  expect(plan?.outputs[0]?.options).toMatchObject({ host: 'h', port: 5 })
})

test('a condition without rules says where the keys of a rule belong, and a wrong name of the rules which is meant', async () => {
  const route = (condition: string): string =>
    `routes: {logs: [{to: {outputs: [send]}, condition: {${condition}}}]}`
  expect((await loadInput(route('field: $a, op: eq, value: x'))).reported).toEqual([
    'at {to: [route] required option "name" is missing',
    'at field: [route] the condition has no rules, but "field" of a rule',
  ])
  expect((await loadInput(route('rule: [{field: $a, op: eqq, value: x}]'))).reported).toEqual([
    'at {to: [route] required option "name" is missing',
    'at rule: unknown key "rule" (did you mean rules?)',
    'at eqq: [route] "op" must be one of eq, neq, gt, lt, gte, lte, regex, not_regex, in, not_in, not "eqq" (did you mean eq?)',
  ])
  expect((await loadInput('procesors: {logs: [{name: kep}]}')).reported).toEqual([
    'at procesors: unknown key "procesors" (did you mean processors?)',
    'at kep: unknown filter "kep" (did you mean keep?)',
  ])
})

test('a field with dots is one key, with a warning', async () => {
  const { warnings } = await loadInput(rules('{field: $a.b, op: eq, value: x}'))
  expect(warnings).toEqual([
    `at $a.b: [processor keep] "$a.b" is the single key "a.b"; for nested maps write $a['b']`,
  ])
})
