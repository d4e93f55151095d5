import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { loadPlan } from '../../src/config/load.ts'
import type { PlanResult } from '../../src/config/plan.ts'
import type { Condition, Plan } from '../../src/core/plan.ts'
import { registry } from '../../src/registry.ts'

/**
 * Configurations in the manner of public ones, each with a file of what fluent-bit makes of it, in lines:
 *
 *   env NAME VALUE              variable of the environment
 *   service KEY VALUE           parsed option of [SERVICE]
 *   input NAME TAG | filter NAME MATCH | output NAME MATCH | parser NAME | multiline NAME    all of them, in order
 *   option NAME KEY VALUE       parsed option of a stage that is there
 *   processor STAGE NAME [OP RULES] | route INPUT NAME OP RULES OUTPUT...    all of them, in order, with the number of rules
 *   warning LINE TEXT | problem LINE TEXT    all of them, each with a part of its text
 *   other warnings allowed      as the plugins of the configuration may not be there yet
 *
 * A stage whose plugin is not there is missing from the plan, and named as missing.
 */
const FOLDER = resolve(import.meta.dirname, '../fixtures/config')

interface Expected {
  env: Record<string, string>
  lines: Record<string, string[]>
}

function readExpected(file: string): Expected {
  const expected: Expected = { env: {}, lines: {} }
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [word = '', ...rest] = line.split(' ')
    if (word === 'env') expected.env[rest[0] as string] = rest.slice(1).join(' ')
    else if (word !== '') {
      expected.lines[word] ??= []
      expected.lines[word].push(rest.join(' '))
    }
  }
  return expected
}

/** Returns the expected stages of a kind whose plugin is there. */
function present(kind: 'input' | 'filter' | 'output', lines: readonly string[] = []): string[] {
  return lines.filter((line) => {
    const [, plugin, numbered] = /^([\w-]+?)(\.\d+)? /.exec(line) ?? []
    return numbered === undefined || registry.names(kind).includes(plugin as string)
  })
}

function stages({ inputs, filters, outputs }: Plan): Record<'input' | 'filter' | 'output', string[]> {
  const byMatch = ({ name, common }: Plan['filters' | 'outputs'][number]): string => {
    const { match, matchRegex } = common
    return `${name} ${matchRegex === undefined ? (match ?? '-') : `/${matchRegex}/`}`
  }
  return {
    input: inputs.map(({ name, tag }) => `${name} ${tag}`),
    filter: filters.map(byMatch),
    output: outputs.map(byMatch),
  }
}

/** Returns the lines of processors and routes. */
function groupLines({ inputs, outputs }: Plan): [processors: string[], routes: string[]] {
  const text = (condition: Condition | 'default' | undefined): string =>
    typeof condition === 'object' ? `${condition.op} ${condition.rules.length}` : (condition ?? '')
  const processors = [...inputs, ...outputs].flatMap((stage) =>
    (stage.processors ?? []).map(({ name, condition }) => `${stage.name} ${name} ${text(condition)}`.trim()),
  )
  const routes = inputs.flatMap((input) =>
    (input.routes ?? []).map(
      ({ name, condition, outputs: to }) => `${input.name} ${name} ${text(condition)} ${to.join(' ')}`,
    ),
  )
  return [processors, routes]
}

function optionText(plan: Plan, name: string, key: string): string {
  for (const stage of [...plan.outputs, ...plan.filters, ...plan.inputs]) {
    const value = { ...(stage.common as object), ...(stage.options as object) }[key as never] as unknown
    if (stage.name === name && value !== undefined)
      return typeof value === 'string' ? value : JSON.stringify(value)
  }
  return 'undefined'
}

function hasStage({ inputs, filters, outputs }: Plan, name: string): boolean {
  return [...inputs, ...filters, ...outputs].some((stage) => stage.name === name)
}

/** Compares messages with lines `LINE TEXT`, of which the text is a part of a message. */
function expectMessages(found: readonly string[], expected: readonly string[] = [], all: boolean): void {
  const isMeant = (message: string, line: string): boolean => {
    const [, number, text = ''] = /^(\d+) (.*)$/.exec(line) ?? []
    return message.startsWith(`${number} `) && message.includes(text)
  }
  expect(expected.filter((line) => !found.some((message) => isMeant(message, line)))).toEqual([])
  if (all) expect(found.filter((message) => !expected.some((line) => isMeant(message, line)))).toEqual([])
}

function withLine(warning: string): string {
  const [, line, text] = /^\S.*?:(\d+):\d+: (.*)$/s.exec(warning) ?? []
  return `${line} ${text ?? warning}`
}

const names = readdirSync(FOLDER).filter((name) => name.endsWith('.expected'))

for (const name of names) {
  test(`${basename(name, '.expected')} is read as fluent-bit reads it`, async () => {
    const { env, lines } = readExpected(join(FOLDER, name))
    const [file = ''] = ['.conf', '.yaml']
      .map((ending) => join(FOLDER, name.replace('.expected', ending)))
      .filter(existsSync)
    const result = await loadPlan({ file, flags: undefined, registry, env, checkUnused: true })
    const plan = result.plan ?? result.validPart
    const found = stages(plan)
    for (const kind of ['input', 'filter', 'output'] as const)
      expect([kind, found[kind]]).toEqual([kind, present(kind, lines[kind])])
    expect(groupLines(plan)).toEqual([lines.processor ?? [], lines.route ?? []])
    expectMissing(result, lines)
    for (const line of lines.service ?? []) {
      const [key = '', ...value] = line.split(' ')
      expect([key, String(plan.service[key as never])]).toEqual([key, value.join(' ')])
    }
    for (const line of lines.option ?? []) {
      const [stage = '', key = '', ...value] = line.split(' ')
      if (hasStage(plan, stage)) expect([line, optionText(plan, stage, key)]).toEqual([line, value.join(' ')])
    }
    for (const parser of lines.parser ?? []) expect(plan.parsers.map((p) => p.name)).toContain(parser)
    expect(plan.multilines.map((each) => each.name)).toEqual(lines.multiline ?? [])
    expectMessages(result.warnings.map(withLine), lines.warning, lines.other === undefined)
    const problems = result.problems.filter(({ code }) => code !== 'E_CONFIG_UNKNOWN_PLUGIN')
    expectMessages(
      problems.map(({ location, message }) => `${location?.line} ${message}`),
      lines.problem,
      true,
    )
  })
}

/** Expects every stage without a plugin among the missing ones, and a plan when there is none. */
function expectMissing({ plan, missing }: PlanResult, lines: Record<string, string[]>): void {
  const absent = (['input', 'filter', 'output'] as const).flatMap((kind) => {
    const there = present(kind, lines[kind])
    const gone = (lines[kind] ?? []).filter((line) => !there.includes(line))
    return gone.map((line) => `${kind} ${line.replace(/\.\d+ .*/, '')}`)
  })
  expect(missing.map(({ kind, name }) => `${kind} ${name}`)).toEqual([...new Set(absent)])
  expect(plan !== undefined).toBe(absent.length === 0 && lines.problem === undefined)
}

test('every configuration has its expectation, and all twenty-three kinds are there', () => {
  const kinds = new Set(names.map((name) => name.slice(0, 2)))
  expect([...kinds].toSorted()).toEqual(Array.from({ length: 23 }, (_, i) => String(i + 1).padStart(2, '0')))
})
