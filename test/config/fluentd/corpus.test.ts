import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { loadPlan } from '../../../src/config/load.ts'
import type { OrderedStep, Plan } from '../../../src/core/plan.ts'
import { registry } from '../../../src/registry.ts'

/**
 * Files of fluentd in the manner of public ones, each with what they mean, in lines:
 *
 *   env NAME VALUE                      variable of the environment
 *   input NAME TAG [LABEL] | filter NAME | output NAME    all that are valid, in order
 *   step LABEL PATTERNS -> NAME         all of them, in order; LABEL - is none
 *   missing KIND NAME                   all of them
 *   service KEY VALUE | option NAME KEY VALUE    parsed options
 *   problem LINE TEXT | warning LINE TEXT        all of them, each with a part of its text
 *   note LINE TEXT                      some of them
 *
 * A filter whose plugin is not there is left out of the plan.
 */
const FOLDER = resolve(import.meta.dirname, '../../fixtures/config/fluentd')

function linesOf(file: string): Record<string, string[]> {
  const lines: Record<string, string[]> = {}
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    const [word = '', ...rest] = line.split(' ')
    lines[word] ??= []
    lines[word].push(rest.join(' '))
  }
  return lines
}

/** False for a filter of a plugin that is not there, which is reported. */
function isThere(line: string): boolean {
  const [plugin] = /^[a-z_]+(?=\.\d+$)/.exec(line.split(' ').at(-1) ?? '') ?? []
  return (
    plugin === undefined ||
    ['input', 'filter', 'output'].some((kind) => registry.names(kind as never).includes(plugin))
  )
}

function stepTexts({ routing }: Plan): string[] {
  const targets = ({ filter, targets = [] }: OrderedStep): string[] =>
    filter === undefined
      ? targets.map((target) => ('label' in target ? target.label : target.output.name))
      : [filter.name]
  return [...(routing?.labels ?? [])].flatMap(([label, steps]) =>
    steps.flatMap((step) => {
      const to = targets(step)
      return to.length === 0 ? [] : [`${label || '-'} ${step.patterns.join(' ')} -> ${to.join(', ')}`]
    }),
  )
}

function optionText(plan: Plan, name: string, key: string): string {
  const stage = [...plan.inputs, ...plan.filters, ...plan.outputs].find((one) => one.name === name)
  const value = { ...(stage?.common as object), ...(stage?.options as object) }[key as never] as unknown
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** True when `LINE TEXT` names the line of a message and a part of its text. */
function isMeant(line: string, number: string | undefined, message: string): boolean {
  const [, expected, text = ''] = /^(\d+) (.*)$/.exec(line) ?? []
  return number === expected && message.includes(text)
}

const names = readdirSync(FOLDER).filter((name) => name.endsWith('.conf'))

for (const name of names) {
  test(`${basename(name, '.conf')} means what it means to fluentd`, async () => {
    const lines = linesOf(join(FOLDER, name.replace('.conf', '.expected')))
    const env = Object.fromEntries((lines.env ?? []).map((line) => line.split(' ')))
    const result = await loadPlan({ file: join(FOLDER, name), flags: undefined, registry, env })
    const plan = result.validPart
    expect(plan.inputs.map((one) => `${one.name} ${one.tag} ${one.label ?? ''}`.trim())).toEqual(
      lines.input ?? [],
    )
    expect(plan.filters.map((one) => one.name)).toEqual((lines.filter ?? []).filter(isThere))
    const steps = stepTexts(plan)
    expect(steps).toEqual((lines.step ?? []).filter(isThere))
    expect(result.missing.map((one) => `${one.kind} ${one.name}`).sort()).toEqual(
      (lines.missing ?? []).sort(),
    )
    for (const line of lines.service ?? []) {
      const [key = '', ...value] = line.split(' ')
      expect([key, String(plan.service[key as never])]).toEqual([key, value.join(' ')])
    }
    for (const line of lines.option ?? []) {
      const [stage = '', key = '', ...value] = line.split(' ')
      if (isThere(stage)) expect([line, optionText(plan, stage, key)]).toEqual([line, value.join(' ')])
    }
    const problems = result.problems
      .filter(({ code }) => code !== 'E_CONFIG_UNKNOWN_PLUGIN')
      .map(({ location, message }) => [String(location?.line), message] as const)
    expect(
      problems.filter(([at, text]) => !(lines.problem ?? []).some((line) => isMeant(line, at, text))),
    ).toEqual([])
    expect(problems).toHaveLength((lines.problem ?? []).length)
    const placed = (texts: readonly string[]) =>
      texts.map((text) => [/:(\d+):\d+: /.exec(text)?.[1], text] as const)
    const warnings = placed(result.warnings)
    expect(
      warnings.filter(([at, text]) => !(lines.warning ?? []).some((line) => isMeant(line, at, text))),
    ).toEqual([])
    const notes = placed(result.notes ?? [])
    expect((lines.note ?? []).filter((line) => !notes.some(([at, text]) => isMeant(line, at, text)))).toEqual(
      [],
    )
  })
}

test('every kind of public files of fluentd is there', () => {
  expect(names.map((name) => name.slice(0, 2)).sort()).toEqual(['24', '25', '26', '27'])
})
