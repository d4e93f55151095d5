import { expect, test } from 'bun:test'
import type { Answer, BatchInfo, Judgement } from '../../../src/lib/http-output/api.ts'
import { LinesApi, linesOf, outputOf } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { ScriptedServer } from '../../support/http-output/scripted-server.ts'

/** An API whose outcomes follow the answers, each when the test says so. */
class LateApi extends LinesApi {
  readonly outcomes: ((judgement: Judgement) => void)[] = []

  override async readSuccess(_: Answer, batch: BatchInfo): Promise<Judgement> {
    batch.handOver()
    return await new Promise((resolve) => this.outcomes.push(resolve))
  }
}

test('the outcome of an earlier request of a tag says nothing about a later one that is under way', async () => {
  const api = new LateApi()
  let answer = (_: undefined): void => {}
  const server = new ScriptedServer((_, index) =>
    index === 1 ? new Promise((resolve) => (answer = resolve)) : { status: 200 },
  )
  const bench = new OutputBench((ctx) => outputOf(server, api, ctx))
  const first = bench.push([{ n: 1 }])
  await bench.turns()
  const second = bench.push([{ n: 2 }])
  await bench.turns()
  expect(server.seen.length).toBe(2)
  api.outcomes[0]?.({ kind: 'delivered' })
  await bench.turns()
  expect(bench.outcomes.get(first)).toEqual(['delivered'])
  expect(bench.outcomes.get(second)).toEqual([])
  // The second request has no answer, and is sent again.
  answer(undefined)
  await bench.turns()
  bench.clock.advance(5000)
  await bench.turns()
  expect(linesOf(server.seen[2]?.body ?? Buffer.alloc(0))).toEqual([{ n: 2 }])
  api.outcomes[1]?.({ kind: 'delivered' })
  expect(await bench.drained(5)).toBe(true)
  expect(bench.outcomes.get(second)).toEqual(['delivered'])
})
