import { describe, expect, test } from 'bun:test'
import { OutputWindow, type Passage } from '../../src/engine/output-window.ts'

const MEMORY = 50_000_000

interface Output {
  /** Bytes per ms that it takes. */
  rate: number
  /** Time from taking a chunk to its acknowledgement. */
  latencyMs: number
}

/** A source that always has more, in front of an output: one step per ms. */
class Simulation {
  readonly window = new OutputWindow()
  nowMs = 0
  takenBytes = 0
  /** Delays of the chunks acknowledged since `reset`. */
  delaysMs: number[] = []
  readonly #queue: { passage: Passage; left: number }[] = []
  readonly #answers: { passage: Passage; atMs: number }[] = []

  run(ms: number, output: Output, chunkBytes = 256_000): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs++) {
      while (this.window.room > 0 && this.window.bytes < MEMORY) this.#push(chunkBytes)
      this.#take(output)
      this.#acknowledge()
    }
  }

  reset(): void {
    this.takenBytes = 0
    this.delaysMs = []
  }

  #push(chunkBytes: number): void {
    const bytes = Math.floor(Math.max(16_384, Math.min(chunkBytes, this.window.limitBytes / 3)))
    this.#queue.push({ passage: this.window.enter(bytes, this.nowMs), left: bytes })
  }

  #take({ rate, latencyMs }: Output): void {
    for (let can = rate; can > 0; ) {
      const first = this.#queue[0]
      if (first === undefined) return
      const taken = Math.min(can, first.left)
      first.left -= taken
      can -= taken
      this.takenBytes += taken
      if (first.left > 0) return
      this.#queue.shift()
      this.#answers.push({ passage: first.passage, atMs: this.nowMs + latencyMs })
    }
  }

  #acknowledge(): void {
    for (
      let next = this.#answers[0];
      next !== undefined && next.atMs <= this.nowMs;
      next = this.#answers[0]
    ) {
      this.#answers.shift()
      this.delaysMs.push(this.nowMs - next.passage.enteredMs)
      this.window.acknowledge(next.passage, this.nowMs)
    }
  }
}

const OUTPUTS = [1000, 5000, 20_000, 200_000].flatMap((rate) =>
  [1, 20, 100, 600].map((latencyMs): Output => ({ rate, latencyMs })),
)

describe('the window of an output', () => {
  for (const output of OUTPUTS)
    test(`of ${output.rate / 1000} MB/s that answers after ${output.latencyMs} ms keeps it busy`, () => {
      const run = new Simulation()
      run.run(20_000, output)
      run.reset()
      run.run(60_000, output)
      const possible = Math.min(output.rate, MEMORY / (output.latencyMs + 1)) * 60_000
      expect(run.takenBytes / possible).toBeGreaterThan(0.9)
    })

  for (const output of OUTPUTS)
    test(`of ${output.rate / 1000} MB/s that answers after ${output.latencyMs} ms adds half a second at most to its own delay`, () => {
      const run = new Simulation()
      run.run(10_000, output)
      run.reset()
      run.run(60_000, output)
      // What the least window takes is not seen as a delay.
      const allowedMs = output.latencyMs * 1.6 + 500 + 700_000 / output.rate
      expect(Math.max(...run.delaysMs)).toBeLessThan(allowedMs)
    })

  test('follows an output that becomes slower within seconds, and faster again', () => {
    const run = new Simulation()
    run.run(10_000, { rate: 100_000, latencyMs: 5 })
    // What was on its way has to be taken first.
    run.run(15_000, { rate: 5000, latencyMs: 5 })
    run.reset()
    run.run(10_000, { rate: 5000, latencyMs: 5 })
    expect(Math.max(...run.delaysMs)).toBeLessThan(600)
    run.run(2000, { rate: 100_000, latencyMs: 5 })
    run.reset()
    run.run(5000, { rate: 100_000, latencyMs: 5 })
    expect(run.takenBytes / (100_000 * 5000)).toBeGreaterThan(0.95)
  })

  test('follows an output whose answers become late, and prompt again', () => {
    const run = new Simulation()
    run.run(10_000, { rate: 20_000, latencyMs: 2 })
    run.run(25_000, { rate: 20_000, latencyMs: 500 })
    run.reset()
    run.run(20_000, { rate: 20_000, latencyMs: 500 })
    expect(run.takenBytes / (20_000 * 20_000)).toBeGreaterThan(0.9)
    run.run(40_000, { rate: 20_000, latencyMs: 2 })
    run.reset()
    run.run(10_000, { rate: 20_000, latencyMs: 2 })
    expect(Math.max(...run.delaysMs)).toBeLessThan(400)
  })

  test('is not changed by a pause of the machine', () => {
    const run = new Simulation()
    run.run(10_000, { rate: 20_000, latencyMs: 2 })
    const before = run.window.limitBytes
    run.run(700, { rate: 0, latencyMs: 2 })
    run.run(20, { rate: 20_000, latencyMs: 2 })
    expect(run.window.limitBytes).toBeGreaterThan(before / 2)
  })
})

test('chunks that waited while the output was unreachable do not shrink the window', () => {
  const window = new OutputWindow()
  const passages = Array.from({ length: 8 }, () => window.enter(250_000, 0))
  window.restart(600_000)
  for (const passage of passages) window.acknowledge(passage, 600_010)
  expect([window.bytes, window.limitBytes]).toEqual([0, 2_000_000])
})

test('a chunk that leaves without an acknowledgement makes room, once', () => {
  const window = new OutputWindow()
  const passage = window.enter(1000, 0)
  window.leave(passage)
  window.leave(passage)
  window.acknowledge(passage, 100_000)
  expect([window.bytes, window.limitBytes]).toEqual([0, 2_000_000])
})
