import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { readWal } from '../../../src/store/repair/wal.ts'
import { Bench, row } from '../../contract/offset-store/bench.ts'
import { tmp } from '../../support/tmp.ts'

const HEADER = 32
const FRAME_HEAD = 24

/** Returns a write-ahead log of SQLite with several commits. */
async function logOf(): Promise<Buffer> {
  const bench = new Bench(tmp(), 'bun:sqlite')
  const store = await bench.open()
  for (let n = 1; n < 5; n++) store.write({ upsert: [row(n)], remove: [] })
  const log = readFileSync(`${bench.path}-wal`)
  bench.end()
  return log
}

const log = await logOf()
const pageSize = log.readUInt32BE(8)
const frame = FRAME_HEAD + pageSize
const frames = (log.length - HEADER) / frame

/** Returns the log with a byte of it changed. */
function changed(at: number): Buffer {
  const bytes = Buffer.from(log)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at)
  return bytes
}

test('an intact log has its pages and no damage', () => {
  const { damaged, pages, pageSize: size } = readWal(log)
  expect([damaged, pages.size > 0, size, Number.isInteger(frames)]).toEqual([false, true, pageSize, true])
})

test('any change of the header is damage, and no page is taken from it', () => {
  for (let at = 0; at < HEADER; at++) {
    const { damaged, pages } = readWal(changed(at))
    expect([at, damaged, pages.size]).toEqual([at, true, 0])
  }
})

test('a change of any frame but the last ends the log, and is damage', () => {
  for (let n = 0; n < frames - 1; n++)
    for (const at of [0, 4, 8, 12, 16, 20, FRAME_HEAD, frame - 1])
      expect([n, at, readWal(changed(HEADER + n * frame + at)).damaged]).toEqual([n, at, true])
})

test('a last frame that a crash cut off or spoiled is no damage, and its page is not taken', () => {
  const last = log.length - frame
  const without = readWal(log.subarray(0, last))
  for (const bytes of [log.subarray(0, log.length - 1), changed(last + FRAME_HEAD)]) {
    const { damaged, pages } = readWal(bytes)
    expect([damaged, pages]).toEqual([false, without.pages])
  }
})

test('frames of an earlier use of the file are no part of the log', () => {
  const old = Buffer.from(log.subarray(HEADER))
  for (let at = 8; at < old.length; at += frame) old.writeUInt32BE(1, at)
  const { damaged, pages } = readWal(Buffer.concat([log, old]))
  expect([damaged, pages]).toEqual([false, readWal(log).pages])
})

test('pages of a transaction that was not committed are not taken', () => {
  const open = Buffer.from(log.subarray(0, HEADER + frame))
  // The first commit has several pages: its first frame does not end it.
  expect([open.readUInt32BE(HEADER + 4), readWal(open).pages.size]).toEqual([0, 0])
})

test('a log of big-endian words is read like one of little-endian words', () => {
  const bytes = withChecksums(0x377f0683)
  expect(readWal(bytes)).toEqual(readWal(log))
})

test('a file that only looks like a log but for its first bytes is damage', () => {
  const { damaged, pages } = readWal(withChecksums(0x377f0781))
  expect([damaged, pages.size]).toEqual([true, 0])
})

/** Returns the log with other first bytes, and checksums over big-endian words that fit them. */
function withChecksums(magic: number): Buffer {
  const bytes = Buffer.from(log)
  bytes.writeUInt32BE(magic, 0)
  let [a, b] = [0, 0]
  const sum = (at: number, length: number): void => {
    for (let i = at; i < at + length; i += 8) {
      a = (a + bytes.readUInt32BE(i) + b) >>> 0
      b = (b + bytes.readUInt32BE(i + 4) + a) >>> 0
    }
  }
  const store = (at: number): void => {
    bytes.writeUInt32BE(a, at)
    bytes.writeUInt32BE(b, at + 4)
  }
  sum(0, 24)
  store(24)
  for (let at = HEADER; at < bytes.length; at += frame) {
    sum(at, 8)
    sum(at + FRAME_HEAD, pageSize)
    store(at + 16)
  }
  return bytes
}
