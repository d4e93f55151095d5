import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPlan } from '../../../src/agent/dry-run.ts'
import { loadPlan } from '../../../src/config/load.ts'
import { encodeStr } from '../../../src/core/msgpack/encode.ts'
import type { Condition } from '../../../src/core/plan.ts'
import { ConditionalFilter } from '../../../src/engine/conditional-filter.ts'
import { compileCondition } from '../../../src/lib/records/condition.ts'
import { registry } from '../../../src/registry.ts'
import type { Texts } from '../../support/engine/filter-run.ts'
import { tmp } from '../../support/tmp.ts'
import type { FilterCase } from './cases.ts'
import { everyValueUnder, type HostileEntry, hostileChunk, rawPair } from './hostile.ts'
import { entriesOf, quiet, type SeenEntry, startCase } from './run.ts'

const CONDITION: Condition = {
  op: 'and',
  rules: [{ field: '$level', op: 'eq', values: ['x'], context: 'body', location: { file: 'agent.yaml' } }],
}

const PARSERS = [
  ...[
    '{name: json, format: json}',
    '{name: request, format: regex, regex: "^(?<verb>[A-Z]+) (?<path>[^ ]+)$"}',
  ],
  '{name: letters, format: regex, regex: "^(?<word>[a-z]+)$"}',
]

/** Returns a configuration in YAML with the filter as a processor with a condition. */
function yamlOf(filter: string, texts: Texts, place: 'input' | 'output'): string {
  // What looks like a variable of the environment is meant for the filter.
  const text = (value: string): string => JSON.stringify(value).replaceAll('${', '$${')
  const options = Object.entries(filter === 'modify' ? byRule(texts) : texts).map(
    ([key, value]) =>
      `${JSON.stringify(key)}: ${Array.isArray(value) ? `[${value.map(text).join(', ')}]` : text(value)}`,
  )
  const condition = 'condition: {op: and, rules: [{field: "$level", op: eq, value: x}]}'
  const processors = `, processors: {logs: [{name: ${filter}, ${[...options, condition].join(', ')}}]}`
  return [
    `parsers: [${PARSERS.join(', ')}]`,
    'pipeline:',
    `  inputs: [{name: dummy, tag: app${place === 'input' ? processors : ''}}]`,
    `  outputs: [{name: "null", match: "*"${place === 'output' ? processors : ''}}]`,
    '',
  ].join('\n')
}

/** Returns the options of the filter modify, whose rules are options of their own in a file. */
function byRule({ set = [], ...others }: Texts): Texts {
  const rules: Record<string, string[]> = {}
  for (const rule of [set].flat()) {
    const name = rule.slice(0, rule.indexOf(' '))
    rules[name] = [...(rules[name] ?? []), rule.slice(name.length + 1)]
  }
  return { ...others, ...rules }
}

async function problemsOf(yaml: string): Promise<string[]> {
  const file = join(tmp(), 'agent.yaml')
  writeFileSync(file, yaml)
  const { plan, problems } = await loadPlan({ file, flags: undefined, registry, env: {}, checkUnused: true })
  const all = plan === undefined || problems.length > 0 ? problems : (await checkPlan(plan, '1.2.3')).problems
  return all.map(({ message }) => message)
}

/** Records of which every second one meets the condition, with all values. */
const mixed = (): HostileEntry[] =>
  everyValueUnder('log').map(({ pairs, ...entry }, i) => ({
    ...entry,
    ...(pairs && { pairs: i % 2 === 0 ? [...pairs, rawPair('level', encodeStr('x'))] : pairs }),
  }))

/** Tests a filter as a processor, with a condition. */
export function processorContract(filterCase: FilterCase): void {
  const { filter, texts, notInOutput } = filterCase
  test('is a processor of an input', async () => {
    const given = typeof texts === 'function' ? await texts() : texts
    expect(await problemsOf(yamlOf(filter, given, 'input'))).toEqual([])
  })

  test(`is ${notInOutput === undefined ? 'a' : 'no'} processor of an output`, async () => {
    const given = typeof texts === 'function' ? await texts() : texts
    expect(await problemsOf(yamlOf(filter, given, 'output'))).toEqual(
      notInOutput === undefined ? [] : [`[${filter}] cannot be a processor of an output`],
    )
  })

  test('leaves records that do not meet its condition as they are, where they are', async () => {
    quiet()
    const run = await startCase(filterCase)
    const condition = compileCondition(CONDITION)
    run.filter = new ConditionalFilter(run.filter, condition)
    const chunk = hostileChunk(mixed(), run.buffers, filterCase.tag ?? 'app')
    const came = entriesOf(chunk)
    const isMet = ({ bytes }: SeenEntry): boolean => {
      const buf = Buffer.from(bytes, 'hex')
      return condition.test(buf, 0, buf.length)
    }
    const others = came.filter((entry) => !isMet(entry)).map(({ bytes }) => bytes)
    expect(others.length).toBeGreaterThan(5)
    const wanted = new Set(others)
    const left = run.apply(chunk).map(({ bytes }) => bytes)
    await run.finish()
    expect(left.filter((bytes) => wanted.has(bytes))).toEqual(others)
  })
}
