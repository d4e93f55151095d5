import { afterEach, describe, expect, test } from 'bun:test'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Places } from '../../../src/core/places.ts'
import { recordIds } from '../../../src/core/record-ids.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import type { StoredChunk } from '../../../src/lib/segments/types.ts'
import { openLog, readAll, START, stateAt, textChunk, textsOf } from '../../support/segments/logs.ts'
import { tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

function segmentsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.seg'))
}

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

describe('a log', () => {
  test('finds what was synced, in order and for its output alone, with all that the chunk had', async () => {
    const { log } = openLog(tmp())
    const origins = [{ file: '/var/log/é.log', offset: 5, end: 2 ** 40 }]
    log.append(textChunk('one', { tag: 'täg', input: 'udp.1', count: 3, origins, hasMetadata: true }), ['a'])
    log.append(textChunk('two'), ['a', 'b'])
    expect(log.find('a', START)).toEqual({ segment: 1, offset: 0 })
    await log.sync()
    log.append(textChunk('later'), ['a', 'b'])
    expect(textsOf(log, 'a')).toEqual(['one', 'two'])
    expect(textsOf(log, 'b')).toEqual(['two'])
    const [first, second] = readAll(log, 'a').map(({ chunk }) => chunk) as [StoredChunk, StoredChunk]
    expect(first).toMatchObject({
      tag: 'täg',
      input: 'udp.1',
      id: 'id-one',
      count: 3,
      bytes: 3,
      origins,
      hasMetadata: true,
    })
    expect(second).toMatchObject({ at: first.next, tag: 'app', count: 1, hasMetadata: false, origins: [] })
    expect(Math.abs(Date.now() - first.storedMs)).toBeLessThan(60_000)
    await log.close()
  })

  test('keeps the ids of records, and has none for those that were written without places', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    const made = textChunk('three', { count: 3 })
    made.places = new Places()
    for (const [source, offset, ordinal] of [
      ['a', 2 ** 47 + 5, 0],
      ['b', 1, 4095],
      ['b', 2 ** 50, 9],
    ] as const)
      made.places.add(made.places.sourceIndex(source), offset, ordinal)
    log.append(made, ['a'])
    log.append(textChunk('none'), ['a'])
    await log.close()
    const again = openLog(folder).log
    const [first, second] = readAll(again, 'a').map(({ chunk }) => chunk) as [StoredChunk, StoredChunk]
    const read = textChunk('three', { count: 3 })
    read.places = again.places?.(first)
    expect(recordIds(read).equals(recordIds(made))).toBe(true)
    expect(again.places?.(second)).toBeUndefined()
    await again.close()
  })

  test('has the same chunks when it is opened again, and appends to a new segment', async () => {
    const folder = tmp()
    const first = openLog(folder)
    const stored = ['one', 'two'].map((text) => first.log.append(textChunk(text), ['a']))
    await first.log.close()
    const { log } = openLog(folder)
    expect(readAll(log, 'a').map(({ chunk }) => chunk)).toEqual(stored as never)
    expect(log.end).toEqual({ segment: 2, offset: 0 })
    expect(log.append(textChunk('three'), ['a']).at.segment).toBe(2)
    await log.sync()
    expect(textsOf(log, 'a')).toEqual(['one', 'two', 'three'])
    await log.close()
  })

  test('keeps the states of its outputs, whatever their names are', async () => {
    const folder = tmp()
    const outputs = ['a/b', '..', '.', 'é'.repeat(300), 'x'.repeat(300), '', ' \n\0', 'a_b']
    const first = openLog(folder, { outputs })
    const at = outputs.map((_, i) => first.log.append(textChunk(`chunk ${i}`), outputs).at)
    await first.log.sync()
    first.log.commit(new Map(outputs.map((name, i) => [name, stateAt(at[i] as never, at.slice(0, i))])))
    await first.log.close()
    const { log } = openLog(folder, { outputs })
    expect(outputs.map((name) => log.stateOf(name))).toEqual(
      at.map((each, i) => stateAt(each, at.slice(0, i))),
    )
    expect(log.backlogOf('..', log.stateOf('..') as never)).toEqual({ chunks: 8, records: 8, bytes: 56 })
    await log.close()
  })

  test('deletes a segment when every output has passed it', async () => {
    const folder = tmp()
    const { log } = openLog(folder, { segmentBytes: 300 })
    const stored = ['one', 'two', 'three', 'four'].map((text) =>
      log.append(textChunk(text.repeat(50)), ['a', 'b']),
    )
    await log.sync()
    expect(segmentsIn(folder)).toHaveLength(4)
    log.commit(new Map([['a', stateAt(stored[3]!.next)]]))
    log.commit(new Map([['b', stateAt(stored[2]!.next, [stored[1]!.at])]]))
    await until(() => segmentsIn(folder).length === 2)
    expect(log.start).toEqual({ segment: 2, offset: 0 })
    expect(textsOf(log, 'a')).toHaveLength(2)
    log.commit(new Map([['b', stateAt(stored[3]!.next)]]))
    await until(() => segmentsIn(folder).length === 1)
    await log.close()
    expect(segmentsIn(folder)).toEqual([])
  })

  test('that is idle keeps no large segment of which nothing is needed, and a small one', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    const small = log.append(textChunk('small'), ['a'])
    await log.sync()
    log.commit(new Map([['a', stateAt(small.next)]]))
    expect(segmentsIn(folder)).toHaveLength(1)
    const large = log.append(textChunk('x'.repeat(1 << 20)), ['a'])
    await log.sync()
    log.commit(new Map([['a', stateAt(large.next)]]))
    await until(() => segmentsIn(folder).length === 0)
    expect([log.end, log.synced, log.bytes, log.segments]).toEqual([large.next, large.next, 0, 0])
    expect(log.find('a', large.next)).toEqual(large.next)
    const next = log.append(textChunk('next'), ['a'])
    expect(next.at.segment).toBe(2)
    await log.sync()
    expect(textsOf(log, 'a', large.next)).toEqual(['next'])
    await log.close()
  })

  test('syncs once for all that wait, after what they have appended', async () => {
    let calls = 0
    let release = (): void => {}
    const fdatasync = (_fd: number, done: (error: null) => void): void => {
      calls++
      release = () => done(null)
    }
    const { log } = openLog(tmp())
    log.append(textChunk('one'), ['a'])
    Object.assign(systemCalls, { fdatasync })
    const first = log.sync()
    const ends = ['two', 'three', 'four'].map((text) => {
      const { next } = log.append(textChunk(text), ['a'])
      return { next, synced: log.sync() }
    })
    release()
    await first
    expect(textsOf(log, 'a')).toEqual(['one'])
    await until(() => calls === 2)
    release()
    for (const { synced } of ends) await synced
    expect([calls, log.synced]).toEqual([2, ends[2]?.next as never])
    // Nothing is to be synced.
    await log.sync()
    expect(calls).toBe(2)
    Object.assign(systemCalls, original)
    await log.close()
  })

  test('does not change the bytes of a chunk, and keeps the head and tail room free', async () => {
    const { log } = openLog(tmp())
    for (const size of [10, 100_000]) {
      const chunk = textChunk('x'.repeat(size))
      const before = Buffer.from(chunk.buf)
      log.append(chunk, ['a'])
      expect(chunk.buf.equals(before)).toBe(true)
    }
    await log.close()
  })

  test('has files and folder that only its owner may read', async () => {
    const folder = join(tmp(), 'x', 'buffer')
    const { log } = openLog(folder)
    const { next } = log.append(textChunk('one'), ['a'])
    log.commit(new Map([['a', stateAt(next)]]))
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([
      0o600, 0o600,
    ])
    await log.close()
  })
})
