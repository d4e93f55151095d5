import { emptyTree } from '../../../src/config/config-tree.ts'
import { buildPlan } from '../../../src/config/plan.ts'
import { expandSections } from '../../../src/config/variables.ts'
import { readYaml } from '../../../src/config/yaml/yaml-text.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { registry } from '../../../src/registry.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const MAX_PROBLEMS = 2000
const ENV = { HOME: '/root', A: '' }

const FULL = `env: {A: b}
includes: [x.yaml]
service: {flush: 1, log_level: info}
parsers: [{name: p, format: regex, regex: '^(?<a>.*)$'}]
multiline_parsers:
  - name: m
    type: regex
    rules: [{state: start_state, regex: '/^a/', next_state: cont}, {state: cont, regex: '/^ /', next_state: cont}]
upstream_servers: [{name: u, nodes: [{name: n, host: h}]}]
pipeline:
  inputs:
    - name: tail
      path: /var/log/a.log
      processors:
        logs:
          - {name: grep, regex: a b, condition: {op: or, rules: [{field: $a, op: in, value: ["1", 2]}]}}
      routes: {logs: [{name: r, condition: {default: true}, to: {outputs: [stdout]}}]}
  filters:
    - name: record_modifier
      match: '*'
      record: >
        k
        v
  outputs: [{name: stdout, match: '*'}]
tests: [{name: t, input: {lines: [a]}}]
`

export const yaml: Target = {
  name: 'yaml',
  maxBytes: 20_000,
  maxMs: 2000,
  dictionary: [
    ...[
      '- ',
      '? ',
      ': ',
      '\n  ',
      '\t',
      '[',
      ']',
      '{',
      '}',
      ', ',
      '&a ',
      '*a',
      '<<: *a',
      '!!js ',
      '!a ',
      '|\n',
      '>-\n',
    ],
    ...[
      '---\n',
      '...\n',
      '%YAML 1.2\n',
      '# ',
      '"',
      "'",
      '\\',
      '\r\n',
      '\ufeff',
      'x: &a {b: c}\n',
      '[*a, *a, *a]',
    ],
    ...[
      'name: ',
      'processors:\n',
      'routes:\n',
      'logs:\n',
      'condition:\n',
      'rules:\n',
      'to:\n',
      'outputs:\n',
      'env:\n',
    ],
  ],
  seeds: () => [
    FULL,
    'x: &a {name: stdout}\npipeline:\n  inputs:\n    - <<: *a\n      name: dummy\n  outputs:\n    - *a\n',
    `${Array.from({ length: 10 }, (_, i) => `x${i}: &a {t: [*a, *a, *a]}\n`).join('')}tests: [*a]\n`,
    '- '.repeat(200),
    'env:\n  - name: A\n    uri: file:///dev/null\n    refresh_interval: 5\n',
  ],
  async run(input) {
    const text = input.toString()
    const tree = emptyTree()
    let includes = 0
    await readYaml('a.yaml', text, 'main', tree, () => void includes++, ENV)
    must(tree.problems.length <= MAX_PROBLEMS, () => `${tree.problems.length} problems`)
    expandSections(tree, tree.sections, ENV)
    const { plan, problems } = await buildPlan(tree, { registry, checkUnused: true })
    for (const problem of problems) {
      must(problem instanceof ShipperError && problem.message !== '', 'a problem without a message')
      const { file, line } = problem.location ?? {}
      must(file !== 'a.yaml' || (line ?? 0) > 0, 'a problem without a line')
    }
    return `${plan !== undefined} ${includes > 0} ${size(problems.length)} ${problems.slice(0, 2).map(kindOf).join()}`
  },
}
