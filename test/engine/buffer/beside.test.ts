import { expect, test } from 'bun:test'
import type { Plan } from '../../../src/core/plan.ts'
import type { InputContext } from '../../../src/core/plugin.ts'
import { assemble, CollectingOutput } from '../../support/engine/assembled.ts'
import { MemoryDisk, MemorySegments } from '../../support/engine/memory-segments.ts'
import { Lines, planOf } from '../../support/engine/plan.ts'
import { until } from '../../support/until.ts'

const BYTES = 1000
const text = (name: string, n: number): string => `${name}${n} `.padEnd(BYTES, '.')

/** Numbers of the lines of an input in what an output got, in order. */
function numbersOf(output: CollectingOutput, name: string): number[] {
  return [...output.texts.join('').matchAll(new RegExp(`${name}(\\d+) `, 'g'))].map(([, n]) => Number(n))
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** A plan with inputs of so many lines, of which `kept` is buffered, and two outputs. */
function planWith(counts: Record<string, number>, service: Record<string, string> = {}) {
  const contexts = new Map<string, InputContext>()
  const outputs = [new CollectingOutput(), new CollectingOutput()] as const
  const plan: Plan = planOf({
    inputs: Object.entries(counts).map(([name, count]) => ({
      name,
      create: (ctx) => {
        contexts.set(name, ctx)
        return new Lines(
          ctx,
          range(count).map((n) => ({ text: text(name, n) })),
        )
      },
    })),
    outputs: outputs.map((output, i) => ({ name: `out.${i}`, create: () => output, inFlight: 2 })),
    service: { memory_limit: '2M', flush: '0.05', ...service },
  })
  plan.buffer = {
    folder: '/buffer',
    inputs: ['kept'],
    memoryBytes: 1_000_000,
    maxChunks: 128,
    deletesDamaged: false,
    flushesAtStop: false,
    limits: new Map(),
  }
  return { plan, outputs, contexts }
}

async function startOf(plan: Plan) {
  const disk = new MemoryDisk()
  const running = assemble(plan, undefined, async (_, names) => new MemorySegments(disk, names))
  await running.assembly.start()
  return { ...running, disk }
}

test('an output that is stuck holds up an input without a buffer, and neither one that has it nor what that one sends', async () => {
  const { plan, outputs } = planWith({ kept: 3000, direct: 3000 })
  const [stuck, healthy] = outputs
  stuck.blocked = true
  const { assembly } = await startOf(plan)
  const stop = new AbortController()
  const runs = assembly.inputs.map(({ input }) => input.run(stop.signal))
  await until(() => numbersOf(healthy, 'kept').length === 3000)
  const [kept, direct] = assembly.inputs
  await until(() => kept?.stage.openChunks === 0)
  await until(() => direct?.account.paused)
  stuck.release()
  await Promise.all(runs)
  await assembly.settled()
  for (const output of outputs)
    for (const name of ['kept', 'direct']) expect(numbersOf(output, name)).toEqual(range(3000))
  expect(assembly.budget.used).toBe(0)
})

test('while every output is stuck and inputs without a buffer fill the memory, one that has it goes on', async () => {
  const names = range(16).map((i) => `direct${i}`)
  const { plan, outputs } = planWith({ ...Object.fromEntries(names.map((n) => [n, 1000])), kept: 5000 })
  for (const output of outputs) output.blocked = true
  const { assembly } = await startOf(plan)
  const stop = new AbortController()
  const runs = assembly.inputs.map(({ input }) => input.run(stop.signal))
  const kept = assembly.inputs.find(({ name }) => name === 'kept')
  await until(() => kept?.stage.records === 5000 && kept.stage.openChunks === 0, {
    what: 'everything of the buffered input to be on disk',
  })
  for (const output of outputs) output.release()
  await Promise.all(runs)
  await assembly.settled()
  for (const output of outputs) expect(numbersOf(output, 'kept')).toEqual(range(5000))
  expect(assembly.budget.used).toBe(0)
})

test('a line larger than the memory of its input comes to disk while no output takes anything, and others fill the memory', async () => {
  const { plan, outputs, contexts } = planWith({ kept: 10, direct: 3000 })
  for (const output of outputs) output.blocked = true
  const { assembly } = await startOf(plan)
  const stop = new AbortController()
  const runs = assembly.inputs.map(({ input }) => input.run(stop.signal))
  const [kept, direct] = assembly.inputs
  await until(
    () => direct?.account.paused === true && kept?.stage.records === 10 && kept.stage.openChunks === 0,
  )
  const ctx = contexts.get('kept') as InputContext
  const large = new Lines(ctx, [{ text: text('kept', 10).padEnd(900_000, '.') }], true)
  const last = large.run(stop.signal)
  await until(() => kept?.stage.records === 11 && kept.stage.openChunks === 0)
  for (const output of outputs) output.release()
  await Promise.all([...runs, last])
  await assembly.settled()
  for (const output of outputs) expect(numbersOf(output, 'kept')).toEqual(range(11))
  expect(assembly.budget.used).toBe(0)
})

test('the backlog of an output does not keep its other inputs waiting', async () => {
  const { plan, outputs } = planWith({ kept: 5000, direct: 200 })
  const [slow] = outputs
  slow.blocked = true
  const { assembly, disk } = await startOf(plan)
  const stop = new AbortController()
  const [kept, direct] = assembly.inputs
  const first = kept?.input.run(stop.signal)
  await until(() => kept?.stage.records === 5000 && kept.stage.openChunks === 0)
  expect(disk.rows.length).toBeGreaterThan(0)
  slow.release()
  slow.blocked = true
  const second = direct?.input.run(stop.signal)
  let flushes = 0
  while (numbersOf(slow, 'direct').length < 200) {
    await until(() => slow.waiting > 0)
    slow.release()
    slow.blocked = true
    flushes++
  }
  // Of the backlog, only a part is sent meanwhile.
  expect(numbersOf(slow, 'kept').length).toBeLessThan(5000)
  expect(flushes).toBeLessThan(30)
  slow.release()
  await Promise.all([first, second])
  await assembly.settled()
  expect(numbersOf(slow, 'kept')).toEqual(range(5000))
})

test('a buffered input is never told that there is no room, and others are', async () => {
  const { plan, outputs, contexts } = planWith({ kept: 500, direct: 500 })
  for (const output of outputs) output.blocked = true
  const { assembly } = await startOf(plan)
  const stop = new AbortController()
  const runs = assembly.inputs.map(({ input }) => input.run(stop.signal))
  await until(() => assembly.inputs[1]?.account.paused === true)
  expect(contexts.get('kept')?.room?.('kept', 1_000_000)).toBe(Number.POSITIVE_INFINITY)
  expect(contexts.get('direct')?.room?.('direct', 1_000_000)).toBeLessThan(1_000_000)
  for (const output of outputs) output.release()
  await Promise.all(runs)
  await assembly.settled()
})
