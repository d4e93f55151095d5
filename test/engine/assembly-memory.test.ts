import { describe, expect, test } from 'bun:test'
import type { Chunk } from '../../src/core/chunk.ts'
import type { InputContext, OutputContext } from '../../src/core/plugin.ts'
import { assemble, CollectingOutput } from '../support/engine/assembled.ts'
import { Lines, planOf } from '../support/engine/plan.ts'
import { until, within } from '../support/until.ts'

const NUMBERS = /\d+;/g

function* repeat(n: number, text: (i: number) => { tag?: string; text: string }) {
  for (let i = 0; i < n; i++) yield text(i)
}

describe('an input at its limit', () => {
  test('pauses until acks arrive, reports it, and then resumes', async () => {
    const keep = new CollectingOutput()
    keep.blocked = true
    let input: Lines | undefined
    const plan = planOf({
      inputs: [
        {
          name: 'in.0',
          create: (ctx) =>
            (input = new Lines(
              ctx,
              repeat(2000, () => ({ text: 'x'.repeat(100) })),
            )),
          common: { mem_buf_limit: '50K' },
        },
      ],
      outputs: [{ name: 'out.0', create: () => keep }],
    })
    const { assembly } = assemble(plan)
    const run = assembly.inputs[0]?.input.run(new AbortController().signal)
    await until(() => assembly.snapshot().inputs[0]?.paused)
    const [state] = assembly.snapshot().inputs
    expect(state?.memory).toBeLessThanOrEqual(50_000)
    expect(state?.memory).toBeGreaterThan(10_000)
    const { written } = input as Lines
    expect(written).toBeLessThan(500)
    await new Promise((resolve) => setImmediate(resolve))
    expect((input as Lines).written).toBe(written)
    keep.release()
    await run
    await within(assembly.settled(), 20_000, 'all acks')
    expect(keep.texts.join('').length).toBe(200_000)
    expect([assembly.snapshot().inputs[0]?.paused, assembly.snapshot().memory.used]).toEqual([false, 0])
  })
})

/** An output whose peer takes every chunk at once and acknowledges it when `release` is called. */
class LateAcks extends CollectingOutput {
  readonly #ctx: OutputContext

  constructor(ctx: OutputContext) {
    super()
    this.#ctx = ctx
    this.blocked = true
  }

  override flush(chunk: Chunk): Promise<void> {
    if (this.blocked) this.#ctx.accepted?.(chunk)
    return super.flush(chunk)
  }
}

describe('while chunks wait for nothing but their acknowledgement', () => {
  const setup = (common: Record<string, string>) => {
    let late: LateAcks | undefined
    const lines = (ctx: InputContext): Lines =>
      new Lines(
        ctx,
        repeat(20_000, () => ({ text: 'x'.repeat(100) })),
      )
    const others = new CollectingOutput()
    const plan = planOf({
      inputs: [
        { name: 'in.0', create: lines, common: { tag: 'late', ...common } },
        { name: 'in.1', create: lines, common: { tag: 'other' } },
      ],
      outputs: [
        {
          name: 'out.0',
          create: (ctx) => (late = new LateAcks(ctx)),
          common: { match: 'late' },
          inFlight: 256,
        },
        { name: 'out.1', create: () => others, common: { match: 'other' } },
      ],
      service: { memory_limit: '1M', chunk_size: '20K' },
    })
    const { assembly } = assemble(plan)
    const signal = new AbortController().signal
    return { assembly, others, signal, late: () => late as LateAcks }
  }

  test('their input reads on, up to half of the memory, and others have the rest', async () => {
    const { assembly, others, signal, late } = setup({})
    const run = assembly.inputs[0]?.input.run(signal)
    await until(() => assembly.snapshot().inputs[0]?.paused)
    const { used } = assembly.snapshot().memory
    // Half of it, and the eighth of the input.
    expect(used).toBeGreaterThan(500_000)
    expect(used).toBeLessThanOrEqual(625_000)
    await assembly.inputs[1]?.input.run(signal)
    await until(() => others.texts.join('').length === 2_000_000)
    late().release()
    await run
    await within(assembly.settled(), 20_000, 'all acks')
    expect(late().texts.join('').length).toBe(2_000_000)
    expect(assembly.snapshot().memory.used).toBe(0)
  })

  test('an input with Mem_Buf_Limit has no more than that', async () => {
    const { assembly, signal, late } = setup({ mem_buf_limit: '50K' })
    const run = assembly.inputs[0]?.input.run(signal)
    await until(() => assembly.snapshot().inputs[0]?.paused)
    expect(assembly.snapshot().memory.used).toBeLessThanOrEqual(50_000)
    late().release()
    await run
    await within(assembly.settled(), 20_000, 'all acks')
  })
})

test('an input waits for no memory that another one has taken and not written to', async () => {
  const contexts: InputContext[] = []
  const create = (ctx: InputContext): Lines => {
    contexts.push(ctx)
    return new Lines(
      ctx,
      repeat(0, () => ({ text: '' })),
    )
  }
  const plan = planOf({
    inputs: ['in.0', 'in.1'].map((name) => ({ name, create, common: { mem_buf_limit: '1M' } })),
    outputs: [{ name: 'out.0', create: () => new CollectingOutput() }],
    // No test may depend on Flush.
    service: { memory_limit: '1M', chunk_size: '900K', flush: '1000' },
  })
  const { assembly } = assemble(plan)
  const [first, second] = contexts as [InputContext, InputContext]
  const appender = first.appender('t')
  appender.reserve(100)
  appender.end += 100
  appender.addRecords(1, 100)
  appender.seal()
  await within(assembly.settled(), 20_000, 'the first chunk')
  expect(appender.reserve(100, 900_000)).toBe(true)
  expect(second.appender('t').reserve(800_000)).toBe(false)
  await within(second.waitForMemory(new AbortController().signal), 20_000, 'memory')
  expect(second.appender('t').reserve(800_000)).toBe(true)
})

describe('an input in little memory', () => {
  // Everything must get through even if the sizes of budget, chunk and limit do not match each other.
  for (const [service, common] of [
    [{ memory_limit: '1M', chunk_size: '256K' }, { mem_buf_limit: '10K' }],
    [{ memory_limit: '1M', chunk_size: '256K' }, {}],
    [{ memory_limit: '1M', chunk_size: '2M' }, {}],
    [{ memory_limit: '1M', chunk_size: '4096' }, { mem_buf_limit: '100' }],
    [{ memory_limit: '16M' }, { mem_buf_limit: '1' }],
    [{ memory_limit: '1000003' }, { mem_buf_limit: '999999' }],
  ] as [Record<string, string>, Record<string, string>][]) {
    test(`makes progress with ${JSON.stringify({ ...service, ...common })} and lines of any length`, async () => {
      const keep = new CollectingOutput()
      // Short lines and some longer than every limit, for more tags than fit into memory; Flush never helps.
      const record = (i: number) => ({
        tag: `t${i % 40}`,
        text: `${i};`.padEnd(i % 50 === 0 ? 300_000 : i % 7 === 0 ? 9000 : 100, 'x'),
      })
      const plan = planOf({
        inputs: [0, 1].map((n) => ({
          name: `in.${n}`,
          create: (ctx) => {
            ctx.buffers.takeLongLived(262_144)
            return new Lines(ctx, repeat(300, record))
          },
          common,
        })),
        outputs: [{ name: 'out.0', create: () => keep }],
        service: { ...service, flush: '600' },
      })
      const { assembly } = assemble(plan)
      let peakBytes = 0
      const flush = keep.flush.bind(keep)
      keep.flush = (chunk) => {
        peakBytes = Math.max(peakBytes, assembly.snapshot().memory.used)
        return flush(chunk)
      }
      const never = new AbortController().signal
      await within(Promise.all(assembly.inputs.map((i) => i.input.run(never))), 20_000, 'the inputs')
      await within(assembly.settled(), 20_000, 'all acks')
      const got = keep.texts.join('').match(NUMBERS) ?? []
      expect(got.length).toBe(600)
      const { limit } = assembly.snapshot().memory
      expect(peakBytes).toBeLessThanOrEqual(limit)
      expect(assembly.snapshot().memory.used).toBe(2 * 262_144)
    }, 180_000)
  }
})
