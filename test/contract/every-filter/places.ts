import { expect, test } from 'bun:test'
import { Chunk } from '../../../src/core/chunk.ts'
import { encodeStr } from '../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { Places } from '../../../src/core/places.ts'
import type { FilterContext } from '../../../src/core/plugin.ts'
import { RECORD_ID_BYTES, recordIds } from '../../../src/core/record-ids.ts'
import { BorrowedBuffers } from '../../../src/engine/borrowed-buffers.ts'
import { entryEnd } from '../../../src/engine/entry-end.ts'
import { type FilterStage, makePath, type OutputStage, type Path } from '../../../src/engine/path.ts'
import { Pipeline } from '../../../src/engine/pipeline.ts'
import type { Router } from '../../../src/engine/router.ts'
import { listLog } from '../../support/engine/chunks.ts'
import type { FilterCase } from './cases.ts'
import { everyValueUnder, type HostileEntry, hostileChunk, rawPair } from './hostile.ts'
import { ContractRun, entriesOf, quiet } from './run.ts'

/** A record at the output: the id of its place, the place, and the field that says which one it was made of. */
interface Arrived {
  id: string
  place: string
  from: string | undefined
}

const OFFSET_STEP = 10
const TAG = 'app'

/** Sends the entries through the filter as the engine does, cut into chunks of this size. */
async function arrive(
  { filter, texts, context, identity, tag = TAG }: FilterCase,
  all: HostileEntry[],
  size: number,
): Promise<Arrived[]> {
  const given = typeof texts === 'function' ? await texts() : texts
  const arrived: Arrived[] = []
  let pipeline: Pipeline | undefined
  let stage: FilterStage | undefined
  const more: Partial<FilterContext> = {
    ...context,
    emit: (records, from, ack, label) =>
      pipeline?.emit(stage as FilterStage, new Chunk(records, from), from, ack, label),
    reroute: (records, from, ack, label) =>
      pipeline?.reroute(stage as FilterStage, records, from, ack, label),
    reject: (chunk, start) => {
      let row = 0
      for (let at = chunk.start; at < start; row++) at = entryEnd(chunk.buf, at, chunk.end)
      chunk.places?.drop(row)
    },
  }
  const run = await ContractRun.start(filter, given, more)
  const { spec } = run
  const stats = { records: 0, bytes: 0, addRecords: 0, dropRecords: 0, dropBytes: 0 }
  const keepsPlaces =
    spec.keepsPlaces?.(parseOptions(spec.options as never, given as never) as never) === true
  stage = { name: `${filter}.0`, filter: run.filter, stats, keepsPlaces } as unknown as FilterStage
  const queue = {
    push: (chunk: Chunk, receipt: { settle(outcome: string): void }) => {
      const ids = recordIds(chunk).toString('latin1')
      for (const [i, entry] of entriesOf(chunk).entries()) {
        const from = entry.pairs?.find(({ key }) => key === 'id')?.value.toString('latin1')
        const { places } = chunk
        const place =
          places === undefined ? 'none' : `${places.sourceText(i).split('>')[0]} ${places.offset(i)}`
        arrived.push({ id: ids.slice(i * RECORD_ID_BYTES, (i + 1) * RECORD_ID_BYTES), place, from })
      }
      receipt.settle('delivered')
    },
  }
  const output = { name: 'out.0', queue, wantsPlaces: true } as unknown as OutputStage
  const filtered = makePath('', [stage], [output])
  const behind = makePath('', [], [output])
  const router: Router = {
    path: (): Path => filtered,
    behind: (): Path => behind,
    anew: (): Path => behind,
    ofLabel: (): Path => behind,
    filters: [stage],
    outputs: [output],
  }
  const borrowed = new BorrowedBuffers()
  pipeline = new Pipeline(router, borrowed, listLog().log)
  for (let first = 0; first < all.length; first += size) {
    const part = all.slice(first, first + size)
    const chunk = hostileChunk(part, run.buffers, tag, { first, marksLog: identity === 'log' })
    chunk.places = new Places()
    for (let i = 0; i < part.length; i++)
      chunk.places.add(chunk.places.sourceIndex('source'), (first + i) * OFFSET_STEP)
    pipeline.accept(chunk, { buffers: run.buffers, routable: true }, () => {})
  }
  run.clock.advance(3_600_000)
  await run.filter.close?.()
  return arrived
}

/** Tests that the ids of records outlive the filter. */
export function placesContract(filterCase: FilterCase): void {
  const texts = [
    'start of it',
    'Exception: x',
    '    at java.Foo(A.java:1)',
    'drop',
    'copy',
    'move',
    'fail',
    'x',
  ]
  const some = texts.flatMap((text) => [
    { pairs: [rawPair('log', encodeStr(text)), rawPair('level', encodeStr('x'))] },
    { pairs: [rawPair(filterCase.keys[0] ?? 'log', encodeStr(text))] },
  ])
  const withPairs = ({ pairs }: HostileEntry): boolean => pairs !== undefined
  const entries: HostileEntry[] = [...some, ...everyValueUnder(filterCase.keys[0] ?? 'log'), ...some].filter(
    withPairs,
  )
  const all = entries.map((entry, i) => {
    const extra = Object.entries(filterCase.extra?.(i) ?? {}).map(([key, value]) =>
      rawPair(key, encodeStr(value)),
    )
    return { ...entry, pairs: [...(entry.pairs ?? []), ...extra] }
  })

  test('each record has the place of the record that it was made of, and an id of its own', async () => {
    quiet()
    const arrived = await arrive(filterCase, all, 40)
    const before = hostileChunk(all, (await ContractRun.start('stdout', {})).buffers, TAG, {
      marksLog: filterCase.identity === 'log',
    })
    const idOf = entriesOf(before).map(({ pairs }) =>
      pairs?.find(({ key }) => key === 'id')?.value.toString('latin1'),
    )
    for (const { place, from } of arrived) {
      expect(place).toMatch(/^source \d+$/)
      if (from === undefined || !idOf.includes(from)) continue
      expect(place).toBe(`source ${idOf.indexOf(from) * OFFSET_STEP}`)
    }
    expect(new Set(arrived.map(({ id }) => id)).size).toBe(arrived.length)
  })

  if (filterCase.isStateful === undefined)
    test('the ids of records are the same when their chunks are cut differently', async () => {
      quiet()
      const ids = async (size: number): Promise<string[]> =>
        (await arrive(filterCase, all, size)).map(({ id }) => id).sort()
      expect(await ids(7)).toEqual(await ids(40))
    })
}
