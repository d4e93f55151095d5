import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Flags } from '../../../src/config/flags.ts'
import { loadPlan } from '../../../src/config/load.ts'
import { camelName, type Option, type OptionType } from '../../../src/core/options/option.ts'
import { parseValue } from '../../../src/core/options/parse.ts'
import { registry } from '../../../src/registry.ts'
import { type Source, sourcesUnder } from '../../support/sources.ts'
import { tmp } from '../../support/tmp.ts'
import { type AnySpec, InputBench } from './bench.ts'
import type { InputCase } from './source.ts'
import { READ_OPTIONS } from './watched.ts'

const ROOT = resolve(import.meta.dirname, '../../..')

/** Values that no option of the type takes; any text is a list or a string. */
const BAD: Partial<Record<OptionType, string>> = {
  int: 'x',
  double: 'x',
  bool: 'maybe',
  size: '-5x',
  time: 'abc',
  enum: 'none-such',
}
/** Values that options refuse which only say that something is not supported. */
const ANY_VALUE = ['x', 'on', '1']

const sources = new Map(sourcesUnder('src').map((source) => [source.path, source]))
const registryCode = sources.get('src/registry.ts')?.code ?? ''

/** Returns the sources of the plugin and of all that it imports. */
function sourcesOf(input: string): Source[] {
  const inputs = registryCode.slice(0, registryCode.indexOf('parser: {'))
  const path = new RegExp(`\\b${input}: \\(\\) => import\\('\\./([^']+)'`).exec(inputs)?.[1]
  const reached = new Map<string, Source>()
  const todo = [`src/${path}`]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const source = sources.get(next)
    if (source === undefined || reached.has(next)) continue
    reached.set(next, source)
    todo.push(...source.imports)
  }
  return [...reached.values()]
}

/** Returns their texts, with comments: a pattern in a text may look like one. */
function codeOf(input: string): string {
  return sourcesOf(input)
    .map(({ path }) => readFileSync(join(ROOT, path), 'utf8'))
    .join('\n')
}

/** Returns the messages of a configuration with one input, which all have a location. */
async function problemsOf(input: string, lines: readonly string[]): Promise<string[]> {
  const file = join(tmp(), 'agent.conf')
  const text = ['[INPUT]', `Name ${input}`, ...lines, '[OUTPUT]', 'Name null', 'Match *', '']
  writeFileSync(file, text.map((line) => (line.startsWith('[') ? line : `    ${line}`)).join('\n'))
  const flags = new Flags().tree
  const { problems } = await loadPlan({ file, flags, registry, env: {}, checkUnused: false })
  for (const { location } of problems) expect(location?.line).toBeGreaterThan(0)
  return problems.map(({ message }) => message)
}

/** Returns values below and above the limits of an option, as texts. */
function outside({ type, min, max, raised }: Option): string[] {
  const unit = type === 'time' ? 'ms' : ''
  return [
    ...(min === undefined || raised === true || min === 0 ? [] : [`${min - 1}${unit}`]),
    ...(max === undefined ? [] : [`${max + 1}${unit}`]),
  ]
}

/** Returns what is said about a value: a size that is too large is replaced by the largest one, with a warning. */
function messageOf(name: string, option: Option, value: string): string | undefined {
  const result = parseValue(name, option, value)
  return result.problem ?? (option.type === 'size' && 'warning' in result ? result.warning : undefined)
}

/** Registers the tests of what is known of an input without running it, except for which options it reads. */
export function inputOptionsContract(input: string, cases: readonly InputCase[]): void {
  describe(`${input}: options and counters`, () => {
    const found = registry.find('input', input) as Promise<AnySpec>

    test('an unknown option and wrong values are refused at the start, with name and place', async () => {
      const { options } = await found
      const required = Object.entries(options).filter(([, { required: is }]) => is === true)
      const needed = required.map(([name, { type }]) => `${name} ${type === 'string' ? '/none' : '1'}`)
      expect(await problemsOf(input, [...needed, 'no_such_option 1'])).toEqual([
        `[${input}] unknown option "no_such_option"`,
      ])
      for (const [name, option] of Object.entries(options)) {
        if (option.ignored !== undefined) continue
        const bad = BAD[option.type]
        for (const value of [...(bad === undefined ? [] : [bad]), ...outside(option)])
          expect([value, messageOf(name, option, value)]).toEqual([
            value,
            expect.stringContaining(`"${name}"`),
          ])
      }
      const wrong = Object.entries(options).filter(
        ([, option]) => option.ignored === undefined && BAD[option.type] !== undefined,
      )
      const problems = await problemsOf(input, [
        ...needed.filter((line) => !wrong.some(([name]) => line.startsWith(`${name} `))),
        ...wrong.map(([name, { type }]) => `${name} ${BAD[type]}`),
      ])
      const unnamed = wrong.filter(([name]) => !problems.some((text) => text.includes(`"${name}"`)))
      expect(unnamed.map(([name]) => name)).toEqual([])
    })

    test('every option is read, refused for any value, or ignored with a reason', async () => {
      const spec = await found
      for (const { open, missingPeer } of cases) {
        if (missingPeer !== undefined) continue
        const source = await open()
        const bench = new InputBench(spec, source).start()
        await source.ready?.(bench)
        await source.end?.()
        await bench.close()
      }
      const code = codeOf(input)
      const unread = Object.entries(spec.options).filter(([name, option]) => {
        if (option.ignored !== undefined) return option.ignored === ''
        if (READ_OPTIONS.get(input)?.has(camelName(name)) === true) return false
        if (ANY_VALUE.every((value) => parseValue(name, option, value).problem !== undefined)) return false
        const camel = camelName(name)
        return !new RegExp(camel === name ? `\\boptions\\.${camel}\\b` : `\\b${camel}\\b`).test(code)
      })
      expect(unread.map(([name]) => name)).toEqual([])
    })

    test('every counter has a line of help, and is counted somewhere', async () => {
      const { counters = {} } = await found
      const code = codeOf(input)
      for (const [name, counter] of Object.entries(counters)) {
        const helps =
          typeof counter === 'string' ? [counter] : [counter.help, ...Object.values(counter.reasons)]
        for (const help of helps) expect(help).toMatch(/^\S.*[^.\s]$/)
        // The engine counts this one, see RegexLimit.
        if (name !== 'regex_step_limit') expect([name, code.includes(`'${name}'`)]).toEqual([name, true])
      }
    })

    test('counts nothing that it does not declare', async () => {
      const { counters = {} } = await found
      const counted = sourcesOf(input)
        .filter(({ path }) => path.startsWith('src/plugins/'))
        .flatMap(({ code }) => [...code.matchAll(COUNTED)].map(([, name = '']) => name))
      expect(counted.filter((name) => !Object.hasOwn(counters, name))).toEqual([])
    })
  })
}

/** Names in calls of the plugin itself; what libraries count for it is seen in its runs. */
const COUNTED = /counters\??\s*\.add\(\s*'([^']+)'/g
