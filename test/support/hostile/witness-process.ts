/**
 * Writes a quiet log and receives it: `bun witness-process.ts FILE`.
 *
 * Prints `listening PORT`, a forward peer that acknowledges everything at once. From then on it appends ten lines a second
 * to FILE, and takes the time of each line from its write until it arrives with the tag `quiet`. Records of other tags are
 * counted by their bytes. Each line on stdin is a command, answered by a line of JSON:
 *   quiet    ends the writing: {written}
 *   summary  {written, arrived, duplicates, maxMs, p99Ms, otherBytes}
 *   next     forgets the times so far
 */
import { appendFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { decode, decodeMulti, encode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { spanOf } from '../../../src/core/msgpack/record.ts'

const EVERY_MS = 100
const path = process.argv[2] ?? ''
const writtenMs: number[] = []
const seen = new Uint8Array(1 << 20)
let delays: number[] = []
let arrived = 0
let duplicates = 0
let otherBytes = 0

const writing = setInterval(() => {
  writtenMs.push(performance.now())
  appendFileSync(path, `${writtenMs.length - 1}\n`)
}, EVERY_MS)

/** Splits the bytes of a connection into frames `[tag, entries, options]`; keeps at most one that is incomplete. */
function receive(socket: Socket): void {
  let parts: Buffer[] = []
  let bytes = 0
  let needed = 1
  socket.on('error', () => socket.destroy())
  socket.on('data', (data: Buffer) => {
    parts.push(data)
    bytes += data.length
    if (bytes < needed) return
    const all = Buffer.concat(parts, bytes)
    let at = 0
    for (let end = frameEnd(all, 0); end > 0; end = at < all.length ? frameEnd(all, at) : 0) {
      take(all.subarray(at, end), socket)
      at = end
    }
    parts = [all.subarray(at)]
    bytes = all.length - at
    needed = neededOf(all, at)
  })
}

function frameEnd(buf: Buffer, at: number): number {
  return skip(buf, at, buf.length)
}

/** Returns the number of bytes without which the frame at `at` is incomplete. */
function neededOf(buf: Buffer, at: number): number {
  const entries = at < buf.length ? skip(buf, at + 1, buf.length) : -1
  const span = entries < 0 || entries + 5 > buf.length ? undefined : spanOf(buf, entries)
  return span === undefined ? 1 : Math.max(span.end - at, buf.length - at + 1)
}

function take(frame: Buffer, socket: Socket): void {
  const entriesAt = skip(frame, 1, frame.length)
  const span = spanOf(frame, entriesAt)
  if (span === undefined) throw new Error('the agent sends PackedForward')
  const options = decode(frame.subarray(span.end)) as { chunk: string }
  const tag = decode(frame.subarray(1, entriesAt))
  if (tag === 'quiet') note(frame.subarray(span.start, span.end))
  else otherBytes += frame.length
  socket.write(encode({ ack: options.chunk }))
}

function note(entries: Buffer): void {
  const nowMs = performance.now()
  for (const [, record] of decodeMulti(entries) as Iterable<[unknown, { log: string }]>) {
    const n = Number(record.log)
    if (seen[n] === 1) duplicates++
    else {
      seen[n] = 1
      arrived++
      delays.push(nowMs - (writtenMs[n] ?? 0))
    }
  }
}

function summary(): object {
  const sorted = delays.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? -1)
  return { written: writtenMs.length, arrived, duplicates, maxMs: at(1), p99Ms: at(0.99), otherBytes }
}

function answer(command: string): object {
  if (command === 'quiet') clearInterval(writing)
  else if (command === 'next') delays = []
  return summary()
}

const server = createServer(receive)
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`)
})
let pending = ''
process.stdin.setEncoding('utf8').on('data', (text: string) => {
  const lines = (pending + text).split('\n')
  pending = lines.pop() ?? ''
  for (const line of lines) process.stdout.write(`${JSON.stringify(answer(line))}\n`)
})
process.stdin.on('end', () => process.exit(0))
