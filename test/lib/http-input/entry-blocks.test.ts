import { expect, test } from 'bun:test'
import { EntryBlocks, Scratch } from '../../../src/lib/http-input/entry-blocks.ts'
import type { ConnectionBudget } from '../../../src/lib/net/receive-budget.ts'
import { TextReader } from '../../../src/plugins/inputs/http/text-reader.ts'

const MAX_BYTES = 100_000
const MAX_WHOLE_BYTES = 1000

/** A budget that counts what was taken and not given back. */
function blocks(scratch = new Scratch()) {
  const taken = new Set<Buffer>()
  const memory: ConnectionBudget = {
    take: (bytes) => {
      const buf = Buffer.alloc(bytes)
      taken.add(buf)
      return buf
    },
    give: (buf) => {
      if (!taken.delete(buf)) throw new Error('given back twice')
    },
    hold: () => true,
    release: () => {},
    isPrivileged: false,
  }
  const owner = { memory: () => memory }
  return { taken, blocks: new EntryBlocks(scratch, MAX_BYTES, owner, MAX_WHOLE_BYTES) }
}

function add(to: EntryBlocks, text: string, tag = 't'): boolean {
  if (!to.reserve(text.length)) return false
  to.at += to.buf.write(text, to.at, 'latin1')
  to.add(tag)
  return true
}

const texts = ({ runs }: EntryBlocks): [string, string][] =>
  runs.map(({ tag, buf, start, end }) => [tag, buf.toString('latin1', start, end)])

test('few entries are kept until they are released, in runs of one tag', () => {
  const { taken, blocks: few } = blocks()
  for (const [text, tag] of [
    ['a', 'x'],
    ['b', 'x'],
    ['c', 'y'],
  ] as const)
    add(few, text, tag)
  expect(few.isTrial).toBe(false)
  expect(texts(few)).toEqual([
    ['x', 'ab'],
    ['y', 'c'],
  ])
  few.release()
  expect(taken.size).toBe(0)
})

test('more entries than are kept are only tried, in the memory of few, and then taken in parts', () => {
  const scratch = new Scratch()
  // Someone else has it.
  scratch.take()
  const { taken, blocks: many } = blocks(scratch)
  const entries = Array.from({ length: 30 }, (_, n) => `${n} `.padEnd(2500, 'x'))
  for (const entry of entries) expect(add(many, entry)).toBe(true)
  expect(many.isTrial).toBe(true)
  expect(many.runs).toEqual([])
  expect(taken.size).toBe(1)
  many.restart()
  let found = ''
  for (const entry of entries)
    while (!add(many, entry)) {
      expect(many.runs.length).toBeGreaterThan(0)
      found += texts(many)
        .map(([, text]) => text)
        .join('')
      many.taken()
    }
  found += texts(many)
    .map(([, text]) => text)
    .join('')
  expect(found).toBe(entries.join(''))
  many.release()
  expect(taken.size).toBe(0)
})

test('many tags are many runs, of which each counts', () => {
  const { blocks: tags } = blocks()
  for (let n = 0; n < 10; n++) add(tags, 'x', `tag.${n}`)
  expect(tags.isTrial).toBe(true)
  tags.restart()
  let most = 0
  for (let n = 0; n < 5000; n++)
    while (!add(tags, 'x', `tag.${n}`)) {
      most = Math.max(most, tags.runs.length)
      tags.taken()
    }
  expect(most).toBeGreaterThan(10)
  expect(most).toBeLessThan(500)
})

test('what a trial leaves out counts for the limit of all entries', () => {
  const { blocks: large } = blocks()
  for (let n = 0; n < 3; n++) add(large, 'x'.repeat(500))
  expect(large.isTrial).toBe(true)
  large.leaveOut(MAX_BYTES)
  expect(() => add(large, 'x')).toThrow(`larger than ${MAX_BYTES} bytes`)
})

test('memory for a part that entries have in common goes back with them', () => {
  const { taken, blocks: one } = blocks()
  const first = one.space(1000) as Buffer
  one.space(2000)
  one.giveSpace(first)
  expect(taken.size).toBe(1)
  one.restart()
  expect(taken.size).toBe(0)
  one.space(1000)
  one.release()
  expect(taken.size).toBe(0)
})

test('a line that a parser does not read is counted once when it is read twice', () => {
  const failed: string[] = []
  const parser = { parse: () => false, bound: () => 0, timeFailures: 0 } as never
  const lines = {
    parser,
    failed: (_: string, line: Buffer, start: number, end: number) => {
      failed.push(line.toString('latin1', start, end))
    },
  }
  const { blocks: text } = blocks()
  const reader = new TextReader({ tag: 't', sec: 0, nsec: 0, answer: { status: 201, body: '' } }, lines)
  for (const offset of [0, 3]) {
    const body = Buffer.from(`${' '.repeat(offset)}a\nb\nc`)
    reader.begin(body, offset, body.length)
    reader.read(text)
  }
  expect(failed).toEqual(['a', 'b', 'c'])
})
