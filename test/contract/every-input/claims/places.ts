import { expect, test } from 'bun:test'
import { again, inChunks, includes, numbersOf, type Running, specOf, started } from '../running.ts'
import type { InputCase, Source } from '../source.ts'
import { range } from '../sources/senders.ts'

/** The source, for an output that uses the ids of records. */
async function withIds(inputCase: InputCase): Promise<Source> {
  const source = await inputCase.open()
  return { ...source, services: { ...source.services, wantsPlaces: true } }
}

function idsByNumber({ bench, source }: Pick<Running, 'bench' | 'source'>): Map<number, string | undefined> {
  return new Map(bench.made.map(({ record, id }) => [source.numberOf?.(record) ?? Number.NaN, id]))
}

export function testPlaces(inputCase: InputCase): void {
  test('each record has a place if the spec says what names it, the same when it is read again; else none has', async () => {
    const spec = await specOf(inputCase)
    const source = await withIds(inputCase)
    const bench = await again(spec, source)
    if (spec.places === undefined) {
      await source.give(0, 3, bench)
      const records = await bench.has(3)
      expect(records.map(({ id }) => id)).toEqual(records.map(() => undefined))
      await source.end?.()
      await bench.close()
      return
    }
    await inChunks({ spec, source, bench }, [0, 3])
    expect(numbersOf({ bench, source })).toEqual(range(0, 6))
    const ids = idsByNumber({ bench, source })
    expect([...ids.values()]).not.toContain(undefined)
    expect(new Set(ids.values()).size).toBe(6)
    await bench.close('aborted')
    const next = await again(spec, source)
    await source.give(100, 101, next)
    await includes(next, source, 100)
    const after = idsByNumber({ bench: next, source })
    const id = after.get(100)
    after.delete(100)
    expect(after).toEqual(ids)
    expect([undefined, ...ids.values()]).not.toContain(id)
    await next.close()
  })
}

/** Records without places have ids of their chunk: for a store, equal ones are one record. */
export function testIdentities(inputCase: InputCase): void {
  test('two inputs with one tag that begin at one time have chunks with different ids', async () => {
    const ids: string[] = []
    for (let n = 0; n < 2; n++) {
      const { bench, source } = await started(inputCase)
      await source.give(0, 3, bench)
      await bench.has(3)
      ids.push(...bench.open.map(({ chunk }) => chunk.id))
      await source.end?.()
      await bench.close()
    }
    expect(new Set(ids).size).toBe(ids.length)
  })
}
