import { expect, test } from 'bun:test'
import { reachedOutputs } from '../../src/agent/reached-outputs.ts'
import type { InputPlan, OrderedStep, OrderedTarget, Plan } from '../../src/core/plan.ts'
import { CollectingOutput } from '../support/engine/assembled.ts'
import { Lines, planOf } from '../support/engine/plan.ts'

const location = { file: 'f' }

function plan(tags: string[], outputs: Record<string, string>, more: Pick<InputPlan, 'routes'> = {}): Plan {
  return planOf({
    inputs: tags.map((tag, i) => ({
      name: `in.${i}`,
      create: (ctx) => new Lines(ctx, []),
      common: { tag },
      ...more,
    })),
    outputs: Object.entries(outputs).map(([name, match]) => ({
      name,
      create: () => new CollectingOutput(),
      common: { match },
    })),
  })
}

const names = (made: Plan): Promise<string[]> =>
  Promise.all(
    made.inputs.map(async (input) => {
      const outputs = await reachedOutputs(made, input)
      return outputs.map(({ name }) => name).join(' ')
    }),
  )

test('outputs are those whose Match matches the tag, or may match it', async () => {
  expect(await names(plan(['a.b', 'kube.*', 'c'], { one: 'a.*', two: 'kube.var.*', all: '*' }))).toEqual([
    'one all',
    'two all',
    'all',
  ])
})

test('outputs that a route names are reached whatever their Match', async () => {
  const routes = [{ name: 'r', condition: 'default' as const, outputs: ['one'], location }]
  expect(await names(plan(['t'], { one: 'x', two: 'x', all: '*' }, { routes }))).toEqual(['one all'])
})

test('with labels the steps lead to the outputs', async () => {
  const made = plan(['app.a', 'other', 'kube.*'], { one: 'x', two: 'x', three: 'x' })
  const output = (i: number) => ({ output: made.outputs[i] as (typeof made.outputs)[number] })
  const step = (pattern: string, ...targets: OrderedTarget[]): OrderedStep => ({
    patterns: [pattern],
    location,
    targets,
  })
  const labels = new Map([
    ['', [step('app.**', output(0), { label: '@L' }), step('**', output(2))]],
    ['@L', [step('app.a', output(1)), step('**', output(2))]],
  ])
  expect(await names({ ...made, routing: { labels } })).toEqual(['one two', 'three', 'one two three'])
})

test('outputs of the label to which a filter sends late records are reached', async () => {
  const made = plan(['app'], { one: 'x', late: 'x' })
  const [one, late] = made.outputs as [Plan['outputs'][number], Plan['outputs'][number]]
  const filter = { name: 'f', options: { timeoutLabel: '@LATE' } } as never
  const labels = new Map<string, OrderedStep[]>([
    [
      '',
      [
        { patterns: ['app'], location, filter },
        { patterns: ['**'], location, targets: [{ output: one }] },
      ],
    ],
    ['@LATE', [{ patterns: ['**'], location, targets: [{ output: late }] }]],
  ])
  expect(await names({ ...made, routing: { labels } })).toEqual(['one late'])
})
