/**
 * A forward peer that runs as a process, for the e2e tests and the benchmark.
 *
 *   bun test/support/forward/sink-process.ts [--port N] [--host A] [--unix PATH]
 *       [--mode count|lines|series|discard|times]
 *
 * Prints `listening PORT` on stdout when it is ready. Each line on stdin is a command, answered by one line of
 * JSON:
 *   summary         counts of what was received: {bytes, records, chunks, connections, open, duplicateChunks,
 *                   duplicateChunkRecords}; in mode `lines` also {distinct, duplicates, min, max, disorder};
 *                   in mode `times` {times: [ms, ...]} of the chunks
 *   missing N       how many numbers below N were not seen, and the first 20 of them: {missing, first: [...]}
 *   ack on|off      acknowledge chunks or not
 *   read on|off     resume or pause reading on all sockets
 *   accept on|off   listen on the same port again, or close the listening socket and all connections
 *   close-after N   close each connection after N bytes; 0 cancels that
 *   kill PID N      mode `lines`: send SIGKILL to the process when N distinct lines have arrived; 0 0 cancels
 *                   that
 *   garbage         answer the next chunk with bytes that are not an ack
 *   reset           clear all counts
 *   series, mark    mode `series`: `summary` and `mark` of SeriesCount in test/support/forward/series.ts
 *   run             mode `series`: new connections belong to another run of the sender
 * Exits when stdin ends.
 *
 * `count` skips over frames by their lengths and never reads records: more than 1 GB/s on one core. `lines`
 * takes the first run of digits of each `log` value as the number of the line. `disorder` counts first arrivals
 * of a number that is lower than one seen before.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { spanOf } from '../../../src/core/msgpack/record.ts'
import { freePorts } from '../ports.ts'
import { type Arrival, SeriesCount } from './series.ts'

const args = parseArgs(process.argv.slice(2))
const mode = args.mode ?? 'count'
const LOG_KEY = Buffer.from('\xa3log', 'latin1')

let acking = true
let reading = true
let closeAfter = 0
let garbage = false
/** Process to kill, and the number of distinct lines at which it is killed. */
let kill = { pid: 0, at: 0 }
let stats = newStats()
let seen = new Uint8Array(1 << 20)
const series = new SeriesCount()
/** Run of the sender that new connections belong to, and the last run in which each chunk arrived. */
let run = 1
const runOfChunk = new Map<string, number>()
const sockets = new Set<Socket>()
let server: Server

function newStats() {
  return {
    bytes: 0,
    records: 0,
    chunks: 0,
    connections: 0,
    duplicateChunks: 0,
    /** Records of chunks whose id was seen before: equal to `duplicates` when ids are stable. */
    duplicateChunkRecords: 0,
    distinct: 0,
    duplicates: 0,
    min: Number.POSITIVE_INFINITY,
    max: -1,
    disorder: 0,
    ids: new Set<string>(),
    times: [] as number[],
  }
}

/** Splits the bytes of one connection into frames; buffers at most one incomplete frame. */
class Connection {
  #parts: Buffer[] = []
  #bufferedBytes = 0
  #neededBytes = 1
  #receivedBytes = 0
  readonly #socket: Socket
  readonly #run = run

  constructor(socket: Socket) {
    this.#socket = socket
  }

  push(data: Buffer): void {
    stats.bytes += data.length
    this.#receivedBytes += data.length
    if (closeAfter > 0 && this.#receivedBytes >= closeAfter) {
      this.#socket.destroy()
      return
    }
    if (mode === 'discard') return
    this.#parts.push(data)
    this.#bufferedBytes += data.length
    if (this.#bufferedBytes < this.#neededBytes) return
    const all = this.#parts.length === 1 ? data : Buffer.concat(this.#parts, this.#bufferedBytes)
    let at = 0
    for (;;) {
      const frame = frameAt(all, at)
      if (typeof frame === 'number') {
        this.#neededBytes = Math.max(frame, all.length - at + 1)
        break
      }
      this.#take(all, frame)
      at = frame.end
    }
    const rest = all.subarray(at)
    this.#parts = rest.length === 0 ? [] : [rest]
    this.#bufferedBytes = rest.length
  }

  #take(buf: Buffer, frame: Frame): void {
    stats.chunks++
    const recordsBefore = stats.records
    if (mode === 'times') stats.times.push(Date.now())
    if (mode === 'lines' || mode === 'series') countLines(entriesOf(buf, frame), this.#arrival(frame))
    else stats.records += frame.size >= 0 ? frame.size : countRecords(entriesOf(buf, frame))
    if (frame.id === undefined) return
    if (mode !== 'count') {
      if (stats.ids.has(frame.id)) {
        stats.duplicateChunks++
        stats.duplicateChunkRecords += stats.records - recordsBefore
      }
      stats.ids.add(frame.id)
    }
    if (garbage) {
      garbage = false
      this.#socket.write(Buffer.from('HTTP/1.1 400 no\r\n\r\n'))
    } else if (acking) this.#socket.write(ack(frame.id))
  }

  #arrival({ id = '' }: Frame): Arrival {
    const resent = runOfChunk.get(id) === this.#run
    if (mode === 'series') runOfChunk.set(id, this.#run)
    return { run: this.#run, resent }
  }
}

interface Frame {
  end: number
  payload: { start: number; end: number }
  id: string | undefined
  size: number
  compressed: string | undefined
}

/** Returns the frame at `at`, or the minimum number of bytes from `at` that it needs. */
function frameAt(buf: Buffer, at: number): Frame | number {
  const items = (buf[at] as number) & 15
  const payloadAt = skip(buf, at + 1, buf.length)
  if (payloadAt < 0 || payloadAt + 5 > buf.length) return 1
  const payload = spanOf(buf, payloadAt)
  if (payload === undefined) throw new Error('only PackedForward is supported')
  if (payload.end > buf.length) return payload.end - at
  const frame: Frame = { end: payload.end, payload, id: undefined, size: -1, compressed: undefined }
  if (items < 3) return frame
  const end = skip(buf, payload.end, buf.length)
  if (end < 0) return payload.end - at + 1
  readOptions(buf, payload.end, end, frame)
  frame.end = end
  return frame
}

function readOptions(buf: Buffer, start: number, end: number, frame: Frame): void {
  let at = start + 1
  while (at < end) {
    const value = skip(buf, at, end)
    const key = textAt(buf, at)
    if (key === 'chunk') frame.id = textAt(buf, value)
    else if (key === 'compressed') frame.compressed = textAt(buf, value)
    else if (key === 'size') frame.size = buf[value] === 0xce ? buf.readUInt32BE(value + 1) : -1
    at = skip(buf, value, end)
  }
}

function textAt(buf: Buffer, at: number): string {
  const span = spanOf(buf, at)
  return span === undefined ? '' : buf.toString('latin1', span.start, span.end)
}

function entriesOf(buf: Buffer, frame: Frame): Buffer {
  const raw = buf.subarray(frame.payload.start, frame.payload.end)
  if (frame.compressed === 'gzip') return gunzipSync(raw)
  if (frame.compressed === 'zstd') return zstdDecompressSync(raw)
  return raw
}

function countRecords(entries: Buffer): number {
  let n = 0
  for (let at = 0; at < entries.length; n++) at = skip(entries, at, entries.length)
  return n
}

function countLines(entries: Buffer, arrival: Arrival): void {
  let at = 0
  while (at < entries.length) {
    const end = skip(entries, at, entries.length)
    if (end < 0) throw new Error('an entry is cut off')
    const key = entries.indexOf(LOG_KEY, at)
    const span = key >= 0 && key < end ? spanOf(entries, key + LOG_KEY.length) : undefined
    if (span !== undefined) {
      const n = firstNumber(entries, span.start, span.end)
      if (mode === 'series') series.count(n, entries, span, arrival)
      else countNumber(n)
    }
    stats.records++
    at = end
  }
}

function firstNumber(buf: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && !isDigit(buf[at] as number)) at++
  let n = at < end ? 0 : -1
  while (at < end && isDigit(buf[at] as number)) n = n * 10 + ((buf[at++] as number) - 48)
  return n
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

function countNumber(n: number): void {
  if (n < 0 || n > 1e8) return
  if (n >= seen.length) {
    const larger = new Uint8Array(Math.max(seen.length * 2, n + 1))
    larger.set(seen)
    seen = larger
  }
  if (seen[n] === 0) {
    stats.distinct++
    if (n < stats.max) stats.disorder++
    if (stats.distinct === kill.at) killNow()
  } else stats.duplicates++
  seen[n] = 1
  stats.min = Math.min(stats.min, n)
  stats.max = Math.max(stats.max, n)
}

function killNow(): void {
  try {
    process.kill(kill.pid, 'SIGKILL')
  } catch {
    // The process has exited already.
  }
}

function ack(id: string): Buffer {
  const out = Buffer.alloc(7 + id.length + 1)
  out[0] = 0x81
  out.write('\xa3ack', 1, 'latin1')
  out[5] = 0xd9
  out[6] = id.length
  out.write(id, 7, 'latin1')
  return out.subarray(0, 7 + id.length)
}

function onConnection(socket: Socket): void {
  stats.connections++
  sockets.add(socket)
  const connection = new Connection(socket)
  socket.on('data', (data) => connection.push(data as Buffer))
  socket.on('error', () => socket.destroy())
  socket.on('close', () => sockets.delete(socket))
  if (!reading) socket.pause()
}

function listen(port: number): Promise<number> {
  return new Promise((resolve) => {
    server = createServer(onConnection)
    const ready = () => resolve((server.address() as { port?: number })?.port ?? 0)
    if (args.unix !== undefined) server.listen(args.unix, ready)
    else server.listen(port, args.host ?? '127.0.0.1', ready)
  })
}

async function command(line: string): Promise<object> {
  const [name = '', value = '', second = ''] = line.trim().split(' ')
  if (name === 'summary') return summary()
  if (name === 'missing') return missing(Number(value))
  if (name === 'ack') acking = value === 'on'
  else if (name === 'read') {
    reading = value === 'on'
    for (const socket of sockets) reading ? socket.resume() : socket.pause()
  } else if (name === 'accept') await setAccepting(value === 'on')
  else if (name === 'close-after') closeAfter = Number(value)
  else if (name === 'garbage') garbage = true
  else if (name === 'kill') {
    kill = { pid: Number(value), at: Number(second) }
    if (kill.pid > 0 && stats.distinct >= kill.at) killNow()
  } else if (name === 'series') return series.summary()
  else if (name === 'mark') series.mark()
  else if (name === 'run') await nextRun()
  else if (name === 'reset') {
    stats = newStats()
    seen.fill(0)
  } else return { error: `unknown command: ${line}` }
  return { ok: name }
}

/** Accepts the connections of the old run first. */
async function nextRun(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5))
  run++
}

async function setAccepting(on: boolean): Promise<void> {
  if (on) {
    await listen(port)
    return
  }
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
}

function summary(): object {
  const { ids, times, ...rest } = stats
  const min = Number.isFinite(rest.min) ? rest.min : -1
  return { ...rest, open: sockets.size, min, ...(mode === 'times' ? { times } : {}) }
}

function missing(below: number): object {
  const first: number[] = []
  let count = 0
  for (let n = 0; n < below; n++) {
    if (seen[n] === 1) continue
    count++
    if (first.length < 20) first.push(n)
  }
  return { missing: count, first }
}

function parseArgs(argv: string[]): Record<string, string | undefined> {
  const out: Record<string, string> = {}
  for (let i = 0; i + 1 < argv.length; i += 2) out[(argv[i] as string).slice(2)] = argv[i + 1] as string
  return out
}

// No other process gets it while `accept` is off, as it would one that the system chooses.
const port = await listen(Number(args.port ?? (args.unix === undefined ? (await freePorts(1))[0] : 0)))
process.stdout.write(`listening ${port}\n`)
let pending = ''
process.stdin.setEncoding('utf8')
for await (const text of process.stdin) {
  pending += text
  const lines = pending.split('\n')
  pending = lines.pop() ?? ''
  for (const line of lines) process.stdout.write(`${JSON.stringify(await command(line))}\n`)
}
process.exit(0)
