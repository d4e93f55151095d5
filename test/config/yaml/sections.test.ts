import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmp } from '../../support/tmp.ts'
import { read, shapeOf } from './reading.ts'

describe('the sections', () => {
  test('are those of the tree, with names in any letter case', async () => {
    const text = `
Service: {Flush: 1, parsers_file: [a, b]}
PIPELINE:
  Inputs: [{Name: tail, path: [/a, /b]}]
  filters: [{name: grep, regex: 'a b', regex: 'c d'}]
  outputs:
    - name: stdout
      match: '*'
parsers: [{name: p, format: json}]
plugins: [/a.so, /b.so]
stream_processor: [{name: s, exec: SELECT}]
upstream_servers: [{name: u, nodes: [{name: n, host: h}, {name: m}]}]
extensions: {mine: [1, {a: b}]}
`
    expect(await shapeOf(text)).toEqual([
      'SERVICE{Flush=1 parsers_file=a parsers_file=b}',
      'INPUT{Name=tail path=/a path=/b}',
      'FILTER{name=grep regex=a b regex=c d}',
      'OUTPUT{name=stdout match=*}',
      'PARSER{name=p format=json}',
      'PLUGINS{plugins=/a.so plugins=/b.so}',
      'stream_processor{name=s exec=SELECT}',
      'UPSTREAM{name=u NODE{name=n host=h} NODE{name=m}}',
    ])
  })

  test('may be empty', async () => {
    expect(
      await shapeOf('service:\npipeline:\n  inputs:\n  filters: []\nenv:\nincludes:\nparsers:\n'),
    ).toEqual(['SERVICE{}'])
  })

  test.each([
    ['pipelin: {}', '1:1: unknown section "pipelin" (did you mean pipeline?)', ''],
    ['colours: [red]', '1:1: unknown section "colours"', 'the sections are env, includes, service,'],
    ['outputs: [{name: a}]', '1:1: unknown section "outputs"', '"outputs" belongs below "pipeline"'],
    ['pipeline: {input: []}', '1:12: unknown key "input" of the pipeline (did you mean inputs?)', ''],
    [
      'pipeline: {inputs: {name: a}}',
      '1:20: "inputs" must be a list, not a map',
      'begin each item with "- "',
    ],
    ['pipeline: {inputs: [tail]}', '1:21: an item of "inputs" must be a map, not a string', '- name:'],
    ['service: [a]', '1:10: "service" must be a map, not a list', ''],
    ['service: {a: {b: c}}', '1:11: "a" is a map, but its value must be a string or a list of strings', "'{"],
    [
      'pipeline: {outputs: [{name: stdout, stdout: {}}]}',
      '1:37: "stdout" is a map, but its value must be a string or a list of strings',
      'remove it, or give it a string',
    ],
    ['service: {a: [[b]]}', '1:15: an item of "a" is a list, but must be a string', 'begins with ['],
    ['service: {a: ["b": c]}', '1:15: an item of "a" is a map, but must be a string', '": "'],
    ['[a]', '1:1: a configuration must be a map, not a list', ''],
    [
      'pipeline: {filters: [{name: a, condition: {op: and}}]}',
      '1:32: a condition with rules is',
      'processors',
    ],
  ])('%s is a problem', async (text, message, hint) => {
    const { problems, hints } = await read(text)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toStartWith(message)
    expect(hints[0]).toContain(hint)
  })

  test('an unknown one with a map has no effect, as in fluent-bit; with an anchor it is not even a warning', async () => {
    const { tree, problems } = await read('x: &a {b: c}\ny: {b: &d e}\ncolours: {red: 1}\ncustoms: []\n')
    expect(problems).toEqual([])
    expect(tree.warnings).toEqual([
      'a.yaml:3:1: unknown section "colours": it has no effect',
      'a.yaml:4:1: "customs" has no effect: these plugins report to other services',
    ])
  })

  test('"telemetry" of the service and of an input has no effect', async () => {
    const block = 'telemetry: {metrics: {logs: {tag_records: {enabled: true}}}}'
    const { tree, problems } = await read(`service: {${block}}\npipeline: {inputs: [{name: a, ${block}}]}\n`)
    expect(problems).toEqual([])
    expect(tree.warnings).toEqual([
      'a.yaml:1:11: "telemetry" has no effect: records are not counted by tag',
      'a.yaml:2:31: "telemetry" has no effect: records are not counted by tag',
    ])
  })

  test('tests keep nested maps as groups', async () => {
    const text = 'tests: [{name: t, input: {lines: [a, b], tag: x}, expect: [{a: 1}, {b: {c: 2}}]}]'
    expect(await shapeOf(text)).toEqual([
      'TEST{name=t input{lines=a lines=b tag=x} expect{a=1} expect{b{c=2}}}',
    ])
  })
})

describe('includes', () => {
  test('are called in order with their locations', async () => {
    const { includes } = await read('includes:\n  - a.yaml\n  - sub/*.yaml\n')
    expect(includes).toEqual(['a.yaml 2:5', 'sub/*.yaml 3:5'])
    expect((await read('includes: b.yaml')).includes).toEqual(['b.yaml 1:11'])
  })

  test('must be paths', async () => {
    expect((await read('includes: [{a: b}, ""]')).problems).toEqual([
      '1:12: an item of "includes" must be a path',
      '1:20: an item of "includes" must be a path',
    ])
  })
})

describe('env', () => {
  const variables = async (text: string): Promise<Record<string, string>> =>
    Object.fromEntries((await read(text)).tree.variables)

  test('is a map, a list of maps, or a list of names with values', async () => {
    expect(await variables('env: {A: 1, b: on}')).toEqual({ A: '1', b: 'on' })
    expect(await variables('env: [{A: 1}, {B: 2, C: 3}]')).toEqual({ A: '1', B: '2', C: '3' })
    expect(await variables('env: [{name: A, value: 1}]')).toEqual({ A: '1' })
  })

  test('reads the file of a uri once, without its line end, and says that it is not read again', async () => {
    const file = join(tmp(), 'token')
    writeFileSync(file, 'hunter2\r\n')
    const { tree } = await read(`env: [{name: A, uri: 'file://${file}', refresh_interval: 60}]`)
    expect(Object.fromEntries(tree.variables)).toEqual({ A: 'hunter2' })
    expect(tree.warnings).toHaveLength(1)
    expect(tree.warnings[0]).toContain('"refresh_interval" has no effect: the file is read at the start only')
  })

  test.each([
    ['[{name: A, uri: http://x}]', '1:22: the uri of the variable A must begin with file://'],
    ['[{name: A, uri: file:///no/such}]', '1:22: cannot read the variable A from /no/such: ENOENT'],
    ['[{name: A, refresh_interval: 5}]', '1:7: the variable A needs either a value or a uri'],
    ['[{name: A, value: a, uri: file:///b}]', '1:7: the variable A needs either a value or a uri'],
    ['[{name: A, valeu: a}]', '1:17: unknown key "valeu" of a variable (did you mean value?)'],
    ['{A: [b]}', '1:10: the value of the variable A must be a string, not a list'],
  ])('%s is a problem', async (text, message) => {
    expect((await read(`env: ${text}`)).problems[0]).toStartWith(message)
  })
})

describe('rules of a multiline parser', () => {
  test('are rules as in the classic format, with the quotation marks of expressions escaped', async () => {
    const text = String.raw`
multiline_parsers:
  - name: m
    type: regex
    rules:
      - {state: start_state, regex: '/^"a\"/', next_state: cont}
      - {state: cont, regex: 'b\\'}
      - '"cont" "/c/" "cont"'
`
    expect(await shapeOf(text)).toEqual([
      String.raw`MULTILINE_PARSER{name=m type=regex rule="start_state" "/^\"a\\"/" "cont" rule="cont" "/b\\/" "" rule="cont" "/c/" "cont"}`,
    ])
  })

  test('name what is missing or unknown', async () => {
    expect((await read('multiline_parsers: [{rules: [{state: a, nextstate: b}]}]')).problems).toEqual([
      '1:41: unknown key "nextstate" of a rule (did you mean next_state?)',
      '1:30: a rule needs a string as "regex"',
    ])
  })
})

describe('groups of stages', () => {
  test('processors and routes of logs, with their conditions', async () => {
    const text = `
pipeline:
  inputs:
    - name: tail
      processors:
        logs:
          - name: grep
            regex: a b
            condition: {op: or, rules: [{field: $a, op: in, value: ["1", 2]}]}
          - name: modify
            Condition: [Key_Exists a, Key_Exists b]
      routes:
        logs:
          - name: r
            condition: {default: true}
            to: {outputs: [x, {name: y}]}
        logs, metrics: {name: s, to: x}
  outputs:
    - name: stdout
      processors: {logs: [{name: grep}]}
`
    expect(await shapeOf(text)).toEqual([
      'INPUT{name=tail PROCESSOR{name=grep regex=a b CONDITION{op=or RULE{field=$a op=in value=1 value=2}}} ' +
        'PROCESSOR{name=modify Condition=Key_Exists a Condition=Key_Exists b} ' +
        'ROUTE{name=r outputs=x outputs=y CONDITION{default=true}} ROUTE{name=s outputs=x}}',
      'OUTPUT{name=stdout PROCESSOR{name=grep}}',
    ])
  })

  test.each([
    ['processors: [{name: a}]', '"processors" must be a map with "logs", not a list'],
    ['processors: {colours: []}', 'unknown key "colours" of "processors"'],
    ['routes: {log: []}', 'unknown key "log" of "routes" (did you mean logs?)'],
    ['routes: {logs: [{to: {output: a}}]}', 'unknown key "output" of "to" (did you mean outputs?)'],
    [
      'processors: {logs: [{condition: {rules: [{value: true}]}}]}',
      'the value of a rule must be a string, a number',
    ],
  ])('%s is a problem', async (text, message) => {
    const { problems } = await read(`pipeline: {inputs: [{name: tail, ${text}}]}`)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(message)
  })

  test('of metrics and traces have no effect', async () => {
    const { tree, problems } = await read(
      'pipeline: {inputs: [{name: tail, processors: {metrics: [{name: labels}], traces: []}}]}',
    )
    expect(problems).toEqual([])
    expect(tree.warnings).toEqual([
      'a.yaml:1:47: "metrics" of "processors" has no effect: there are only logs',
      'a.yaml:1:74: "traces" of "processors" has no effect: there are only logs',
    ])
  })
})
