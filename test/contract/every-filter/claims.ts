import { describe, expect, test } from 'bun:test'
import { encodeStr } from '../../../src/core/msgpack/encode.ts'
import { fc } from '../../support/property.ts'
import type { FilterCase } from './cases.ts'
import { costRatio, MAX_RATIO, shapesOf } from './cost.ts'
import { Fates } from './fates.ts'
import {
  everyValueUnder,
  type HostileEntry,
  hostileChunk,
  hostileEntries,
  largeRecord,
  rawPair,
} from './hostile.ts'
import { placesContract } from './places.ts'
import { processorContract } from './processors.ts'
import { entriesOf, quiet, type SeenEntry, startCase } from './run.ts'

export const caseName = ({ filter, what }: FilterCase): string =>
  what === undefined ? filter : `${filter}, ${what}`

/** Returns entries with the texts that the filter needs to do something. */
function withExtra({ extra }: FilterCase, entries: readonly HostileEntry[]): readonly HostileEntry[] {
  if (extra === undefined) return entries
  return entries.map(({ pairs, ...entry }, i) => {
    if (pairs === undefined) return entry
    const more = Object.entries(extra(i)).map(([key, value]) => rawPair(key, encodeStr(value)))
    return { ...entry, pairs: [...pairs, ...more] }
  })
}

/** Applies the filter to chunks, and checks what the engine and the user of a filter rely on. */
async function check(filterCase: FilterCase, chunks: readonly HostileEntry[][]): Promise<SeenEntry[][]> {
  const run = await startCase(filterCase)
  const fates = new Fates(filterCase)
  const outputs: SeenEntry[][] = []
  let first = 0
  for (const given of chunks) {
    const entries = withExtra(filterCase, given)
    const chunk = hostileChunk(entries, run.buffers, filterCase.tag ?? 'app', {
      first,
      marksLog: filterCase.identity === 'log',
    })
    fates.came(entriesOf(chunk))
    const left = run.apply(chunk)
    fates.left(left)
    outputs.push(left)
    first += entries.length
  }
  await run.finish()
  fates.check(run)
  return outputs
}

/** Tests what every filter promises, with records that a filter would damage if it decoded them or trusted them. */
export function everyFilterContract(filterCase: FilterCase): void {
  const keys = ['level', ...filterCase.keys.map((key) => key.replace('*', 'x'))].slice(0, 6)
  describe(caseName(filterCase), () => {
    for (const key of keys)
      test(`keeps what it does not name, and each record, with every value under "${key}"`, async () => {
        quiet()
        await check(filterCase, [everyValueUnder(key), [], everyValueUnder(key).slice(0, 9)])
      })

    test('writes no key twice that only a later record has twice', async () => {
      quiet()
      const texts = [
        'start of it',
        'Exception: x',
        '    at java.Foo(A.java:1)',
        'b',
        '    at java.Foo(A.java:2)',
        'c',
      ]
      const twice = (key: string) => [rawPair(key, encodeStr('1')), rawPair(key, encodeStr('2'), 2)]
      const entries = texts.map((text, i) => ({
        pairs: [...(i < 3 ? [] : [...twice('c'), ...twice('new')]), rawPair('log', encodeStr(text))],
      }))
      await check(filterCase, [entries, entries])
    })

    test('keeps them with a record of 10,000 keys', async () => {
      quiet()
      await check(filterCase, [[largeRecord(10_000), { pairs: [] }, largeRecord(300)]])
    })

    test('property: keeps them with any mixture of keys, values and entries that are no records', async () => {
      quiet()
      await fc.assert(
        fc.asyncProperty(fc.array(hostileEntries, { minLength: 1, maxLength: 3 }), async (chunks) => {
          await check(filterCase, chunks)
        }),
        { numRuns: 60 },
      )
    })

    test('calls each ack once and returns its buffers when it is closed at once', async () => {
      quiet()
      const run = await startCase(filterCase)
      const texts = [
        'start of it',
        'Exception: x',
        '    at java.Foo(A.java:1)',
        'start of it',
        'Exception: x',
      ]
      const entries = texts.map((text) => ({ pairs: [rawPair('log', encodeStr(text))] }))
      for (const part of [entries, entries.slice(0, 4), entries.slice(1)])
        run.apply(hostileChunk(withExtra(filterCase, part), run.buffers, filterCase.tag ?? 'app'))
      await run.close()
    })

    for (const [what, shape] of Object.entries(shapesOf(filterCase)))
      test(`takes time in proportion to the number of keys: ${what}`, async () => {
        quiet()
        const run = await startCase(filterCase)
        const ratio = costRatio(run, filterCase.tag ?? 'app', shape)
        await run.filter.close?.()
        expect(ratio).toBeLessThan(MAX_RATIO)
      })

    processorContract(filterCase)

    placesContract(filterCase)

    if (filterCase.isStateful === undefined)
      test('makes of a chunk the same, whichever came before', async () => {
        quiet()
        const run = await startCase(filterCase)
        const one = everyValueUnder(filterCase.keys[0] ?? 'log').slice(0, 60)
        const through = (entries: HostileEntry[]): string[] =>
          run.apply(hostileChunk(entries, run.buffers, filterCase.tag ?? 'app')).map(({ bytes }) => bytes)
        const before = through(one)
        through([...everyValueUnder('level'), largeRecord(1000)])
        expect(through(one)).toEqual(before)
        await run.finish()
      })
  })
}
