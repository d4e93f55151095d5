import { describe, expect, test } from 'bun:test'
import type { Chunk } from '../../src/core/chunk.ts'
import { ShipperError } from '../../src/core/error.ts'
import type { Output } from '../../src/core/plugin.ts'
import { fastest, until, within } from '../support/until.ts'

/** A peer whose faults the suite chooses, and how an output to it is made. One for each test. */
export interface OutputBench {
  output: Output
  chunk(id: string): Chunk
  /** Stops listening and cuts what is connected. */
  down(): Promise<void>
  up(): Promise<void>
  /** False: chunks are taken and not acknowledged. */
  acking(on: boolean): void
  /** Acknowledges what has come so far. */
  ackAll(): void
  /** What came: id and bytes of the message, in order of arrival. */
  arrived(): { id: string; bytes: Buffer }[]
}

/** The signal of the output's context; left out: one that is never aborted. */
type MakeBench = (signal?: AbortSignal) => Promise<OutputBench>

/** Behaviour that the engine counts on, of every output whose peer acknowledges. */
export function outputContract(name: string, bench: MakeBench): void {
  describe(`${name} keeps the contract of outputs`, () => {
    test('rejects retryable, for the peer, when it is down', async () => {
      const it = await bench()
      await it.down()
      const error = await rejection(it.output.flush(it.chunk('c1')))
      expect(error).toBeInstanceOf(ShipperError)
      expect(error).toMatchObject({ retryable: true, scope: 'peer' })
    })

    test('resolves only after the ack', async () => {
      const it = await bench()
      it.acking(false)
      let settled = 0
      const flush = it.output.flush(it.chunk('c1')).then(() => settled++)
      await until(() => it.arrived().length === 1)
      await new Promise((resolve) => setImmediate(resolve))
      expect(settled).toBe(0)
      it.ackAll()
      await within(flush, 120_000, 'the flush to resolve')
      expect(settled).toBe(1)
    })

    test('rejects within 100 ms of an abort, with the ack outstanding', async () => {
      const took = await fastest(100, async () => {
        const stop = new AbortController()
        const it = await bench(stop.signal)
        it.acking(false)
        const flush = rejection(it.output.flush(it.chunk('c1')))
        await until(() => it.arrived().length === 1)
        const began = performance.now()
        stop.abort()
        await within(flush, 120_000, 'the flush to reject')
        return performance.now() - began
      })
      expect(took).toBeLessThan(100)
    })

    test('rejects at once after an abort, and when the signal was aborted before it was made', async () => {
      const stop = new AbortController()
      const before = await bench(stop.signal)
      stop.abort()
      for (const it of [before, await bench(stop.signal)]) {
        const error = rejection(it.output.flush(it.chunk('c1')))
        await within(error, 120_000, 'the flush to reject')
        expect(it.arrived()).toEqual([])
      }
    })
  })
  contractOfMany(name, bench)
}

function contractOfMany(name: string, bench: MakeBench): void {
  describe(`${name} keeps the contract of outputs`, () => {
    test('sends the same bytes under the same id after a failure', async () => {
      const it = await bench()
      it.acking(false)
      const chunk = it.chunk('c1')
      const first = rejection(it.output.flush(chunk))
      await until(() => it.arrived().length === 1)
      await it.down()
      await first
      await it.up()
      it.acking(true)
      await flushed(it, chunk)
      const [one, two] = it.arrived()
      expect(two?.id).toBe('c1')
      expect(two?.bytes.equals(one?.bytes as Buffer)).toBe(true)
    })

    test('settles each of many calls once, in order of their arrival', async () => {
      const it = await bench()
      const settled: string[] = []
      const ids = Array.from({ length: 20 }, (_, i) => `c${i}`)
      await Promise.all(ids.map((id) => it.output.flush(it.chunk(id)).then(() => settled.push(id))))
      expect(settled.sort()).toEqual([...ids].sort())
      expect(it.arrived().map((a) => a.id)).toEqual(ids)
    })

    test('closes twice without harm, and takes nothing after it', async () => {
      const it = await bench()
      await it.output.flush(it.chunk('c1'))
      await it.output.close()
      await it.output.close()
      await within(rejection(it.output.flush(it.chunk('c2'))), 20_000, 'the flush to reject')
    })
  })
}

/** The error of a promise that has to reject. */
export function rejection(promise: Promise<unknown>): Promise<ShipperError> {
  return promise.then(
    () => {
      throw new Error('it resolved')
    },
    (error: ShipperError) => error,
  )
}

/** Tries as the engine does until the chunk is delivered. */
async function flushed(it: OutputBench, chunk: Chunk): Promise<void> {
  await until(() =>
    it.output.flush(chunk).then(
      () => true,
      () => false,
    ),
  )
}
