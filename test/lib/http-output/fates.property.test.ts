import { expect, test } from 'bun:test'
import type { TestRecord } from '../../support/http-output/lines-api.ts'
import { outputOf } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { RandomApi, RandomStore, STORE_FAULTS } from '../../support/http-output/random-store.ts'
import { fc } from '../../support/property.ts'

const TAGS = ['one', 'two', 'three']
const KEYS = ['a', 'b']

const step = fc.record({
  what: fc.constantFrom('push', 'push', 'push', 'turns', 'turns', 'wait', 'kill'),
  n: fc.nat(100),
})
const plan = fc.record({
  steps: fc.array(step, { maxLength: 60, size: 'max' }),
  store: fc.array(fc.record({ fault: fc.constantFrom(...STORE_FAULTS), slow: fc.nat(12) }), {
    maxLength: 60,
    size: 'max',
  }),
  maxRecords: fc.constantFrom(3, 10, 10_000),
  maxBytes: fc.constantFrom(150, 1_000_000),
  hasKeys: fc.boolean(),
  isSerial: fc.boolean(),
  hasPoison: fc.boolean(),
  inFlight: fc.constantFrom(1, 4, 32),
})
type Plan = typeof plan extends fc.Arbitrary<infer R> ? R : never

interface Written {
  tag: string
  records: TestRecord[]
  isSettled: boolean
}

/** An agent that writes chunks to a store, is killed, and begins again with what was not settled. */
class World {
  readonly store: RandomStore
  readonly written: Written[] = []
  readonly problems: string[] = []
  readonly #plan: Plan
  readonly #api: RandomApi
  /** Numbers that this run, and any, has rejected. */
  #rejected = new Set<number>()
  readonly #everRejected = new Set<number>()
  #bench: OutputBench
  #n = 0

  constructor(init: Plan) {
    this.#plan = init
    this.#api = new RandomApi({ records: init.maxRecords, keys: init.hasKeys })
    if (init.isSerial) Object.assign(this.#api, { isSerial: true })
    this.store = new RandomStore(init.store, this.#api, init.maxBytes)
    this.#bench = this.#start()
  }

  get bench(): OutputBench {
    return this.#bench
  }

  #start(): OutputBench {
    const bench = new OutputBench((ctx) => outputOf(this.store.server, this.#api, ctx), {
      inFlight: this.#plan.inFlight,
    })
    const run = this.written.filter(({ isSettled }) => !isSettled)
    this.#rejected = new Set()
    bench.onSettled = (id, outcome) => {
      if (this.#bench !== bench && this.#bench !== undefined) return
      this.#check(run[Number(id.slice('chunk-'.length)) - 1] as Written, outcome)
    }
    for (const { tag, records } of run) bench.push(records, tag)
    this.#run = run
    return bench
  }

  /** Chunks of this run, in their order. */
  #run: Written[] = []

  push(n: number): void {
    const { hasKeys, hasPoison } = this.#plan
    const records = Array.from({ length: 1 + (n % 8) }, (_, i): TestRecord => {
      const number = this.#n++
      const key = hasKeys ? { key: KEYS[(n + (i >> 1)) % 2] as string } : {}
      return { n: number, ...key, ...(hasPoison && (number * 7 + n) % 17 === 0 ? { text: 'poison' } : {}) }
    })
    const one = { tag: TAGS[n % TAGS.length] as string, records, isSettled: false }
    this.written.push(one)
    this.#run.push(one)
    this.#bench.push(records, one.tag)
  }

  async kill(): Promise<void> {
    const old = this.#bench
    this.#collect()
    this.store.known = new Set()
    this.#bench = this.#start()
    // What the store is doing for the old one goes on.
    old.stop.abort()
    old.queue.stop()
  }

  #collect(): void {
    for (const { record } of this.#bench.rejected.splice(0)) {
      const n = record.n as number
      if (this.#rejected.has(n)) this.problems.push(`${n} was rejected twice`)
      if (record.text !== 'poison') this.problems.push(`${n} was rejected`)
      this.#rejected.add(n)
      this.#everRejected.add(n)
    }
  }

  #check(chunk: Written, outcome: string): void {
    this.#collect()
    const isGivenUp = chunk.records.some(({ n = -1 }) => this.#rejected.has(n))
    if (outcome !== (isGivenUp ? 'dropped' : 'delivered')) this.problems.push(`a chunk settled as ${outcome}`)
    if (chunk.isSettled) this.problems.push('a chunk settled twice')
    chunk.isSettled = true
    for (const { n = -1 } of chunk.records)
      if (!this.store.kept.has(n) && !this.#everRejected.has(n)) this.problems.push(`${n} was lost`)
  }

  /** Adds what is wrong with the order of each lane. */
  order(): void {
    const arrived = [...this.store.kept]
    const place = new Map(arrived.map((n, i) => [n, i]))
    const lanes = Map.groupBy(
      this.written.flatMap(({ tag, records }) =>
        records.map(({ n = -1, key = '' }) => ({ n, lane: tag + key })),
      ),
      ({ lane }) => lane,
    )
    for (const [lane, records] of lanes) {
      let last = -1
      for (const { n } of records) {
        const at = place.get(n)
        if (at === undefined || this.store.apart.has(n)) continue
        if (at < last) this.problems.push(`${n} of ${lane} came after ${arrived[last]}`)
        last = Math.max(last, at)
      }
    }
  }
}

async function run(init: Plan): Promise<string[]> {
  const world = new World(init)
  for (const { what, n } of init.steps) {
    if (what === 'push') world.push(n)
    else if (what === 'turns') await world.bench.turns(1 + (n % 20))
    else if (what === 'wait') world.bench.clock.advance(n * 50)
    else if (n < 30) await world.kill()
  }
  // Witnesses for what is still in doubt.
  for (let i = 0; i < 40 && !world.bench.queue.empty; i++) {
    if (i % 10 === 5) for (const n of [0, 1, 2]) world.push(n)
    await world.bench.drained(30)
  }
  while (world.store.isWorking) await world.bench.turns()
  if (!world.bench.queue.empty) world.problems.push('not all has settled')
  if (world.written.some(({ isSettled }) => !isSettled)) world.problems.push('a chunk has not settled')
  if (world.bench.buffers.out.size > 0) world.problems.push('buffers are missing')
  for (const n of world.store.twice) world.problems.push(`${n} was sent again`)
  world.order()
  return world.problems
}

test('whatever a store does, and however often the agent is killed, each record has one fate, and those of a lane are in order', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async (init) => {
      expect(await run(init)).toEqual([])
    }),
    { numRuns: 300 },
  )
}, 120_000)
