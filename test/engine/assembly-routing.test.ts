import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import type { Chunk } from '../../src/core/chunk.ts'
import { writeEntryHead } from '../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../src/core/options/parse.ts'
import type { Condition, OrderedStep, Plan } from '../../src/core/plan.ts'
import type { Filter, FilterContext, Input, InputContext, Output } from '../../src/core/plugin.ts'
import { spec as multiline } from '../../src/plugins/filters/multiline/index.ts'
import { assemble, CollectingOutput, unchecked } from '../support/engine/assembled.ts'
import { recordsOf } from '../support/engine/chunk-of.ts'
import { filterPlanOf, Lines, planOf } from '../support/engine/plan.ts'
import { shapeOf } from '../support/engine/stages.ts'

const nothing = (): Filter => ({ apply() {} })
const processor = (name: string, create: (ctx: FilterContext) => Filter = nothing) =>
  filterPlanOf({ name, create })
const location = { file: 'test.conf', line: 3 }
const silent = (ctx: InputContext): Input => new Lines(ctx, [])
const levelIs = (...values: string[]): Condition => ({
  op: 'and',
  rules: [{ field: '$level', op: 'eq', values, context: 'body', location }],
})

/** An input of a finite number of records. */
function records(list: object[]): (ctx: InputContext) => Input {
  return (ctx) => ({
    async run() {
      for (const record of list) {
        const body = encode(record)
        const out = ctx.appender(ctx.tag)
        out.reserve(body.length + 16)
        out.end = writeEntryHead(out.buf, out.end, 1000, 0)
        out.buf.set(body, out.end)
        out.end += body.length
        out.addRecords(1, body.length)
      }
      ctx.sealAll()
    },
    async close() {},
  })
}

class Records implements Output {
  readonly seen: Record<string, unknown>[] = []
  async flush(chunk: Chunk): Promise<void> {
    this.seen.push(...recordsOf(chunk))
  }
  async close(): Promise<void> {}
}

async function run(plan: Plan) {
  const made = assemble(plan)
  await made.assembly.start()
  for (const { input } of made.assembly.inputs) await input.run(new AbortController().signal)
  await made.assembly.settled()
  return made
}

describe('processors', () => {
  test('are started, counted under their own names, and closed like filters', async () => {
    const calls: string[] = []
    const logging = (name: string) =>
      processor(name, () => ({
        start: async () => void calls.push(`start ${name}`),
        apply: () => void calls.push(name),
        close: () => void calls.push(`close ${name}`),
      }))
    const keep = new Records()
    const plan = planOf({
      inputs: [
        { name: 'in.0', create: records([{ a: 1 }]), processors: [logging('p1')] },
        { name: 'in.1', create: records([{ a: 2 }]) },
      ],
      filters: [{ name: 'f', create: () => ({ apply: () => void calls.push('f') }) }],
      outputs: [{ name: 'out.0', create: () => keep, processors: [logging('p2')] }],
    })
    const { assembly } = await run(plan)
    await assembly.closeOutputs()
    expect(calls).toEqual([
      'start p1',
      'start p2',
      ...['p1', 'f', 'p2'],
      ...['f', 'p2'],
      'close p1',
      'close p2',
    ])
    expect(assembly.snapshot().filters.map(({ name, records: n }) => [name, n])).toEqual([
      ['p1', 1],
      ['f', 2],
      ['p2', 2],
    ])
    expect(keep.seen).toEqual([{ a: 1 }, { a: 2 }])
  })

  test('with a condition are for the records that meet it', async () => {
    const drop = processor('drop', () => ({
      apply: (chunk) => {
        chunk.end = chunk.start
        chunk.count = 0
      },
    }))
    const keep = new Records()
    const list = ['debug', 'error', 'debug', 'info'].map((level) => ({ level }))
    const processors = [{ ...drop, condition: levelIs('debug') }]
    const plan = planOf({
      inputs: [{ name: 'in.0', create: records(list), processors }],
      outputs: [{ name: 'out.0', create: () => keep }],
    })
    const { assembly } = await run(plan)
    expect(keep.seen).toEqual([{ level: 'error' }, { level: 'info' }])
    expect(assembly.snapshot().filters[0]).toMatchObject({ records: 4, dropRecords: 2 })
  })

  test('may join lines: what is open at the end of a chunk goes to their output only, when it is complete', async () => {
    const options = parseOptions(multiline.options, { 'multiline.parser': 'java', flush_ms: '20' } as never)
    const joining = { ...processor('multiline.0'), spec: multiline, options }
    const [whole, plain] = [new Records(), new Records()]
    const lines = ['java.lang.RuntimeException: x', '\tat a.B.c(B.java:3)', 'next']
    const plan = planOf({
      inputs: [{ name: 'in.0', create: records(lines.slice(0, 2).map((log) => ({ log }))) }],
      outputs: [
        { name: 'whole', create: () => whole, processors: [joining] },
        { name: 'plain', create: () => plain },
      ],
    })
    const { assembly } = await run(plan)
    expect(plain.seen.map(({ log }) => log)).toEqual(lines.slice(0, 2))
    expect(whole.seen.map(({ log }) => log)).toEqual([`${lines[0]}\n${lines[1]}`])
    expect([assembly.inputs[0]?.stage.openChunks, assembly.snapshot().memory.used]).toEqual([0, 0])
  })

  test('that cannot be created are problems like those of filters', () => {
    const bad = processor('bad', () => {
      throw new Error('no')
    })
    const plan = planOf({
      inputs: [
        {
          name: 'in.0',
          create: silent,
          processors: [bad],
          routes: [{ name: 'r', condition: undefined, outputs: ['gone'], location }],
        },
      ],
      outputs: [{ name: 'out.0', create: () => new CollectingOutput(), processors: [bad] }],
    })
    expect(unchecked(plan).assembly.problems.map(({ message }) => message)).toEqual([
      '[sift] no',
      '[sift] no',
    ])
  })

  test('make a tag an identity only for the inputs whose records they get', () => {
    const identity = { ...processor('k8s') }
    const spec = { ...identity.spec, identityTags: () => 'kube.*' }
    const asks: InputContext[] = []
    const create = (ctx: InputContext): Input => {
      asks.push(ctx)
      return new Lines(ctx, [])
    }
    const plan = planOf({
      inputs: [
        { name: 'tail.0', create, processors: [{ ...identity, spec }] },
        { name: 'forward.0', create },
      ],
      outputs: [{ name: 'out.0', create: () => new CollectingOutput() }],
    })
    assemble(plan)
    expect(asks.map((ctx) => ctx.isIdentity('kube.x'))).toEqual([true, false])
    expect(asks[0]?.isIdentity('other')).toBe(false)
  })

  test('are asked by their input whether they are ready', () => {
    const wait = Promise.resolve()
    const asks: InputContext[] = []
    const create = (ctx: InputContext): Input => {
      asks.push(ctx)
      return new Lines(ctx, [])
    }
    const processors = [processor('k8s', () => ({ apply() {}, ready: () => wait }))]
    assemble(
      planOf({
        inputs: [
          { name: 'tail.0', create, processors },
          { name: 'tail.1', create },
        ],
        outputs: [{ name: 'out.0', create: () => new CollectingOutput() }],
      }),
    )
    expect(asks.map((ctx) => ctx.ready?.('t', '/a'))).toEqual([wait, undefined])
  })
})

describe('routes by condition', () => {
  test('send each record of their input to the outputs that they name', async () => {
    const outputs = ['errors', 'rest', 'all'].map((name) => ({ name, keep: new Records() }))
    const list = ['error', 'info', 'error'].map((level, n) => ({ level, n }))
    const routes = [
      { name: 'errors', condition: levelIs('error'), outputs: ['errors'], location },
      { name: 'rest', condition: 'default' as const, outputs: ['rest'], location },
    ]
    const plan = planOf({
      inputs: [
        { name: 'in.0', create: records(list), routes },
        { name: 'in.1', create: records([{ n: 9 }]) },
      ],
      outputs: outputs.map(({ name, keep }) => ({
        name,
        create: () => keep,
        common: { match: name === 'all' ? '*' : 'in.1' },
      })),
    })
    await run(plan)
    expect(outputs.map(({ keep }) => keep.seen.map(({ n }) => n))).toEqual([
      [0, 2, 9],
      [1, 9],
      [0, 1, 2, 9],
    ])
  })

  test('that name an output which is not there are a problem with a location', () => {
    const routes = [{ name: 'r', condition: undefined, outputs: ['gone'], location }]
    const plan = planOf({
      inputs: [{ name: 'in.0', create: silent, routes }],
      outputs: [{ name: 'out.0', create: () => new CollectingOutput() }],
    })
    expect(unchecked(plan).assembly.problems).toMatchObject([
      { code: 'E_CONFIG_BAD_VALUE', message: 'there is no output gone', hint: 'outputs: out.0', location },
    ])
  })
})

describe('ordered routing', () => {
  /** Completes a plan with steps that name its filters and outputs, or labels. */
  function ordered(plan: Plan, labels: Record<string, [string, ...string[]][]>): Plan {
    const step = ([patterns, ...names]: [string, ...string[]]): OrderedStep => {
      const filter = plan.filters.find(({ name }) => name === names[0])
      if (filter !== undefined) return { patterns: [patterns], location, filter: { ...filter } }
      const targets = names.map((name) => {
        const output = plan.outputs.find((o) => o.name === name)
        return output === undefined ? { label: name } : { output: { ...output } }
      })
      return { patterns: [patterns], location, targets }
    }
    const steps = Object.entries(labels).map(([label, list]) => [label, list.map(step)] as const)
    return { ...plan, routing: { labels: new Map(steps) } }
  }

  const outputs = (...names: string[]) => {
    const keeps = names.map((name) => ({ name, keep: new Records() }))
    return { keeps, plans: keeps.map(({ name, keep }) => ({ name, create: () => keep })) }
  }

  test('sends records the way of the steps; filters and outputs of several steps are one instance', async () => {
    let made = 0
    const { keeps, plans } = outputs('one', 'two')
    const plan = ordered(
      planOf({
        inputs: [
          { name: 'in.0', create: records([{ n: 1 }]), common: { tag: 'app.a' } },
          { name: 'in.1', create: records([{ n: 2 }]), common: { tag: 'x' }, label: '@L' },
        ],
        filters: [
          {
            name: 'f',
            create: () => {
              made++
              return { apply() {} }
            },
          },
        ],
        outputs: plans,
      }),
      {
        '': [
          ['app.**', 'f'],
          ['app.*', 'one', '@L'],
        ],
        '@L': [
          ['**', 'f'],
          ['**', 'two'],
        ],
      },
    )
    for (const input of plan.inputs) input.tag = input.common.tag ?? input.name
    const { assembly } = await run(plan)
    expect(keeps.map(({ keep }) => keep.seen)).toEqual([[{ n: 1 }], [{ n: 1 }, { n: 2 }]])
    expect([made, assembly.snapshot().filters[0]?.records, assembly.outputs.length]).toEqual([1, 3, 2])
    expect(shapeOf(assembly.pipeline.path('in.0', 'app.a'))).toBe('f -> one [f -> two]')
  })

  test('tells filters the labels, to which they can send records', async () => {
    const seen: unknown[] = []
    const { keeps, plans } = outputs('one', 'errors')
    const failing = (ctx: FilterContext): Filter => ({
      apply: (chunk, deferral) => {
        seen.push([...(ctx.labels ?? [])])
        const copy = chunk.copy('e')
        const { tag, input, buf, start, end, count, id } = copy
        const init = { tag, input, buf, start, end, count, id, inputBytes: 0 }
        ctx.emit(init, deferral.buffers, deferral.defer(), '@ERROR')
        chunk.end = chunk.start
        chunk.count = 0
      },
    })
    const plan = ordered(
      planOf({
        inputs: [{ name: 'in.0', create: records([{ n: 1 }]) }],
        filters: [{ name: 'f', create: failing }],
        outputs: plans,
      }),
      {
        '': [
          ['**', 'f'],
          ['**', 'one'],
        ],
        '@ERROR': [['**', 'errors']],
      },
    )
    const { assembly } = await run(plan)
    expect([seen, keeps.map(({ keep }) => keep.seen)]).toEqual([[['@ERROR']], [[], [{ n: 1 }]]])
    expect(assembly.snapshot().memory.used).toBe(0)
  })

  test('without labels there are none, and records for one are aborted with an error', async () => {
    const acked: string[] = []
    const plan = planOf({
      inputs: [{ name: 'in.0', create: records([{ n: 1 }]) }],
      filters: [
        {
          name: 'f',
          create: (ctx) => ({
            apply: (chunk, deferral) => {
              expect(ctx.labels).toBeUndefined()
              const { tag, input, buf, start, end, count, id } = chunk.copy('e')
              const init = { tag, input, buf, start, end, count, id, inputBytes: 0 }
              ctx.emit(init, deferral.buffers, (outcome) => acked.push(outcome), '@X')
            },
          }),
        },
      ],
      outputs: outputs('one').plans,
    })
    const { assembly, logged } = await run(plan)
    expect([acked, assembly.snapshot().memory.used]).toEqual([['aborted'], 0])
    expect(logged.lines).toContain('error f sends 1 record to label @X, which does not exist')
  })

  test('that is wrong is a problem with a location', () => {
    const base = () =>
      planOf({
        inputs: [{ name: 'in.0', create: silent, label: '@X' }],
        outputs: outputs('one').plans,
      })
    const problems = (plan: Plan) => unchecked(plan).assembly.problems.map(({ message }) => message)
    expect(problems(ordered(base(), { '': [] }))).toEqual(['there is no label @X'])
    expect(problems(ordered(base(), { '@X': [['/(/', 'one']] }))).toHaveLength(1)
    expect(problems(ordered(base(), { '@X': [['**', '@Y']] }))).toEqual(['there is no label @Y'])
    expect(problems(ordered(base(), { '@X': [['**', 'one']] }))).toEqual([])
  })
})
