import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import type { Damage } from '../../../src/lib/segments/types.ts'
import { shortOrLong } from '../../support/long.ts'
import {
  type Files,
  filesIn,
  openLog,
  stateAt,
  textChunk,
  textsOf,
  writeFiles,
} from '../../support/segments/logs.ts'
import { tmp } from '../../support/tmp.ts'

const original = { ...systemCalls }
// Thousands of logs are opened here, and nothing is checked that needs the disk.
beforeAll(() => void Object.assign(systemCalls, { fdatasyncSync: () => {} }))
afterAll(() => void Object.assign(systemCalls, original))

interface Entry {
  text: string
  count: number
  outputs: string[]
}

const ENTRIES: Entry[] = [
  { text: 'first '.repeat(9), count: 3, outputs: ['a', 'b'] },
  { text: 'second', count: 1, outputs: ['a'] },
  { text: 'third '.repeat(5), count: 2, outputs: ['b'] },
  { text: 'fourth '.repeat(4), count: 7, outputs: ['a', 'b'] },
  { text: 'fifth', count: 5, outputs: ['a'] },
  { text: '', count: 4, outputs: ['b'] },
]
const FIRST = '00000000000000000001.seg'
const LAST = '00000000000000000002.seg'

/** Returns the files of a log whose first segment is closed, and whose process was killed after it had synced the second one. */
async function smallLog(): Promise<{ files: Files; ends: number[] }> {
  const folder = tmp()
  const before = openLog(folder)
  for (const { text, count, outputs } of ENTRIES.slice(0, 3))
    before.log.append(textChunk(text, { count }), outputs)
  await before.log.close()
  const { log } = openLog(folder)
  const ends = ENTRIES.slice(3).map(
    ({ text, count, outputs }) => log.append(textChunk(text, { count }), outputs).next.offset,
  )
  await log.sync()
  const files = filesIn(folder)
  await log.close()
  return { files, ends }
}

interface Result {
  texts: Record<string, string[]>
  damage: Damage[]
  lines: string[]
}

async function readLog(files: Files, folder: string): Promise<Result> {
  writeFiles(folder, files)
  const { log, damage, lines } = openLog(folder)
  const texts = { a: textsOf(log, 'a'), b: textsOf(log, 'b') }
  await log.close()
  return { texts, damage, lines }
}

const expected = (output: string, entries = ENTRIES): string[] =>
  entries.filter(({ outputs }) => outputs.includes(output)).map(({ text }) => text)

/** Throws unless what was read is part of what was written, in its order, and the rest was counted. */
function checkCounted({ texts, damage }: Result, where: string): 'exact' | 'unknown' {
  const found = new Set<Entry>()
  for (const output of ['a', 'b']) {
    let at = 0
    for (const text of texts[output] as string[]) {
      const next = ENTRIES.findIndex(
        (entry, i) => i >= at && entry.text === text && entry.outputs.includes(output),
      )
      if (next < 0)
        throw new Error(
          `${where}: ${output} got ${JSON.stringify(text)}, of ${JSON.stringify(texts[output])}`,
        )
      found.add(ENTRIES[next] as Entry)
      at = next + 1
    }
  }
  // An entry is found for both of its outputs or for none.
  for (const entry of found)
    for (const output of entry.outputs)
      if (!texts[output]?.includes(entry.text))
        throw new Error(`${where}: ${output} has not got ${entry.text}`)
  const missing = ENTRIES.reduce((sum, entry) => sum + (found.has(entry) ? 0 : entry.count), 0)
  const lost = damage.reduce((sum, { records }) => sum + (records ?? 0), 0)
  const isExact = damage.every(({ records }) => records !== undefined)
  if (isExact ? lost !== missing : lost > missing)
    throw new Error(`${where}: ${missing} records are missing, reported are ${JSON.stringify(damage)}`)
  return isExact ? 'exact' : 'unknown'
}

const BITS = [0, 1, 2, 3, 4, 5, 6, 7]

describe('a log that was cut', () => {
  test('at any byte of the segment of a killed process has all chunks before it, and reports nothing', async () => {
    const { files, ends } = await smallLog()
    const last = files.get(LAST) as Buffer
    const folder = tmp()
    for (let size = 0; size <= last.length; size++) {
      const result = await readLog(new Map([...files, [LAST, last.subarray(0, size)]]), folder)
      const count = 3 + ends.filter((end) => end <= size).length
      const left = ENTRIES.slice(0, count)
      expect([size, result.texts, result.damage]).toEqual([
        size,
        { a: expected('a', left), b: expected('b', left) },
        [],
      ])
    }
  })

  test('at any byte of a segment before the last one counts what is missing', async () => {
    const { files } = await smallLog()
    const first = files.get(FIRST) as Buffer
    const folder = tmp()
    for (let size = 0; size <= first.length; size++) {
      const result = await readLog(new Map([...files, [FIRST, first.subarray(0, size)]]), folder)
      // Without a header nothing tells which records the segment began with.
      const isExact = checkCounted(result, `cut at ${size}`) === 'exact'
      if (size > 200) expect([size, isExact]).toEqual([size, true])
    }
  })

  test.each([1, 40, 512, 5000])(
    'with %d bytes of zeros after its end, as a power failure leaves it, reports nothing',
    async (zeros) => {
      const { files } = await smallLog()
      const last = files.get(LAST) as Buffer
      const result = await readLog(
        new Map([...files, [LAST, Buffer.concat([last, Buffer.alloc(zeros)])]]),
        tmp(),
      )
      expect(result).toMatchObject({ texts: { a: expected('a'), b: expected('b') }, damage: [] })
    },
  )
})

describe('a log with a flipped bit', () => {
  test.each([FIRST, LAST])('anywhere in %s has every record, or counts it as lost', async (name) => {
    const { files } = await smallLog()
    const content = files.get(name) as Buffer
    const folder = tmp()
    const unknown: number[] = []
    for (let at = 0; at < content.length; at++) {
      for (const bit of shortOrLong([at % 8], BITS)) {
        const flipped = Buffer.from(content)
        flipped[at] = (flipped[at] as number) ^ (1 << bit)
        const result = await readLog(new Map([...files, [name, flipped]]), folder)
        if (checkCounted(result, `${name}, byte ${at}, bit ${bit}`) === 'unknown') unknown.push(at)
        // Each damaged part costs one chunk at most.
        if (result.damage.length > 1) throw new Error(`byte ${at}: ${JSON.stringify(result.damage)}`)
      }
    }
    // Only after the head of the last chunk of all nothing tells.
    const tail = name === LAST ? content.length - 120 : content.length
    expect(unknown.filter((at) => at < tail)).toEqual([])
  })

  test('in the state of an output sends again at most, and leaves nothing out', async () => {
    const folder = tmp()
    const before = openLog(folder)
    const stored = ENTRIES.map(({ text, count, outputs }) =>
      before.log.append(textChunk(text, { count }), outputs),
    )
    await before.log.sync()
    before.log.commit(
      new Map([
        ['a', stateAt(stored[3]!.at, [stored[0]!.at])],
        ['b', stateAt(stored[5]!.next)],
      ]),
    )
    await before.log.close()
    const files = filesIn(folder)
    const name = [...files.keys()].find((each) => each.startsWith('a.')) as string
    const content = files.get(name) as Buffer
    const used = [...content.keys()].filter((at) => content[at] !== 0)
    for (const at of [...used, 300, 66_000, 140_000].filter((at) => at < content.length)) {
      const flipped = Buffer.from(content)
      flipped[at] = (flipped[at] as number) ^ 4
      writeFiles(folder, new Map([...files, [name, flipped]]))
      const { log, lines } = openLog(folder)
      const state = log.stateOf('a')
      const isKept =
        state?.position.offset === stored[3]!.at.offset && state.open[0]?.offset === stored[0]!.at.offset
      // Of two slots the other one is left: the state in which the output was before.
      const isOlder = state?.position.segment === 1
      expect([at, isKept || state?.position.offset === 0, lines.length]).toEqual([at, true, isOlder ? 0 : 1])
      await log.close()
    }
  })
})

describe('a last segment without headers', () => {
  const emptied = async (bytes: number): Promise<Result & { names: string[] }> => {
    const { files } = await smallLog()
    const last = Buffer.concat([files.get(LAST) as Buffer, Buffer.alloc(9000, 1)])
    const folder = tmp()
    const result = await readLog(
      new Map([...files, [LAST, last.fill(0, 0, Math.min(bytes, last.length))]]),
      folder,
    )
    return { ...result, names: [...filesIn(folder).keys()] }
  }

  test('is damage when something follows them, as it may have been acknowledged', async () => {
    const { damage, names } = await emptied(4096)
    expect(damage).toMatchObject([{ offset: 0, reason: 'the header of the file is damaged' }])
    expect(names).toContain(`${LAST}.damaged`)
  })

  test('has never begun when all of it is zero', async () => {
    const { damage, names } = await emptied(Number.POSITIVE_INFINITY)
    expect(damage).toEqual([])
    expect(names).not.toContain(LAST)
    expect(names).not.toContain(`${LAST}.damaged`)
  })
})
