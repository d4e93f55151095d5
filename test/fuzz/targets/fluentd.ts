import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { emptyTree } from '../../../src/config/config-tree.ts'
import { newElement } from '../../../src/config/fluentd/element.ts'
import { readElements } from '../../../src/config/fluentd/syntax.ts'
import { translate } from '../../../src/config/fluentd/translate.ts'
import { buildPlan } from '../../../src/config/plan.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { registry } from '../../../src/registry.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const FILES = join(import.meta.dirname, '../../fixtures/config/fluentd')
const MAX_FILE_BYTES = 15_000

function files(): Buffer[] {
  const names = readdirSync(FILES).filter((name) => name.endsWith('.conf'))
  return names.map((name) => readFileSync(join(FILES, name)).subarray(0, MAX_FILE_BYTES))
}

/** Elements, expressions and the translation of a file of fluentd; nothing is included, and no problem is thrown. */
export const fluentd: Target = {
  name: 'fluentd',
  maxBytes: 20_000,
  maxMs: 2000,
  dictionary: [
    '<source>\n',
    '</source>\n',
    '<match **>\n',
    '</match>\n',
    '<filter a.{b,c}>\n',
    '<label @A>\n',
    '<store>\n',
    '<buffer tag>\n',
    '<parse>\n',
    '@type tail\n',
    'type copy\n',
    '@label @A\n',
    '@include x\n',
    '"#{ENV[\'A\']}"',
    '#{',
    "|| 'x'",
    'ENV.fetch(',
    '["a", # c\n"b"]',
    '{"a":',
    '\\"',
    "'",
    ' #',
    '\r\n',
    '\ufeff',
    '{a,b}',
    '%Y%m',
  ],
  seeds: () => [...files(), 'include a\n<match "#{hostname}">\nk [1,\n2]\nu "a\\\nb"\n</match>\n'],
  async run(input) {
    const tree = emptyTree()
    const root = newElement('', '', { file: 'a.conf' })
    let includes = 0
    readElements('a.conf', input.toString(), root, { A: 'a' }, tree, () => void includes++)
    translate(root, tree, 'main')
    const { plan, problems } = await buildPlan(tree, { registry, checkUnused: true })
    for (const problem of problems)
      must(problem instanceof ShipperError && problem.message !== '', 'a problem without a message')
    must(tree.routing !== undefined, 'no order of filters and matches')
    return `${plan !== undefined} ${includes > 0} ${size(problems.length)} ${problems.slice(0, 2).map(kindOf).join()}`
  },
}
