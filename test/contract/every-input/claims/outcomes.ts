import { expect, test } from 'bun:test'
import type { Outcome } from '../../../../src/core/plugin.ts'
import { fc } from '../../../support/property.ts'
import {
  again,
  expectNoMemory,
  inChunks,
  includes,
  numbersOf,
  OUTCOMES,
  type Running,
  SAFE,
  started,
} from '../running.ts'
import type { InputCase } from '../source.ts'
import { range } from '../sources/senders.ts'

export function testOutcomes(inputCase: InputCase): void {
  const { settles } = inputCase
  if (settles === 'answer') testAnswers(inputCase)
  if (settles === 'position') {
    testPositions(inputCase)
    testOrders(inputCase)
  }
  test('memory comes back with every outcome', async () => {
    const { bench, source } = await started(inputCase)
    // A sender whose records are lost is disconnected.
    for (const [i, outcome] of OUTCOMES.slice(0, settles === 'answer' ? 4 : 6).entries()) {
      await source.give(i * 3, i * 3 + 3, bench)
      await bench.has(i * 3 + 1)
      bench.settleAll(outcome)
    }
    await source.end?.()
    await bench.close()
    await expectNoMemory(bench)
  })
}

function testAnswers(inputCase: InputCase): void {
  for (const outcome of OUTCOMES) {
    const told = SAFE.includes(outcome) ? 'safe' : 'not safe'
    test(`a sender is told that its records are ${told} when they are ${outcome}, and not before`, async () => {
      await checkAnswer(await started(inputCase), outcome)
    })
  }

  test('after the signal to stop, what settles is acknowledged, and nothing else', async () => {
    const running = await started(inputCase)
    const { bench, source } = running
    await inChunks(running, [0])
    await bench.stop()
    expect(source.acknowledged?.()).toEqual([])
    bench.settleAll('delivered')
    await bench.until(() => source.acknowledged?.().length === 1, 'the acknowledgement')
    await bench.close()
    const others = await started(inputCase)
    await inChunks(others, [0])
    await others.bench.close('aborted')
    await others.bench.until(() => others.source.refused?.().length === 1, 'the end of the connection')
    expect(others.source.acknowledged?.()).toEqual([])
  })

  test('messages whose chunks settle in reverse order are all acknowledged', async () => {
    const running = await started(inputCase)
    const { bench, source } = running
    await inChunks(running, [0, 3, 6, 9])
    bench.settleAll('delivered', true)
    await bench.until(() => source.acknowledged?.().length === 4, 'the acknowledgements')
    expect(source.acknowledged?.().sort((a, b) => a - b)).toEqual([0, 3, 6, 9])
    await bench.close()
  })
}

function testPositions(inputCase: InputCase): void {
  for (const outcome of OUTCOMES)
    test(`the position ${outcome === 'aborted' ? 'stays' : 'moves'} when records are ${outcome}`, async () => {
      const running = await started(inputCase)
      await inChunks(running, [0])
      running.bench.settleAll(outcome)
      await running.bench.close()
      await checkReadAgain(running, outcome === 'aborted' ? range(0, 3) : [])
    })

  test('what settles after the signal to stop moves the position, up to what does not', async () => {
    const running = await started(inputCase)
    const { bench } = running
    await inChunks(running, [0, 3])
    await bench.stop()
    const first = bench.open[0]
    if (first !== undefined) bench.settle(first, 'delivered')
    await bench.close('aborted')
    await checkReadAgain(running, range(3, 6))
  })

  test('chunks that settle in reverse order move the position to the end', async () => {
    const running = await started(inputCase)
    await inChunks(running, [0, 3, 6, 9])
    running.bench.settleAll('delivered', true)
    await running.bench.close()
    await checkReadAgain(running, [])
  })

  test('a chunk that settles before an earlier one does not move the position past that', async () => {
    const running = await started(inputCase)
    const { bench, source } = running
    await inChunks(running, [0, 3])
    const last = bench.open.at(-1)
    expect(bench.open.length).toBeGreaterThan(1)
    if (last !== undefined) bench.settle(last, 'delivered')
    await bench.close('aborted')
    const next = await again(running.spec, source)
    await source.give(100, 101, next)
    await includes(next, source, 100)
    expect(numbersOf({ bench: next, source })).toEqual(expect.arrayContaining(range(0, 3)))
    await next.close()
  })
}

/** Chunks of three records settle in a random order, some of them not at all: the next run has to read those again. */
function testOrders(inputCase: InputCase): void {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 1, maxLength: 5 })
  test('property: in whatever order chunks settle, the next run reads what has not, and nothing before it', async () => {
    await fc.assert(
      fc.asyncProperty(order, fc.constantFrom(...OUTCOMES.slice(0, 5)), async (settled, outcome) => {
        const running = await started(inputCase)
        const { bench, spec, source } = running
        await inChunks(running, [0, 3, 6, 9, 12])
        const chunks = [...bench.open]
        if (chunks.length !== 5) throw new Error('not a chunk for each part')
        for (const i of settled) bench.settle(chunks[i] as never, outcome)
        await bench.close('aborted')
        const lost = range(0, 5).filter((i) => !settled.includes(i))
        const next = await again(spec, source)
        await source.give(100, 101, next)
        await includes(next, source, 100)
        const numbers = numbersOf({ bench: next, source })
        expect(numbers).toEqual([...new Set(numbers)])
        expect(numbers).toEqual(expect.arrayContaining(lost.flatMap((i) => range(3 * i, 3 * i + 3))))
        expect(Math.min(...numbers)).toBeGreaterThanOrEqual(Math.min(...lost.map((i) => 3 * i), 100))
        await next.close()
        await source.end?.()
      }),
      { numRuns: 6 },
    )
  })
}

async function checkAnswer({ bench, source }: Running, outcome: Outcome): Promise<void> {
  await source.give(0, 3, bench)
  await bench.has(3)
  await bench.pass()
  expect([source.acknowledged?.(), source.refused?.()]).toEqual([[], []])
  bench.settleAll(outcome)
  const answers = (): number => (source.acknowledged?.().length ?? 0) + (source.refused?.().length ?? 0)
  await bench.until(() => answers() > 0, 'the answer')
  const wanted = SAFE.includes(outcome) ? [[0], []] : [[], [0]]
  expect([source.acknowledged?.(), source.refused?.()]).toEqual(wanted)
  await bench.close()
}

/** Starts the input again with the same source, and checks that it reads these records and new ones. */
async function checkReadAgain({ spec, source }: Running, numbers: readonly number[]): Promise<void> {
  const next = await again(spec, source)
  await source.give(100, 102, next)
  await includes(next, source, 101)
  expect(numbersOf({ bench: next, source })).toEqual([...numbers, 100, 101])
  await next.close()
}
