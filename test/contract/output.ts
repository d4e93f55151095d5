import { describe, expect, test } from 'bun:test'
import type { Chunk } from '../../src/core/chunk.ts'
import { ShipperError } from '../../src/core/error.ts'
import type { Output } from '../../src/core/plugin.ts'
import { fastest, until, within } from '../support/until.ts'

/** An output and its peer, whose faults the suite controls; each test has its own. */
export interface OutputBench {
  output: Output
  chunk(id: string): Chunk
  /** Stops listening and closes all connections. */
  down(): Promise<void>
  up(): Promise<void>
  /** Sets whether the peer acknowledges chunks; it accepts them in any case. */
  acking(on: boolean): void
  /** Acknowledges all chunks received so far. */
  ackAll(): void
  /** Returns id and bytes of the messages received, in order of arrival. */
  arrived(): { id: string; bytes: Buffer }[]
}

/** Creates an output whose context has `signal`, by default one that is never aborted. */
type MakeBench = (signal?: AbortSignal) => Promise<OutputBench>

/** Tests behavior that the engine relies on, for an output whose peer acknowledges. */
export function outputContract(name: string, makeBench: MakeBench): void {
  describe(`${name} fulfills the output contract`, () => {
    test('rejects as retryable, with scope peer, when the peer is down', async () => {
      const bench = await makeBench()
      await bench.down()
      const error = await rejection(bench.output.flush(bench.chunk('c1')))
      expect(error).toBeInstanceOf(ShipperError)
      expect(error).toMatchObject({ retryable: true, scope: 'peer' })
    })

    test('resolves only after the ack', async () => {
      const bench = await makeBench()
      bench.acking(false)
      let settled = 0
      const flush = bench.output.flush(bench.chunk('c1')).then(() => settled++)
      await until(() => bench.arrived().length === 1)
      await new Promise((resolve) => setImmediate(resolve))
      expect(settled).toBe(0)
      bench.ackAll()
      await within(flush, 120_000, 'the flush to resolve')
      expect(settled).toBe(1)
    })

    test('rejects within 100 ms of an abort, with the ack outstanding', async () => {
      const took = await fastest(100, async () => {
        const stop = new AbortController()
        const bench = await makeBench(stop.signal)
        bench.acking(false)
        const flush = rejection(bench.output.flush(bench.chunk('c1')))
        await until(() => bench.arrived().length === 1)
        const began = performance.now()
        stop.abort()
        await within(flush, 120_000, 'the flush to reject')
        return performance.now() - began
      })
      expect(took).toBeLessThan(100)
    })

    test('rejects at once after an abort, and when its signal is already aborted', async () => {
      const stop = new AbortController()
      const before = await makeBench(stop.signal)
      stop.abort()
      for (const bench of [before, await makeBench(stop.signal)]) {
        const error = rejection(bench.output.flush(bench.chunk('c1')))
        await within(error, 120_000, 'the flush to reject')
        expect(bench.arrived()).toEqual([])
      }
    })
  })
  testManyCalls(name, makeBench)
}

function testManyCalls(name: string, makeBench: MakeBench): void {
  describe(`${name} fulfills the output contract`, () => {
    test('sends the same bytes under the same id after a failure', async () => {
      const bench = await makeBench()
      bench.acking(false)
      const chunk = bench.chunk('c1')
      const first = rejection(bench.output.flush(chunk))
      await until(() => bench.arrived().length === 1)
      await bench.down()
      await first
      await bench.up()
      bench.acking(true)
      await deliver(bench, chunk)
      const [one, two] = bench.arrived()
      expect(two?.id).toBe('c1')
      expect(two?.bytes.equals(one?.bytes as Buffer)).toBe(true)
    })

    test('settles each of many calls once, in order of arrival', async () => {
      const bench = await makeBench()
      const settled: string[] = []
      const ids = Array.from({ length: 20 }, (_, i) => `c${i}`)
      await Promise.all(ids.map((id) => bench.output.flush(bench.chunk(id)).then(() => settled.push(id))))
      expect(settled.sort()).toEqual([...ids].sort())
      expect(bench.arrived().map((a) => a.id)).toEqual(ids)
    })

    test('can be closed twice, and rejects chunks after that', async () => {
      const bench = await makeBench()
      await bench.output.flush(bench.chunk('c1'))
      await bench.output.close()
      await bench.output.close()
      await within(rejection(bench.output.flush(bench.chunk('c2'))), 20_000, 'the flush to reject')
    })
  })
}

/** Returns the error of a promise that has to reject. */
export function rejection(promise: Promise<unknown>): Promise<ShipperError> {
  return promise.then(
    () => {
      throw new Error('the promise resolved')
    },
    (error: ShipperError) => error,
  )
}

/** Flushes again, as the engine does, until the chunk is delivered. */
async function deliver(bench: OutputBench, chunk: Chunk): Promise<void> {
  await until(() =>
    bench.output.flush(chunk).then(
      () => true,
      () => false,
    ),
  )
}
