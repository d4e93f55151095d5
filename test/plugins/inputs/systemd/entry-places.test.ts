import { expect, test } from 'bun:test'
import { Places } from '../../../../src/core/places.ts'
import { recordIds } from '../../../../src/core/record-ids.ts'
import { EntryPlaces } from '../../../../src/plugins/inputs/systemd/entry-places.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'

interface Position {
  s?: string
  i?: string
  b?: string
  m?: string
  t?: string
  x?: string
}

function cursor({ s = 'a', i = '1f', b = 'b', m = '5', t = '6', x = '7' }: Position = {}): string {
  return `s=${s.repeat(32)};i=${i};b=${b.repeat(32)};m=${m};t=${t};x=${x}`
}

/** Returns the ids of entries with these cursors, read one after the other in one run. */
function idsOf(cursors: readonly string[], agent = 'agent', tag = 'tag'): string[] {
  const entries = new EntryPlaces(agent, tag)
  const places = new Places()
  for (const text of cursors) {
    const buf = Buffer.from(`__CURSOR=${text}\n__REALTIME_TIMESTAMP=0\n`)
    entries.add(places, buf, '__CURSOR='.length, '__CURSOR='.length + text.length)
  }
  const chunk = chunkOf(cursors.map(() => ({ log: 'same' })))
  chunk.places = places
  const ids = recordIds(chunk).toString('latin1')
  return cursors.map((_, n) => ids.slice(26 * n, 26 * n + 26))
}

test('an entry has the same id in whatever order entries are read, and each entry has another one', () => {
  const cursors = [
    cursor(),
    cursor({ i: '20' }),
    cursor({ s: 'c' }),
    cursor({ b: 'd' }),
    // What a machine writes that goes on from a snapshot of its memory has the numbers of what it wrote before.
    cursor({ m: '8' }),
    cursor({ t: '8' }),
    cursor({ x: '8' }),
    cursor({ i: 'ffffffffffffffff' }),
    cursor({ i: 'fffffffffffffffe' }),
    cursor({ i: 'ffffffffffffffff', x: '8' }),
  ]
  const ids = idsOf(cursors)
  expect(new Set(ids).size).toBe(cursors.length)
  expect(idsOf(cursors.toReversed()).toReversed()).toEqual(ids)
  for (const [n, text] of cursors.entries()) expect(idsOf([text])).toEqual([ids[n] as string])
})

test('entries of another agent, and of an input with another tag, have other ids', () => {
  const [id] = idsOf([cursor()])
  for (const other of [idsOf([cursor()], 'other'), idsOf([cursor()], 'agent', 'other')])
    expect(other).not.toEqual([id as string])
})

test('entries without a cursor are never one record', () => {
  const ids = [...idsOf(['', 'x', '']), ...idsOf([''])]
  expect(new Set(ids).size).toBe(4)
})
