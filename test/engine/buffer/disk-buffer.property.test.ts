import { test } from 'bun:test'
import { Random } from '../../fuzz/random.ts'
import { BufferBench } from '../../support/engine/buffer-bench.ts'
import { makeChunk, receiptOf } from '../../support/engine/chunks.ts'
import { type BenchDisk, MemoryDisk } from '../../support/engine/memory-segments.ts'
import { permanent, rejected, unreachable } from '../../support/engine/queue-bench.ts'
import { fc } from '../../support/property.ts'
import { TestDisk } from '../../support/segments/disk.ts'
import { FolderDisk } from '../../support/segments/folder-disk.ts'
import { until } from '../../support/until.ts'

const OUTPUTS = ['a', 'b', 'c']

type Step =
  | { kind: 'accept'; tag: string; to: number; size: number; burst: number }
  | { kind: 'ok' | 'okAll' | 'chunkFails' | 'peerFails' | 'giveUp'; output: number }
  | { kind: 'other'; output: number; size: number; tag: string }
  | { kind: 'turn' | 'wait' | 'pass' | 'holdSyncs' | 'release' | 'killCut' | 'kill' | 'stop' }
  | { kind: 'appendFails' | 'syncFails' | 'readFails'; times: number }

const output = fc.nat(OUTPUTS.length - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('accept' as const),
      tag: fc.constantFrom('x', 'y', 'z'),
      to: fc.integer({ min: 1, max: 7 }),
      size: fc.constantFrom(10, 3000, 60_000),
      burst: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('other' as const),
      output,
      size: fc.constantFrom(1000, 2_100_000),
      tag: fc.constantFrom('x', 'v'),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('ok' as const, 'okAll' as const), output }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('turn' as const, 'turn' as const, 'wait' as const, 'pass' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('chunkFails' as const, 'peerFails' as const, 'giveUp' as const),
      output,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('holdSyncs' as const, 'release' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('killCut' as const, 'kill' as const, 'stop' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('appendFails' as const, 'syncFails' as const, 'readFails' as const),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
)

interface Case {
  steps: Step[]
  maxChunks: number
  memoryBytes: number
  budgetBytes: number
  limit: number | undefined
  promptMs: number
  keepsChunks: boolean
}

const theCase: fc.Arbitrary<Case> = fc.record({
  steps: fc.array(step, { maxLength: 80, size: 'max' }),
  maxChunks: fc.constantFrom(1, 3, 128),
  memoryBytes: fc.constantFrom(70_000, 1_000_000),
  budgetBytes: fc.constantFrom(1_000_000, 4_000_000),
  limit: fc.constantFrom(undefined, undefined, 200_000),
  promptMs: fc.constantFrom(0, 50),
  keepsChunks: fc.boolean(),
})

/** What was accepted: for whom, and what has become of it. */
interface Accepted {
  id: string
  tag: string
  to: string[]
  run: number
  outcomes: string[]
}

class Run {
  disk: BenchDisk
  readonly accepted: Accepted[] = []
  /** Ids that each output has taken, in order, of all runs. */
  readonly delivered = new Map<string, { id: string; run: number }[]>(OUTPUTS.map((name) => [name, []]))
  /** Ids that each output has given up, and numbers of records that were dropped. */
  readonly givenUp = new Map<string, Set<string>>(OUTPUTS.map((name) => [name, new Set()]))
  readonly dropped = new Map<string, number>(OUTPUTS.map((name) => [name, 0]))
  bench!: BufferBench<BenchDisk>
  number = 0
  #next = 0
  #others = 0
  readonly #case: Case
  readonly #maxSegmentsLeft: number

  /** `maxSegmentsLeft`: what is left when everything was sent. */
  constructor(theCase: Case, disk: BenchDisk, maxSegmentsLeft = 0) {
    this.#maxSegmentsLeft = maxSegmentsLeft
    this.disk = disk
    this.#case = theCase
  }

  async begin(): Promise<void> {
    this.number++
    const { maxChunks, memoryBytes, budgetBytes, limit, promptMs, keepsChunks } = this.#case
    this.bench = await BufferBench.start(this.disk, {
      outputs: OUTPUTS,
      maxChunks,
      memoryBytes,
      budgetBytes,
      promptMs,
      keepsChunks,
      limits: limit === undefined ? {} : { b: limit },
    })
  }

  #end(): void {
    for (const { name, delivered } of this.bench.outputs)
      this.delivered.get(name)?.push(...delivered.map((id) => ({ id, run: this.number })))
    for (const { name, droppedRecords } of this.bench.buffer.snapshot().outputs)
      this.dropped.set(name, (this.dropped.get(name) ?? 0) + droppedRecords)
    for (const one of this.accepted)
      if (one.run === this.number) one.outcomes = [...(this.bench.outcomes.get(one.id) ?? [])]
  }

  async step(step: Step): Promise<void> {
    const { bench, disk } = this
    switch (step.kind) {
      case 'accept': {
        const to = OUTPUTS.filter((_, i) => (step.to & (1 << i)) !== 0)
        for (let i = 0; i < step.burst; i++) {
          // An input reads nothing while its memory is used up.
          const buf = bench.account.take(step.size + 200)
          if (buf === undefined) return
          bench.account.give(buf)
          const id = `${this.#next++}`
          this.accepted.push({ id, tag: step.tag, to, run: this.number, outcomes: [] })
          bench.accept(id, { tag: step.tag, to, size: step.size })
        }
        return
      }
      case 'other': {
        const id = `other${this.#others++}`
        const chunk = makeChunk(id.padEnd(step.size, '.'), { tag: step.tag, id })
        return bench.outputs[step.output]?.queue.push(chunk, receiptOf(chunk).receipt)
      }
      case 'ok':
        return bench.outputs[step.output]?.ok()
      case 'okAll':
        for (const call of [...(bench.outputs[step.output]?.calls ?? [])])
          bench.outputs[step.output]?.ok(call.id)
        return
      case 'chunkFails':
        return bench.outputs[step.output]?.fail(rejected())
      case 'peerFails':
        return bench.outputs[step.output]?.fail(unreachable())
      case 'giveUp': {
        const id = bench.outputs[step.output]?.reject(permanent())
        if (id !== undefined) this.givenUp.get(OUTPUTS[step.output] as string)?.add(id)
        return
      }
      case 'turn':
        return bench.turns(2)
      case 'wait':
        return bench.pass(30)
      case 'pass':
        return bench.pass(3000)
      case 'holdSyncs':
        bench.segments.holdsSyncs = true
        return
      case 'release':
        bench.segments.holdsSyncs = false
        return bench.segments.release()
      case 'appendFails':
        disk.appendFails += step.times
        return
      case 'syncFails':
        disk.syncFails += step.times
        return
      case 'readFails':
        if (disk instanceof MemoryDisk) disk.readFails += step.times
        return
      case 'stop':
        bench.segments.holdsSyncs = false
        bench.segments.release()
        await bench.stop()
        this.#end()
        return this.begin()
      case 'kill':
      case 'killCut':
        bench.kill()
        this.#end()
        // A power failure takes what was not synced, a kill only what was not written.
        this.disk = disk.copy(step.kind === 'killCut')
        return this.begin()
    }
  }

  async finish(): Promise<void> {
    const { bench, disk } = this
    disk.appendFails = disk.syncFails = 0
    if (disk instanceof MemoryDisk) disk.readFails = 0
    bench.segments.holdsSyncs = false
    bench.segments.release()
    await bench.drain()
    this.#end()
    for (const { id, outcomes } of this.accepted)
      if (outcomes.length > 1) throw new Error(`${id} has ${outcomes.join('+')}`)
    for (const { id, run, outcomes } of this.accepted)
      if (run === this.number && outcomes.length !== 1) throw new Error(`${id} was not acknowledged`)
    if (bench.budget.used !== 0) throw new Error(`${bench.budget.used} bytes are left`)
    // An outage that ended with records given up has a timer for its log.
    const isDown = bench.outputs.some(({ queue }) => queue.down !== undefined)
    if (bench.clock.waiting !== 0 && !isDown) throw new Error('a timer is left')
    await until(() => disk.segmentsLeft <= this.#maxSegmentsLeft, {
      what: 'the deletion of segments',
      limitMs: 60_000,
      everyMs: 1,
    })
    for (const name of OUTPUTS) this.#check(name)
  }

  #check(name: string): void {
    const delivered = (this.delivered.get(name) ?? []).filter(({ id }) => !id.startsWith('other'))
    const inRun = new Set<string>()
    for (const { id, run } of delivered) {
      if (inRun.has(`${run} ${id}`)) throw new Error(`${id} was sent to ${name} twice in one run`)
      inRun.add(`${run} ${id}`)
    }
    const ids = new Set(delivered.map(({ id }) => id))
    const missing = this.accepted.filter(
      ({ id, to, outcomes }) =>
        to.includes(name) &&
        outcomes.some((outcome) => outcome !== 'aborted') &&
        !ids.has(id) &&
        !this.givenUp.get(name)?.has(id),
    )
    if (missing.length > (this.dropped.get(name) ?? 0))
      throw new Error(`${name} has not got ${missing.map(({ id }) => id).join(' ')}`)
    for (const tag of ['x', 'y', 'z']) {
      // What was given up or dropped shortly before a kill may be sent by the next run.
      const mayRepeat = (this.dropped.get(name) ?? 0) > 0
      const ofTag = delivered.filter(
        ({ id }) => this.accepted[Number(id)]?.tag === tag && !this.givenUp.get(name)?.has(id),
      )
      const seen = new Set<string>()
      let last = { id: '-1', run: 0 }
      for (const one of ofTag) {
        if (seen.has(one.id)) continue
        seen.add(one.id)
        if (Number(one.id) < Number(last.id) && (one.run === last.run || !mayRepeat))
          throw new Error(`${name} got ${tag} out of order: ${ofTag.map(({ id }) => id).join(' ')}`)
        last = one
      }
    }
  }
}

test('whatever happens, each output gets what was acknowledged, in order, and once in a run', async () => {
  await fc.assert(
    fc.asyncProperty(theCase, async (one) => {
      const run = new Run(one, new MemoryDisk())
      await run.begin()
      for (const step of one.steps) await run.step(step)
      await run.finish()
    }),
    { numRuns: 300 },
  )
})

test('the same holds with real segments, when calls of the system fail, after kills and after power failures', async () => {
  const calls = new TestDisk()
  try {
    await fc.assert(
      fc.asyncProperty(theCase, fc.integer(), async (one, seed) => {
        const run = new Run(one, new FolderDisk(calls, new Random(seed)), 1)
        await run.begin()
        for (const step of one.steps) await run.step(step)
        await run.finish()
      }),
      { numRuns: 50 },
    )
  } finally {
    calls.restore()
  }
})
