import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Places } from '../../../../../src/core/places.ts'
import type { Truncation } from '../../../../../src/plugins/inputs/tail/file/read-cursor.ts'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import { readTo, tailFile } from '../../../../support/tail/tail-file.ts'
import { tmp } from '../../../../support/tmp.ts'

test('no file waits for itself, however many files are in between', () => {
  const file = (): TailFile => tailFile(join(tmp(), 'a.log'), 'x')
  const [first, second, third] = [file(), file(), file()] as const
  second.readAfter(first)
  third.readAfter(second)
  for (const one of [first, second, third]) first.readAfter(one)
  expect(first.predecessor).toBeUndefined()
  expect([second.predecessor === first, third.predecessor === second]).toEqual([true, true])
})

/** A file of lines of 40 bytes with its fingerprint, read up to a line. */
function read(lines: number, upTo: number) {
  const path = join(tmp(), 'a.log')
  const truncations: Truncation[] = []
  const made = tailFile(path, text('old', lines), 0, (truncation) => truncations.push(truncation))
  made.stored.growFingerprint(made.handle, made.cursor.size)
  if (upTo > 0) readTo(made, upTo * LINE)
  const look = (): Truncation[] => {
    made.refresh()
    return truncations.splice(0)
  }
  return { path, made, look, truncations }
}

const LINE = 40
/** Returns lines that differ in their last bytes, too. */
function text(kind: string, lines: number): string {
  const width = LINE - kind.length - 1
  return Array.from({ length: lines }, (_, i) => `${String(i).padEnd(width, '.')}${kind}\n`).join('')
}

describe('a look finds', () => {
  test('growth', () => {
    const { path, made, look } = read(10, 5)
    expect(look()).toEqual([])
    appendFileSync(path, text('more', 3))
    expect([look(), made.cursor.size, made.cursor.isRewritten]).toEqual([[], 13 * LINE, false])
  })

  test('a truncation to nothing, with what was not read', () => {
    const { path, look } = read(10, 5)
    truncateSync(path)
    expect(look()).toEqual([{ from: 5 * LINE, to: 10 * LINE, size: 0, isRewritten: true }])
    expect(look()).toEqual([])
  })

  test('a cut behind the offset, which takes the end only', () => {
    const { path, made, look } = read(50, 5)
    truncateSync(path, 8 * LINE)
    expect(look()).toEqual([{ from: 8 * LINE, to: 50 * LINE, size: 8 * LINE, isRewritten: false }])
    expect(made.cursor.presentOffset).toBe(5 * LINE)
  })

  test('a cut of a file of which nothing was read: what is left cannot be compared', () => {
    const { path, look } = read(50, 0)
    truncateSync(path, 8 * LINE)
    expect(look()).toEqual([{ from: 0, to: 50 * LINE, size: 8 * LINE, isRewritten: true }])
    const long = read(50, 0)
    truncateSync(long.path, 30 * LINE)
    expect(long.look()).toEqual([{ from: 30 * LINE, to: 50 * LINE, size: 30 * LINE, isRewritten: false }])
  })

  test('a cut of a file of which only the size was known', () => {
    const path = join(tmp(), 'a.log')
    const truncations: Truncation[] = []
    const made = tailFile(path, text('old', 50), 0, (truncation) => truncations.push(truncation))
    writeFileSync(path, text('new', 8))
    made.refresh()
    expect(truncations).toEqual([{ from: 0, to: 50 * LINE, size: 8 * LINE, isRewritten: true }])
  })

  test.each([0, 5])('other content that is smaller, equal or larger, with %d lines read', (upTo) => {
    for (const lines of [45, 50, 60]) {
      const { path, made, look, truncations } = read(50, upTo)
      writeFileSync(path, text('new', lines))
      const found = look()
      if (lines === 50) {
        expect(found).toEqual([])
        made.refreshContent()
        expect(truncations).toHaveLength(1)
        continue
      }
      expect(found).toEqual([{ from: upTo * LINE, to: 50 * LINE, size: lines * LINE, isRewritten: true }])
    }
  })

  test('more of a content that was rewritten before, and what of it is truncated again', () => {
    const { path, look, made } = read(50, 5)
    writeFileSync(path, text('new', 20))
    expect(look()).toHaveLength(1)
    appendFileSync(path, text('more', 5))
    expect([look(), made.cursor.size]).toEqual([[], 25 * LINE])
    truncateSync(path, 10 * LINE)
    expect(look()).toEqual([{ from: 0, to: 25 * LINE, size: 10 * LINE, isRewritten: true }])
  })

  test('a rewrite once, and nothing when the content is as it was', () => {
    const { path, made, truncations } = read(50, 5)
    made.refreshContent()
    expect(truncations).toEqual([])
    made.recordRewrite()
    made.recordRewrite()
    expect(truncations).toHaveLength(1)
    made.restart(1000, undefined)
    writeFileSync(path, text('new', 20))
    expect([made.cursor.offset, made.acks.position, made.stored.fingerprint]).toEqual([0, 0, undefined])
    expect(made.rotation.pastContents).toHaveLength(1)
  })

  test('that a file has no name any more', () => {
    const { path, made, look } = read(2, 0)
    renameSync(path, `${path}.1`)
    look()
    expect(made.rotation.isDeleted).toBe(false)
    unlinkSync(`${path}.1`)
    look()
    expect(made.rotation.isDeleted).toBe(true)
  })

  test('nothing when the file cannot be looked at', () => {
    const { made, look } = read(10, 5)
    made.handle.close()
    expect([look(), made.cursor.size]).toEqual([[], 10 * LINE])
  })
})

describe('a file', () => {
  test('joins each chunk once, and is unread until it has', () => {
    const { made } = read(10, 0)
    expect([made.needsJoin(), made.needsJoin(), made.isUnread, made.isUnsettled]).toEqual([
      true,
      false,
      false,
      true,
    ])
    expect(made.closeRange()).toBeUndefined()
    expect([made.isUnread, made.isUnsettled, made.needsJoin()]).toEqual([true, false, true])
  })

  test('gives each range of each content another identity', () => {
    const { made } = read(10, 0)
    const ids = new Set<string | undefined>()
    for (let i = 1; i <= 3; i++) {
      made.cursor.moveTo(i * LINE)
      ids.add(made.closeRange()?.identity)
    }
    made.restart(0, undefined)
    made.cursor.moveTo(LINE)
    ids.add(made.closeRange()?.identity)
    expect([ids.size, ids.has(undefined)]).toEqual([4, false])
  })

  test('is drained when it is idle or closed', () => {
    const { made } = read(10, 0)
    const states = [made.isDrained]
    for (const change of ['startWaiting', 'startReading', 'reachEnd', 'close'] as const) {
      made[change]()
      states.push(made.isDrained)
    }
    expect(states).toEqual([false, false, false, true, true])
    expect([made.state, made.handle.isOpen]).toEqual(['closed', false])
    const { made: other } = read(1, 0)
    other.startWaiting()
    expect(other.state).toBe('waiting')
    other.startReading()
    expect(other.state).toBe('reading')
  })

  test('reports its state and what is not acknowledged', () => {
    const { path, made, look } = read(10, 5)
    made.reachEnd()
    expect(made.status()).toMatchObject({ state: 'idle', size: 400, read: 200, acked: 200, lag: 200 })
    made.rotation.markRotated(1, made.path)
    expect(made.status().state).toBe('rotated')
    made.rotation.markDeleted()
    expect(made.status().state).toBe('deleted')
    writeFileSync(path, text('new', 3))
    look()
    expect(made.status()).toMatchObject({ size: 120, read: 0, acked: 0, lag: 120 })
  })

  test('is unsettled while a chunk is, and not unread once it was read in this run', () => {
    const { made } = read(10, 0)
    made.cursor.moveTo(LINE)
    expect([made.isUnread, made.isUnsettled]).toEqual([false, false])
    const range = made.closeRange()
    expect([made.isUnread, made.isUnsettled]).toEqual([false, true])
    range?.settle('delivered')
    expect(made.isUnsettled).toBe(false)
  })

  test('that is rewritten while its size is not known is found by a look at its content', () => {
    const { path, made, truncations } = read(50, 5)
    writeFileSync(path, text('new', 60))
    made.refreshContent()
    expect(truncations).toEqual([{ from: 200, to: 2000, size: 2400, isRewritten: true }])
  })

  test('begins elsewhere with its acks', () => {
    const { made } = read(10, 0)
    made.startAt(5 * LINE)
    expect([made.isUnread, made.cursor.offset, made.acks.position, made.cursor.lastBytesLength]).toEqual([
      true,
      200,
      200,
      32,
    ])
    made.cursor.moveTo(6 * LINE)
    expect(made.closeRange()?.identity).toEndWith('200-240')
  })

  test('hands what was read to the copy of its content', () => {
    const { made } = read(10, 5)
    const copy = read(10, 0).made
    made.cursor.moveTo(7 * LINE)
    const range = made.closeRange()
    made.handOver(copy)
    expect([copy.cursor.offset, copy.acks.position]).toEqual([280, 200])
    range?.settle('delivered')
    expect(copy.acks.position).toBe(280)
  })

  test('keeps the path to which its link led', () => {
    const { made } = read(1, 0)
    expect(made.linkTarget).toBeUndefined()
    made.rename('/a', '/a')
    expect(made.linkTarget).toBeUndefined()
    made.rename('/a', '/b')
    made.rename('/c', '/c')
    expect([made.path, made.target, made.linkTarget]).toEqual(['/c', '/c', '/b'])
  })
})

describe('a file of which nothing was read', () => {
  function unread(content: string) {
    const path = join(tmp(), 'a.log')
    const truncations: Truncation[] = []
    const made = tailFile(path, content, 0, (truncation) => truncations.push(truncation))
    return { path, made, truncations }
  }

  test('was replaced when it has more, and other bytes where its last ones were seen', () => {
    const { path, made, truncations } = unread(text('old', 50))
    writeFileSync(path, text('new', 60))
    made.refresh()
    expect(truncations).toHaveLength(1)
  })

  test('was replaced when the bytes differ that it got last', () => {
    const { path, made, truncations } = unread(text('old', 10))
    appendFileSync(path, text('more', 3))
    made.refresh()
    writeFileSync(path, text('old', 10) + text('else', 6))
    made.refresh()
    expect(truncations).toEqual([{ from: 0, to: 13 * LINE, size: 16 * LINE, isRewritten: true }])
  })

  test('was replaced again when it has other bytes than at its restart', () => {
    const { path, made, truncations } = unread(text('old', 10))
    writeFileSync(path, text('new', 10))
    made.restart(1000, statSync(path, { bigint: true }))
    writeFileSync(path, text('else', 20))
    made.refresh()
    expect(truncations).toEqual([{ from: 0, to: 10 * LINE, size: 20 * LINE, isRewritten: true }])
  })

  test('is not unread any more once a range of it is in a chunk, wherever reading goes on', () => {
    const { made } = unread(text('old', 10))
    made.acks.limitCommits(0)
    made.cursor.moveTo(LINE)
    made.closeRange()
    made.cursor.moveTo(0)
    expect(made.isUnread).toBe(false)
  })
})

describe('an empty file', () => {
  function empty() {
    const path = join(tmp(), 'a.log')
    const made = tailFile(path, '')
    let seconds = 1_000_000
    /** Changes the content at a time of its own. */
    const write = (content: string): void => {
      writeFileSync(path, content)
      utimesSync(path, ++seconds, seconds)
    }
    return { path, made, write }
  }

  test('is known to have been written to, once', () => {
    const { made, write } = empty()
    expect(made.wasEmptyBefore()).toBe(false)
    write('one')
    expect([made.wasEmptyBefore(), made.wasEmptyBefore()]).toEqual([true, false])
    write('one two')
    expect(made.wasEmptyBefore()).toBe(false)
  })

  test('is known to have been written to also when that was truncated, each time', () => {
    const { made, write } = empty()
    for (let n = 0; n < 2; n++) {
      write('')
      expect([made.wasEmptyBefore(), made.wasEmptyBefore()]).toEqual([true, false])
    }
  })

  test('is known again after a truncation, unless it is compressed', () => {
    for (const isCompressed of [false, true]) {
      const { path, made, write } = empty()
      Object.defineProperty(made.handle.source, 'isCompressed', { value: isCompressed })
      write('')
      made.restart(1000, statSync(path, { bigint: true }))
      write('one')
      expect(made.wasEmptyBefore()).toBe(!isCompressed)
    }
  })

  test('is not one that had content when it was opened', () => {
    expect(read(10, 0).made.wasEmptyBefore()).toBe(false)
  })
})

describe('a rewrite', () => {
  test('is reported with the size of the new content', () => {
    const { path, made, truncations } = read(10, 5)
    writeFileSync(path, text('new', 3))
    made.recordRewrite()
    expect(truncations).toEqual([{ from: 5 * LINE, to: 10 * LINE, size: 3 * LINE, isRewritten: true }])
  })

  test('stays one when the old bytes are there again', () => {
    const { path, look } = read(50, 5)
    writeFileSync(path, text('new', 60))
    expect(look()).toHaveLength(1)
    writeFileSync(path, text('old', 10))
    expect(look()).toEqual([{ from: 0, to: 60 * LINE, size: 10 * LINE, isRewritten: true }])
  })

  test('keeps the marks of the content of before, and the time since which there is another', () => {
    const { path, made } = read(10, 5)
    const { fingerprint } = made.stored
    utimesSync(path, 2000, 2000)
    made.restart(5_000_000, statSync(path, { bigint: true }))
    expect(made.rotation.pastContents).toMatchObject([{ fingerprint, offset: 5 * LINE }])
    // A copy that was made in the same tick is one of the content of before.
    expect(made.rotation.contentSinceMs).toBeGreaterThan(2_000_000)
    expect(made.rotation.contentSinceMs).toBeLessThan(2_000_001)
    made.restart(5_000_000, undefined)
    expect(made.rotation.contentSinceMs).toBe(5_000_000)
  })
})

describe('a compressed file', () => {
  function compressed() {
    const parts = read(10, 5)
    const { source } = parts.made.handle
    const calls: string[] = []
    const note = (what: string) => () => void calls.push(what)
    Object.defineProperties(source, {
      isCompressed: { value: true },
      look: { value: note('look') },
      restart: { value: note('restart') },
    })
    return { ...parts, calls }
  }

  test('has its changes found by what inflates it, whatever its size and bytes on disk', () => {
    const { path, made, calls, truncations } = compressed()
    writeFileSync(path, text('new', 20))
    made.refreshContent()
    expect([calls, truncations, made.cursor.size]).toEqual([['look'], [], 10 * LINE])
  })

  test('begins anew with nothing inflated', () => {
    const { path, made, calls } = compressed()
    made.restart(1000, statSync(path, { bigint: true }))
    expect([calls, made.cursor.size]).toEqual([['restart'], 0])
  })
})

test('the position of a copy follows what settles in the original, before where the copy begins', () => {
  const { made } = read(10, 0)
  const copy = read(10, 0).made
  made.cursor.moveTo(3 * LINE)
  const range = made.closeRange()
  made.handOver(copy, 5 * LINE, 3 * LINE)
  range?.settle('delivered')
  expect([copy.cursor.offset, copy.acks.position, copy.acks.isPending]).toEqual([5 * LINE, 3 * LINE, false])
})

test('what goes into a chunk while no mark can be stored gets a name that the database does not have', () => {
  let isStored = true
  const path = join(tmp(), 'a.log')
  const made = tailFile(path, text('old', 10), 0, undefined, 'agent', () => isStored)
  const sourcesOf = (): [string | undefined, string | undefined] => {
    const places = new Places()
    made.needsJoin()
    places.add(made.sourceIn(places), made.cursor.offset)
    const before = places.sources[0]
    made.cursor.advance(LINE)
    made.closeRange(places)
    return [before, places.sources[0]]
  }
  const [name, kept] = sourcesOf()
  expect(kept).toBe(name as string)
  isStored = false
  const [before, left] = sourcesOf()
  expect(before).toBe(name as string)
  expect(left).not.toBe(name as string)
  expect(made.sourceIn(new Places())).toBe(0)
  isStored = true
  expect(sourcesOf()).toEqual([left, left])
})
