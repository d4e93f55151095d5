import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../src/core/error.ts'
import type { Plan } from '../../src/core/plan.ts'
import { defineParser, type Input, type InputContext } from '../../src/core/plugin.ts'
import { assemble, CollectingOutput, unchecked } from '../support/engine/assembled.ts'
import { Lines, planOf } from '../support/engine/plan.ts'
import { until, within } from '../support/until.ts'

test.each(['filter', 'output'])(
  'an error of the start of a %s names the stage and the place of the option',
  async (kind) => {
    const location = { file: 'a.conf', line: 7, col: 3 }
    const start = () =>
      Promise.reject(new ShipperError('E_SCRIPT', 'there is no file', { option: 'script', hint: 'make one' }))
    const plan = planOf({
      inputs: [{ name: 'in.0', create: (ctx) => new Lines(ctx, []) }],
      filters: [{ name: 'f.0', create: () => ({ apply() {}, ...(kind === 'filter' && { start }) }) }],
      outputs: [
        {
          name: 'out.0',
          create: () => Object.assign(new CollectingOutput(), kind === 'output' && { start }),
        },
      ],
    })
    for (const stage of [...plan.filters, ...plan.outputs])
      Object.assign(stage, { optionLocations: new Map([['script', location]]) })
    const name = kind === 'filter' ? 'sift' : 'keep'
    await expect(assemble(plan).assembly.start()).rejects.toMatchObject({
      code: 'E_SCRIPT',
      message: `[${name}] there is no file`,
      hint: 'make one',
      location,
    })
  },
)

test('a snapshot contains the state of every stage', async () => {
  const keep = new CollectingOutput()
  const plan = planOf({
    inputs: [
      {
        name: 'in.0',
        create: (ctx) => {
          ctx.counters.add('opened', 2)
          return Object.assign(new Lines(ctx, [{ text: 'abc' }, { text: 'de' }]), {
            status: () => ({ files: [] }),
          })
        },
        common: { mem_buf_limit: '5M' },
      },
    ],
    filters: [
      {
        name: 'sift.0',
        create: () => ({
          apply: (chunk) => {
            chunk.end -= 2
            chunk.count -= 1
          },
        }),
      },
    ],
    outputs: [
      { name: 'out.0', create: () => keep },
      { name: 'out.1', create: () => new CollectingOutput(), common: { match: 'other' } },
    ],
  })
  const { assembly } = assemble(plan)
  await assembly.inputs[0]?.input.run(new AbortController().signal)
  await assembly.settled()
  const s = assembly.snapshot()
  expect([s.version, s.hostname, s.memory]).toEqual(['1.2.3', 'leaf', { limit: 16_000_000, used: 0 }])
  expect(s.nowMs).toBeGreaterThanOrEqual(s.startedMs)
  expect(s.inputs).toEqual([
    {
      name: 'in.0',
      plugin: 'lines',
      records: 2,
      bytes: 5,
      memory: 0,
      memoryLimit: 5_000_000,
      paused: false,
      chunks: 0,
      counters: { opened: 2 },
      counterReasons: {},
      counterHelp: {},
      status: { files: [] },
    },
  ])
  const filterCounts = {
    records: 2,
    bytes: 5,
    addRecords: 0,
    dropRecords: 1,
    dropBytes: 2,
    unkept: undefined,
  }
  expect(s.filters).toEqual([
    { name: 'sift.0', plugin: 'sift', ...filterCounts, counters: {}, counterReasons: {}, counterHelp: {} },
  ])
  expect(s.outputs.map((o) => [o.name, o.plugin, o.procRecords, o.procBytes])).toEqual([
    ['out.0', 'keep', 1, 3],
    ['out.1', 'keep', 0, 0],
  ])
  expect(s.outputs[0]).toMatchObject({
    waiting: 0,
    inFlight: 0,
    retrying: 0,
    errors: 0,
    lastError: undefined,
  })
})

test('buffers of an output count for the process and for no input', () => {
  let made: Buffer | undefined
  const plan = planOf({
    inputs: [{ name: 'in.0', create: (ctx) => new Lines(ctx, []) }],
    outputs: [
      {
        name: 'out.0',
        create: (ctx) => {
          made = ctx.buffers.force(4096)
          return new CollectingOutput()
        },
      },
    ],
  })
  const { memory, inputs } = assemble(plan).assembly.snapshot()
  expect([made?.length, memory.used, inputs[0]?.memory]).toEqual([4096, 4096, 0])
})

test('every input is sealed immediately, even if the peer of one does not answer', async () => {
  const [stuck, keep] = [new CollectingOutput(), new CollectingOutput()]
  stuck.blocked = true
  // The first line is sent at once; the second stays pending, for ten minutes if it is not sealed.
  async function* two(name: string) {
    yield { text: name }
    await until(() => keep.texts.includes('b') && stuck.waiting === 1)
    yield { text: name.toUpperCase() }
  }
  const plan = planOf({
    inputs: ['a', 'b'].map((name) => ({ name, create: (ctx) => new Lines(ctx, two(name), false) })),
    outputs: [
      { name: 'out.0', create: () => stuck, common: { match: 'a' } },
      { name: 'out.1', create: () => keep, common: { match: 'b' } },
    ],
    service: { flush: '600' },
  })
  const { assembly } = assemble(plan)
  const stop = new AbortController()
  const runs = assembly.inputs.map((i) => i.input.run(stop.signal))
  await until(() => assembly.inputs.every((i) => (i.input as Lines).written === 2))
  stop.abort()
  await Promise.all(runs)
  const settled = assembly.settled()
  await until(() => keep.texts.length === 2 && stuck.waiting === 2)
  stuck.release()
  await within(settled, 120_000, 'settled')
  expect([stuck.texts, keep.texts]).toEqual([
    ['a', 'A'],
    ['b', 'B'],
  ])
})

test('an input that is not routable sends nothing, and its records settle', async () => {
  const keep = new CollectingOutput()
  const plan = planOf({
    inputs: [{ name: 'a', create: (ctx) => new Lines(ctx, [{ text: 'x' }]), common: { routable: 'off' } }],
    outputs: [{ name: 'out.0', create: () => keep }],
  })
  const { assembly } = assemble(plan)
  await assembly.inputs[0]?.input.run(new AbortController().signal)
  await within(assembly.settled(), 20_000, 'settled')
  expect([keep.texts.length, assembly.inputs[0]?.stage.settledBytes]).toEqual([0, 1])
})

describe('a parser', () => {
  const parserPlan = () => {
    const spec = defineParser({
      kind: 'parser',
      name: 'json',
      summary: '',
      description: '',
      options: {},
      example: '',
      create: () => ({ bound: () => 0, parse: () => false }),
    })
    return [{ spec, name: 'mine', options: {}, location: { file: 'parsers.conf' } }]
  }
  const ask = (parsers: Plan['parsers'], name: string): unknown[] => {
    const got: unknown[] = []
    const create = (ctx: InputContext): Input => {
      got.push(ctx.parser(name), ctx.parser(name))
      return new Lines(ctx, [])
    }
    assemble(planOf({ inputs: [{ name: 'in.0', create }], parsers }))
    return got
  }

  test('is created for each user, because it keeps state', () => {
    const [one, two] = ask(parserPlan(), 'mine')
    expect(one).toBeDefined()
    expect(one).not.toBe(two)
  })

  test('that does not exist is an error that lists the existing ones', () => {
    const errorOf = (parsers: Plan['parsers']): unknown => {
      try {
        return ask(parsers, 'other')
      } catch (error) {
        return error
      }
    }
    const known = errorOf(parserPlan()) as ShipperError
    expect(known).toBeInstanceOf(ShipperError)
    expect([known.code, known.message, known.hint]).toEqual([
      'E_CONFIG_BAD_VALUE',
      '[lines] there is no parser "other"',
      'known parsers: mine',
    ])
    expect((errorOf([]) as ShipperError).hint).toContain('Parsers_File')
  })
})

test('every plugin is closed even if others fail, and each failure is logged', async () => {
  const closed: string[] = []
  const closing = (name: string, fails: boolean) => async () => {
    closed.push(name)
    if (fails) throw new ShipperError('E_STORE_FULL', `${name} is full`)
  }
  const plan = planOf({
    inputs: ['a', 'b'].map((name) => ({
      name,
      create: (ctx) => Object.assign(new Lines(ctx, []), { close: closing(name, name === 'a') }),
    })),
    filters: [{ name: 'f', create: () => ({ apply: () => {}, close: () => void closed.push('f') }) }],
    outputs: ['o', 'p'].map((name) => ({
      name,
      create: () => Object.assign(new CollectingOutput(), { close: closing(name, name === 'o') }),
    })),
  })
  const { assembly, logged } = assemble(plan)
  expect([await assembly.closeInputs(), await assembly.closeOutputs()]).toEqual([false, false])
  expect(closed).toEqual(['a', 'b', 'f', 'o', 'p'])
  expect(logged.lines).toEqual(
    ['a is full', 'o is full'].map(
      (reason) =>
        `error cannot close, some positions may not be stored and lines may be sent again: ${reason}`,
    ),
  )
})

test('a stage that cannot be created is a problem at the location of its option; the others are created and can be closed', async () => {
  const closed: string[] = []
  const refuse = (message: string, option?: string) => (): never => {
    throw new ShipperError('E_CONFIG_BAD_VALUE', message, { hint: 'mend it', ...(option && { option }) })
  }
  const plan = planOf({
    inputs: [
      { name: 'in.0', create: refuse('has no such file', 'tag') },
      {
        name: 'in.1',
        create: (ctx) => Object.assign(new Lines(ctx, []), { close: async () => void closed.push('in.1') }),
      },
    ],
    filters: [{ name: 'f.0', create: refuse('cannot have both') }],
    outputs: [
      {
        name: 'out.0',
        create: () => {
          throw new TypeError('a defect')
        },
      },
      {
        name: 'out.1',
        create: () => Object.assign(new CollectingOutput(), { close: async () => void closed.push('out.1') }),
      },
    ],
  })
  const tagPlace = { file: 'test.conf', line: 3, col: 9 }
  Object.assign(plan.inputs[0] ?? {}, { optionLocations: new Map([['tag', tagPlace]]) })
  const { assembly } = unchecked(plan)
  expect(assembly.problems.map((p) => [p.code, p.message, p.location, p.hint])).toEqual([
    ['E_CONFIG_BAD_VALUE', '[sift] cannot have both', { file: 'test.conf' }, 'mend it'],
    ['E_INTERNAL', '[keep] a defect', { file: 'test.conf' }, 'report it with the message and the stack'],
    ['E_CONFIG_BAD_VALUE', '[lines] has no such file', tagPlace, 'mend it'],
  ])
  await expect(assembly.start()).rejects.toThrow('[sift] cannot have both')
  expect([await assembly.closeInputs(), await assembly.closeOutputs(), closed]).toEqual([
    true,
    true,
    ['in.1', 'out.1'],
  ])
})

test('garbage that a filter reports is reported to the agent', () => {
  const plan = planOf({
    inputs: [{ name: 'in.0', create: (ctx) => new Lines(ctx, []) }],
    filters: [
      {
        name: 'f.0',
        create: (ctx) => {
          ctx.leftGarbage?.(500)
          return { apply: () => {} }
        },
      },
    ],
    outputs: [{ name: 'out.0', create: () => new CollectingOutput() }],
  })
  expect(assemble(plan).garbage).toEqual([500])
})
