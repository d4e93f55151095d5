import { describe, expect, test } from 'bun:test'
import { appendFileSync, openSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Descriptor } from '../../../../../src/plugins/inputs/tail/file/descriptor.ts'
import { GZIP_QUIET_MS, GzipSource } from '../../../../../src/plugins/inputs/tail/file/gzip-source.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

const LINES = Array.from({ length: 20_000 }, (_, i) => `line ${(i * 7919) % 100_003}\n`).join('')

/** Returns a source of `content`, with its clock and the events that it reported. */
function sourceOf(content: Buffer) {
  const path = join(tmp(), 'a.log.gz')
  writeFileSync(path, content)
  const fd = openSync(path, 'r')
  const clock = new ManualClock(Date.now())
  const reported: string[] = []
  const source = new GzipSource(new Descriptor(fd), { offset: 0, memberAt: 0 }, content.length, clock, {
    onMore: () => {},
    onDamaged: (reason, from, size) => void reported.push(`damaged ${reason} ${from}-${size}`),
    onRepaired: () => void reported.push('repaired'),
    onGarbage: (from, bytes) => void reported.push(`garbage ${from}+${bytes}`),
    onPlain: () => void reported.push('plain'),
  })
  atEnd(() => source.close())
  let position = 0
  const buf = Buffer.alloc(65_536)
  let text = ''
  /** Reads what is available now. */
  const readOn = (): string => {
    for (;;) {
      const n = source.read(buf, 0, buf.length, position) as number
      if (n === 0) return text
      text += buf.toString('latin1', 0, n)
      position += n
    }
  }
  const look = (): void => source.look(statSync(path, { bigint: true }))
  return { path, source, clock, reported, readOn, look }
}

/** Waits until nothing more is inflated. */
async function inflated(source: { readOn: () => string }, length: number): Promise<void> {
  await until(() => source.readOn().length >= length)
}

describe('a .gz that ends within a member', () => {
  const file = gzipSync(LINES)
  const half = file.subarray(0, file.length / 2)

  test('is damaged only when it has not been changed for the quiet time', async () => {
    const made = sourceOf(half)
    await inflated(made, 1)
    await until(() => made.clock.waiting === 1)
    made.clock.advance(GZIP_QUIET_MS / 2)
    appendFileSync(made.path, file.subarray(half.length, half.length + 1000))
    const before = made.readOn().length
    made.look()
    await until(() => made.readOn().length > before && made.clock.waiting === 1)
    expect([made.source.complete, made.reported]).toEqual([false, []])
    utimesSync(made.path, new Date(made.clock.nowMs()), new Date(made.clock.nowMs()))
    made.clock.advance(GZIP_QUIET_MS - 1)
    expect(made.reported).toEqual([])
    made.clock.advance(GZIP_QUIET_MS)
    await until(() => made.source.complete)
    const end = half.length + 1000
    expect(made.reported).toEqual([`damaged it ends too early ${end}-${end}`])
    expect(LINES.startsWith(made.readOn())).toBe(true)
  })

  test('has no timer and inflates nothing once it counts as damaged, until it changes', async () => {
    const made = sourceOf(half)
    utimesSync(made.path, 0, 0)
    await until(() => made.clock.waiting === 1)
    made.clock.advance(GZIP_QUIET_MS)
    await until(() => made.source.complete)
    made.look()
    made.readOn()
    expect([made.clock.waiting, made.source.complete, made.reported.length]).toEqual([0, true, 1])
    appendFileSync(made.path, file.subarray(half.length))
    made.look()
    await inflated(made, LINES.length)
    await until(() => made.source.complete)
    expect([made.readOn() === LINES, made.reported.at(-1)]).toEqual([true, 'repaired'])
  })
})

test('data before corrupt data is sent, and the damage is located', async () => {
  const file = Buffer.from(gzipSync(LINES, { level: 0 }))
  // Makes the length of a stored block disagree with its complement.
  const second = 10 + 5 + file.readUInt16LE(11)
  file.writeUInt16LE(1, second + 3)
  const made = sourceOf(file)
  await until(() => made.clock.waiting === 1)
  made.clock.advance(GZIP_QUIET_MS)
  await until(() => made.clock.waiting === 1 && !made.source.complete)
  made.clock.advance(GZIP_QUIET_MS)
  await until(() => made.source.complete)
  const [, , from] = /damaged (.*) (\d+)-/.exec(made.reported[0] ?? '') ?? []
  expect(Number(from)).toBeGreaterThan(second - 16)
  expect(Number(from)).toBeLessThanOrEqual(second + 5)
  const text = made.readOn()
  expect(LINES.startsWith(text)).toBe(true)
  expect(second - 15 - text.length).toBeLessThan(16)
})

test('a member with a wrong checksum or size is damaged from its start on, though its data is sent', async () => {
  for (const wrong of [8, 4]) {
    const [first, second] = [gzipSync('one\n'), Buffer.from(gzipSync(LINES))]
    second.writeUInt32LE(1, second.length - wrong)
    const file = Buffer.concat([first, second])
    const made = sourceOf(file)
    utimesSync(made.path, 0, 0)
    await until(() => made.clock.waiting === 1)
    made.clock.advance(GZIP_QUIET_MS)
    await until(() => made.clock.waiting === 1 && !made.source.complete)
    made.clock.advance(GZIP_QUIET_MS)
    await until(() => made.source.complete)
    const reason = wrong === 8 ? 'checksum' : 'size'
    expect(made.reported).toEqual([`damaged the ${reason} is wrong ${first.length}-${file.length}`])
    expect(made.readOn()).toBe(`one\n${LINES}`)
  }
})

test('members appended one by one are read, and reading can resume at each of their ends', async () => {
  const made = sourceOf(gzipSync('one\n'))
  await until(() => made.source.complete)
  expect(made.readOn()).toBe('one\n')
  let text = 'one\n'
  for (const line of ['two\n', 'three\n', 'four\n']) {
    appendFileSync(made.path, gzipSync(line))
    made.look()
    expect(made.source.complete).toBe(false)
    text += line
    await inflated(made, text.length)
    await until(() => made.source.complete)
    expect(made.readOn()).toBe(text)
    const size = statSync(made.path).size
    expect(made.source.resumePoint(text.length)).toEqual({ offset: size, streamOffset: text.length })
    expect(made.source.resumePoint(2)).toEqual({ offset: 0, streamOffset: 2 })
  }
})

test('a member that inflates to a thousand times its size waits for the reader', async () => {
  const made = sourceOf(gzipSync(Buffer.alloc(200e6, 'a')))
  const buf = Buffer.alloc(1000)
  let read = 0
  await until(() => {
    const n = made.source.read(buf, 0, buf.length, 0) as number
    read = Math.max(read, n)
    return read === 1000
  })
  const before = process.memoryUsage().rss
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(process.memoryUsage().rss - before).toBeLessThan(50e6)
  expect(made.source.complete).toBe(false)
})

test.each([
  ['zeros', Buffer.alloc(700), []],
  ['garbage', Buffer.from('not gzip'), ['garbage']],
])('%s after the last member are no damage', async (_, tail, kinds) => {
  const made = sourceOf(Buffer.concat([gzipSync('one\n'), tail]))
  await until(() => made.source.complete)
  expect([made.readOn(), made.reported.map((text) => text.split(' ')[0])]).toEqual(['one\n', kinds])
})
