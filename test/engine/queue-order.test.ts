import { expect, test } from 'bun:test'
import { makeChunk, receiptOf, turn } from '../support/engine/chunks.ts'
import { type Call, permanent, QueueBench, rejected, unreachable } from '../support/engine/queue-bench.ts'
import { fc } from '../support/property.ts'

const TAGS = ['one', 'two', 'three']

/**
 * An output with random failures that keeps the contract: when a call fails and will be repeated, the calls that were
 * made after it on the same lane fail too, at any time and in any order; a connection that breaks fails all.
 */
class RandomAnswers {
  readonly delivered: string[] = []
  readonly #bench: QueueBench
  readonly #failing = new Set<Call>()

  constructor(bench: QueueBench) {
    this.#bench = bench
  }

  answer(which: number, outcome: number): void {
    const { calls } = this.#bench
    // Calls made after one that will fail also fail.
    for (const c of calls) {
      if (calls.some((d) => d.tag === c.tag && this.#failing.has(d) && calls.indexOf(d) < calls.indexOf(c)))
        this.#failing.add(c)
    }
    const call = calls[which % Math.max(1, calls.length)]
    if (call === undefined) return
    const before = calls.find((c) => c.tag === call.tag && !this.#failing.has(c))
    if (this.#failing.has(call)) this.#reject(call, outcome % 2 === 0 ? unreachable() : rejected())
    // A peer that acknowledges in order answers the oldest of the lane first.
    else if (outcome < 50) this.#deliver(before ?? call)
    else if (outcome < 65) this.#fail(call, rejected(), (c) => c.tag === call.tag)
    else if (outcome < 75) this.#fail(call, new Error('a defect'), (c) => c.tag === call.tag)
    else if (outcome < 95) this.#fail(call, unreachable(), () => true)
    else this.#reject(call, permanent())
  }

  #deliver(call: Call): void {
    this.#bench.calls.splice(this.#bench.calls.indexOf(call), 1)
    this.delivered.push(call.id)
    call.resolve()
  }

  #reject(call: Call, error: unknown): void {
    this.#failing.delete(call)
    this.#bench.calls.splice(this.#bench.calls.indexOf(call), 1)
    call.reject(error)
  }

  #fail(call: Call, error: unknown, others: (c: Call) => boolean): void {
    const { calls } = this.#bench
    for (const later of calls) {
      const after = later.tag !== call.tag || calls.indexOf(later) > calls.indexOf(call)
      if (after && others(later)) this.#failing.add(later)
    }
    this.#reject(call, error)
  }
}

const step = fc.record({
  what: fc.constantFrom('push', 'push', 'answer', 'answer', 'answer', 'wait'),
  n: fc.nat(1000),
  outcome: fc.nat(99),
})
const run = fc.record({
  steps: fc.array(step, { maxLength: 150, size: 'max' }),
  inFlight: fc.integer({ min: 1, max: 6 }),
  limit: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 2),
})

interface RunResult {
  bench: QueueBench
  answers: RandomAnswers
  pushed: string[]
}

/** Ids in the order of pushing; numbered across all lanes. */
async function execute({
  steps,
  inFlight,
  limit,
}: typeof run extends fc.Arbitrary<infer R> ? R : never): Promise<RunResult> {
  const bench = new QueueBench({ inFlight, limit })
  const answers = new RandomAnswers(bench)
  const pushed: string[] = []
  for (const { what, n, outcome } of steps) {
    if (what === 'push') {
      const tag = TAGS[n % TAGS.length] as string
      const id = `${tag}:${pushed.length}`
      pushed.push(id)
      bench.push(id, tag)
    } else if (what === 'wait') bench.clock.advance(n * 10)
    else answers.answer(n, outcome)
    await turn()
    expect(bench.calls.length).toBeLessThanOrEqual(inFlight)
    expect(bench.queue.inFlight).toBe(bench.calls.length)
  }
  return { bench, answers, pushed }
}

/** Expected first deliveries of each lane: the delivered chunks, in the order of pushing. */
function expectOrder({ answers, pushed }: RunResult): void {
  expect(new Set(answers.delivered).size).toBe(answers.delivered.length)
  for (const tag of TAGS) {
    const mine = (id: string): boolean => id.startsWith(`${tag}:`)
    const delivered = new Set(answers.delivered)
    expect(answers.delivered.filter(mine)).toEqual(pushed.filter((id) => mine(id) && delivered.has(id)))
  }
}

test('each lane is delivered in order and every receipt settles once, whatever fails', async () => {
  await fc.assert(
    fc.asyncProperty(run, async (plan) => {
      const result = await execute(plan)
      const { bench, answers, pushed } = result
      // From here on nothing fails.
      for (let i = 0; !bench.queue.empty; i++) {
        expect(i).toBeLessThan(5000)
        answers.answer(0, 0)
        await turn()
        if (bench.calls.length === 0) bench.clock.advance(60_000)
      }
      expectOrder(result)
      for (const id of pushed) {
        expect(bench.outcomeOf(id)).toBe(answers.delivered.includes(id) ? 'delivered' : 'dropped')
      }
      const dropped = pushed.length - answers.delivered.length
      expect(bench.queue.stats.droppedRecords).toBe(dropped)
      expect(bench.queue.stats.errors + bench.queue.stats.retriesFailed).toBe(dropped)
      expect([bench.account.used, bench.queue.inFlight, bench.queue.waiting]).toEqual([0, 0, 0])
      bench.clock.advance(60_000)
      // An outage that no delivery has ended, because all chunks after it were dropped, waits for its next log line if the peer
      // was unreachable, and for nothing if it has refused a chunk.
      expect(bench.clock.waiting).toBeLessThanOrEqual(bench.queue.down === undefined ? 0 : 1)
    }),
    { numRuns: 300 },
  )
}, 180_000)

test('every receipt settles once after a stop at any time, when the flushes have answered', async () => {
  await fc.assert(
    fc.asyncProperty(run, fc.nat(99), async (plan, outcome) => {
      const result = await execute(plan)
      const { bench, answers, pushed } = result
      const sent = bench.sent.length
      bench.queue.stop()
      expect(bench.clock.waiting).toBe(0)
      while (bench.calls.length > 0) {
        answers.answer(bench.calls.length - 1, outcome)
        await turn()
      }
      expectOrder(result)
      for (const id of pushed) expect(['delivered', 'dropped', 'aborted']).toContain(bench.outcomeOf(id))
      expect([bench.account.used, bench.queue.inFlight, bench.queue.waiting]).toEqual([0, 0, 0])
      expect([bench.clock.waiting, bench.sent.length, bench.queue.empty]).toEqual([0, sent, true])
    }),
    { numRuns: 300 },
  )
}, 180_000)

test('the last answers of a lane that has ended do not end the lane that has taken its place', async () => {
  // Which answer comes last depends on the number of steps that each takes.
  for (let before = 0; before < 16; before++)
    for (let after = 0; after < 8; after++) {
      const bench = new QueueBench()
      bench.pushAll('ab')
      const [a, b] = bench.calls.splice(0)
      a?.reject(permanent())
      for (let i = 0; i < before; i++) await Promise.resolve()
      b?.resolve()
      for (let i = 0; i < after; i++) await Promise.resolve()
      bench.push('c')
      await turn()
      await bench.fail('c', rejected())
      bench.push('d')
      await turn()
      expect([before, after, bench.inFlight]).toEqual([before, after, ''])
    }
})

test('a chunk that comes behind one that fails leaves the free part of its buffer', async () => {
  const bench = new QueueBench({ inFlight: 1 })
  bench.push('a')
  bench.calls[0]?.reject(rejected())
  bench.calls.length = 0
  await turn()
  const large = makeChunk('b', { account: bench.account })
  const buf = bench.account.force(100_000)
  large.buf.copy(buf)
  large.replace(buf, large.start, large.end, 1)
  bench.queue.push(large, receiptOf(large).receipt)
  expect(large.buf.length).toBeLessThan(50_000)
  expect(large.entries().toString()).toBe('b')
})
