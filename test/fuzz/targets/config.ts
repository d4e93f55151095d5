import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClassicText } from '../../../src/config/classic.ts'
import { emptyTree } from '../../../src/config/config-tree.ts'
import { Flags } from '../../../src/config/flags.ts'
import { formatOf } from '../../../src/config/format.ts'
import { buildPlan } from '../../../src/config/plan.ts'
import { expandSections } from '../../../src/config/variables.ts'
import { ShipperError } from '../../../src/core/error.ts'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { parseValue } from '../../../src/core/options/parse.ts'
import { SERVICE_OPTIONS } from '../../../src/core/options/service.ts'
import { formatSize, formatTime, parseSize, parseTime } from '../../../src/core/options/units.ts'
import { registry } from '../../../src/registry.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const CONF = join(import.meta.dirname, '../../../conf')
const FIXTURES = join(import.meta.dirname, '../../fixtures/config')
const KINDS = ['input', 'parser', 'filter', 'output'] as const
const MAX_FILE_BYTES = 15_000

function files(): Buffer[] {
  return [CONF, FIXTURES].flatMap((folder) => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.conf'))
    return names.map((name) => readFileSync(join(folder, name)).subarray(0, MAX_FILE_BYTES))
  })
}

async function examples(): Promise<string[]> {
  const all = KINDS.flatMap((kind) => registry.names(kind).map((name) => registry.find(kind, name)))
  return (await Promise.all(all)).map((spec) => spec?.example ?? '')
}

const EXAMPLES = await examples()

export const config: Target = {
  name: 'config',
  maxBytes: 20_000,
  maxMs: 2000,
  dictionary: [
    '[INPUT]\n',
    '[PARSER]\n',
    '[MULTILINE_PARSER]\n',
    '    Name tail\n',
    '    Match *\n',
    '${HOME}',
    '${A:-b}',
    '@SET a=b\n',
    '@INCLUDE x\n',
    '    @INCLUDE x\n',
    'Grace 30s\n',
    ' # c\n',
    'Name lua\n',
    'Upstream u\n',
    '.5',
    '\t',
    '    ',
    '[',
    ']',
    'Regex ^(?<a>.*)$\n',
    'Rule "start_state" "/a/" "b"\n',
    '\r\n',
    '\ufeff',
  ],
  seeds: () => [
    ...files(),
    ...EXAMPLES,
    '[service]\n  flush 1\n[input]\n  name dummy\n  [processors]\n    logs x\n',
  ],
  async run(input) {
    const text = input.toString()
    const tree = emptyTree()
    formatOf('a.conf', text)
    let includes = 0
    await new ClassicText('a.conf', 'main', tree, () => void includes++).read(text)
    expandSections(tree, tree.sections, { HOME: '/root', A: '' })
    const { plan, problems } = await buildPlan(tree, { registry, checkUnused: true })
    for (const problem of problems)
      must(problem instanceof ShipperError && problem.message !== '', 'a problem without a message')
    return `${plan !== undefined} ${includes > 0} ${size(problems.length)} ${problems.slice(0, 2).map(kindOf).join()}`
  },
}

const LETTERS = { i: 'input', F: 'filter', o: 'output' } as const

export const flags: Target = {
  name: 'flags',
  maxBytes: 2000,
  maxMs: 2000,
  dictionary: [
    '\ni',
    '\no',
    '\np',
    'tail',
    'path=/x',
    '\nF',
    '\nm*',
    'forward://h:1',
    '=',
    '\nt',
    '?',
    '&',
    '%zz',
  ],
  seeds: () => [
    'itail\nppath=/var/log/*.log\noforward://localhost:24224\nm*',
    'icpu\nta\nFgrep\npregex=log x\nm*\nostdout',
  ],
  async run(input) {
    const flags = new Flags()
    try {
      for (const word of input.toString().split('\n')) {
        const [letter = '', value] = [word[0], word.slice(1)]
        if (letter === 'p') flags.property(value)
        else if (letter === 't') flags.tag(value)
        else if (letter === 'm') flags.match(value)
        else if (letter in LETTERS) flags.begin(LETTERS[letter as keyof typeof LETTERS], value)
      }
    } catch (error) {
      if (!(error instanceof ShipperError)) throw error
      return kindOf(error)
    }
    const { problems } = await buildPlan(flags.tree, { registry })
    return `${size(problems.length)} ${problems.slice(0, 2).map(kindOf).join()}`
  },
}

const SPECS = await Promise.all(
  KINDS.flatMap((kind) => registry.names(kind).map((name) => registry.find(kind, name))),
)
const TABLES = [SERVICE_OPTIONS, ...SPECS.map((spec) => spec?.options ?? {})] as OptionTable[]
const OPTIONS = TABLES.flatMap((table) => Object.entries(table))

export const options: Target = {
  name: 'options',
  maxBytes: 2000,
  dictionary: [
    '0',
    '-1',
    '1e3',
    '5M',
    '0.5',
    'off',
    'true',
    '1.5G',
    '60s',
    '99999999999999999999',
    ' ',
    '"',
    '\\"',
    ',',
    'no_limits',
    '^(?<a>(x+)+)$',
    '%Y',
    '[',
    '${A}',
    '::1',
    "$a['b']",
  ],
  seeds: () => [
    'a5M',
    'b60s',
    'ctrue',
    'd"a b" c',
    'e1,2,3',
    'f%Y-%m-%d',
    'g^(?<a>x)$',
    'h-1',
    'iEurope/Berlin',
    'j+0930',
  ],
  run(input) {
    const [name, option] =
      OPTIONS[(input[0] ?? 0) + 256 * ((input[1] ?? 0) % 4)] ??
      (OPTIONS[(input[0] ?? 0) % OPTIONS.length] as (typeof OPTIONS)[number])
    const text = input.subarray(1).toString()
    const result: { problem?: string | undefined; warning?: string | undefined } = parseValue(
      name,
      option,
      text,
    )
    must(result.problem === undefined || result.problem.length > 0, 'a problem without a text')
    must(
      !(option.secret === true && text.length > 8 && `${result.problem}${result.warning}`.includes(text)),
      'a secret is printed',
    )
    const [bytes, ms] = [parseSize(text), parseTime(text)]
    if (bytes !== undefined && Number.isSafeInteger(bytes))
      must(parseSize(formatSize(bytes)) === bytes, () => `${bytes} is written as ${formatSize(bytes)}`)
    if (ms !== undefined && Number.isSafeInteger(ms))
      must(parseTime(formatTime(ms)) === ms, () => `${ms} is written as ${formatTime(ms)}`)
    return `${option.type} ${name} ${result.problem === undefined} ${result.warning === undefined}`
  },
}
