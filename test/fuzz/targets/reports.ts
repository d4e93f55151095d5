import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { explainText } from '../../../src/cli/explain.ts'
import { ClassicText } from '../../../src/config/classic.ts'
import { writeClassic } from '../../../src/config/classic-writer.ts'
import { emptyTree, type Tree } from '../../../src/config/config-tree.ts'
import { buildPlan } from '../../../src/config/plan.ts'
import { testsOf } from '../../../src/config/test-sections.ts'
import { expandSections } from '../../../src/config/variables.ts'
import { readYaml } from '../../../src/config/yaml/yaml-text.ts'
import { writeYaml } from '../../../src/config/yaml/yaml-writer.ts'
import { registry } from '../../../src/registry.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/config')
const MAX_FILE_BYTES = 10_000
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a report must not have
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/

function files(): Buffer[] {
  const names = readdirSync(FIXTURES).filter((name) => name.endsWith('.conf'))
  return names.map((name) => readFileSync(join(FIXTURES, name)).subarray(0, MAX_FILE_BYTES))
}

async function read(text: string): Promise<Tree> {
  const tree = emptyTree()
  await new ClassicText('a.conf', 'main', tree, () => {}).read(text)
  return tree
}

/** Properties in order, as far as a format keeps them: those of a test are sorted by what they are. */
function contentOf(tree: Tree): string {
  const sections = tree.sections
    .filter(({ name }) => ['INPUT', 'FILTER', 'OUTPUT', 'PARSER'].includes(name.toUpperCase()))
    .map(({ name, properties }) => [
      name.toUpperCase(),
      properties.map(({ key, value }) => [key.toLowerCase(), value]),
    ])
  return JSON.stringify(
    sections.sort((a, b) => ((a[0] as string) < (b[0] as string) ? -1 : a[0] === b[0] ? 0 : 1)),
  )
}

/** What is printed of a configuration, its tests, and its conversion to other formats. */
export const reports: Target = {
  name: 'reports',
  maxBytes: 10_000,
  maxMs: 3000,
  dictionary: [
    '[TEST]\n',
    '    Name x\n',
    '    Line {"a":1}\n',
    '    Record {"a":1}\n',
    '    Expect {"a":{"b":[1,null]}}\n',
    '    Contains a.b=1\n',
    '    Output none\n',
    '    Time 1700000000\n',
    'password=secret-1',
    '://me:secret-1@host/',
    '${A:-b}',
    '@SET a=b\n',
    ' ',
    '\u001b[31m',
  ],
  seeds: () => [
    ...files(),
    '[TEST]\n  Name x\n  Line a\n  Line b\n  Expect {"log":"a"}\n  Contains log=b\n  Output a, b\n',
  ],
  async run(input) {
    const text = input.toString()
    const written = await read(text)
    const isValid = written.problems.length === 0
    const yaml = writeYaml(written)
    const classic = writeClassic(written)
    if (isValid) {
      const again = await read(classic.text)
      if (classic.lost.length === 0)
        must(contentOf(again) === contentOf(written), 'the classic format loses something')
      const fromYaml = emptyTree()
      await readYaml('a.yaml', yaml.text, 'main', fromYaml, () => {}, {})
      if (fromYaml.problems.length === 0)
        must(contentOf(fromYaml) === contentOf(written), 'YAML loses something')
    }
    const tree = await read(text)
    expandSections(tree, tree.sections, { HOME: '/root', A: '' })
    const { validPart } = await buildPlan(tree, { registry })
    const explained = await explainText(tree, validPart, {})
    must(!CONTROL.test(explained), 'a report has control characters')
    const found = { problems: [...tree.problems], warnings: [] }
    const tests = testsOf(tree, found)
    for (const { lines, expectations, output } of tests)
      must(
        lines.length > 0 && (expectations.length > 0 || output !== undefined),
        'a test that expects nothing',
      )
    return `${isValid} ${size(tests.length)} ${found.problems.slice(-1).map(kindOf).join()} ${size(classic.lost.length)}`
  },
}
