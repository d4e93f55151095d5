/**
 * A relay with `storage.type filesystem` next to one without: forward in, forward out.
 *
 *   bun bench/buffered-relay.ts [--binary PATH] [--runs 3] [NAME ...]      names of rows, default: all
 *
 * Sender and peers are in this process. Of the runs of a row the one with the least CPU time counts; MB are those of the entries that
 * were sent, however many outputs get them. `written` is what the agent has caused to be written to disk.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Socket } from 'bun'
import { connected, freePorts } from '../test/support/ports.ts'
import { until } from '../test/support/until.ts'
import { Child, median, memoryOf, sleep } from './measure.ts'
import { Sink } from './sink.ts'

interface Row {
  storage: 'memory' | 'filesystem'
  /** What each peer does: it answers, after a time in ms; accepts and never answers; or refuses connections. */
  peers: ('prompt' | 'hangs' | 'down' | number)[]
  messages: number
  /** Size of the entries of a message, in records of 1 kB. */
  records: number
  /** Messages that wait for their acks at most. */
  window: number
  tags?: number
  /** The peers that are down come up in the end, and get everything. */
  drains?: boolean
  /** The input is a file instead. */
  tails?: boolean
}

interface Result {
  seconds: number
  cpuMs: number
  mb: number
  writtenMb: number
  rssMb: number
  peakRssMb: number
  ackMs: number
  note: string
}

const healthy = { messages: 2000, records: 200, window: 16 }
const ROWS: Record<string, Omit<Row, 'storage'>> = {
  'one output': { ...healthy, peers: ['prompt'] },
  'two outputs': { ...healthy, peers: ['prompt', 'prompt'] },
  'three outputs': { ...healthy, peers: ['prompt', 'prompt', 'prompt'] },
  '200 tags, 2 kB': { messages: 40_000, records: 2, window: 256, tags: 200, peers: ['prompt'] },
  'answers after 20 ms': { ...healthy, peers: [20] },
  'answers after 100 ms': { ...healthy, messages: 600, peers: [100] },
  'after 100 ms, and a prompt one': { ...healthy, messages: 600, peers: [100, 'prompt'] },
  'acks one by one, after 100 ms': { messages: 30, records: 10, window: 1, peers: [100] },
  'acks one by one': { messages: 1000, records: 10, window: 1, peers: ['prompt'] },
  tail: { ...healthy, peers: ['prompt'], tails: true },
  'one down': { ...healthy, peers: ['prompt', 'down'] },
  'one hangs': { ...healthy, peers: ['prompt', 'hangs'] },
  'all down': { ...healthy, peers: ['down'] },
  'drain of 1 GB': { ...healthy, messages: 5000, peers: ['down'], drains: true },
  idle: { messages: 0, records: 1, window: 1, peers: ['prompt'] },
}
const ACK_BYTES = 32
const RECORD = Buffer.concat([
  Buffer.from([0x92, 0xce, 0x65, 0x53, 0xf1, 0x00, 0x81, 0xa3]),
  Buffer.from('log'),
  Buffer.from([0xda, 1000 >> 8, 1000 & 255]),
  Buffer.alloc(1000, 'x'),
])

/** Sends messages, at most `window` of them without an ack. */
class Sender {
  readonly delaysMs: number[] = []
  acked = 0
  #sent = 0
  readonly #sentMs: number[] = []
  #ackBytes = 0
  #unsent: Buffer[] = []
  readonly #entries: Buffer
  readonly #row: Row
  #socket: Socket | undefined

  constructor(row: Row) {
    this.#row = row
    this.#entries = Buffer.concat(Array.from({ length: row.records }, () => RECORD))
  }

  async start(port: number): Promise<void> {
    const data = (_: Socket, bytes: Buffer) => this.#data(bytes.length)
    const socket = { data, drain: () => this.#write() }
    this.#socket = await Bun.connect({ hostname: '127.0.0.1', port, socket })
    this.#send()
  }

  /** All acks have one length. */
  #data(bytes: number): void {
    this.#ackBytes += bytes
    for (; this.#ackBytes >= ACK_BYTES; this.#ackBytes -= ACK_BYTES)
      this.delaysMs.push(performance.now() - (this.#sentMs[this.acked++] as number))
    this.#send()
  }

  #send(): void {
    const { messages, window, tags = 1 } = this.#row
    while (this.#sent < messages && this.#sent - this.acked < window) {
      const size = this.#entries.length
      const tag = `t${String(this.#sent % tags).padStart(3, '0')}`
      const head = Buffer.from([0x93, 0xa4, ...Buffer.from(tag), 0xc6, 0, 0, 0, 0])
      head.writeUInt32BE(size, head.length - 4)
      const id = String(this.#sent).padStart(ACK_BYTES - 6, '0')
      const records = this.#row.records
      const option = Buffer.from(`\x82\xa5chunk\xba${id}\xa4size\xcd`, 'latin1')
      this.#unsent.push(head, this.#entries, option, Buffer.from([records >> 8, records & 255]))
      this.#sentMs[this.#sent++] = performance.now()
    }
    this.#write()
  }

  #write(): void {
    while (this.#unsent.length > 0) {
      const buf = this.#unsent[0] as Buffer
      const taken = Math.max(0, this.#socket?.write(buf) ?? 0)
      if (taken < buf.length) {
        this.#unsent[0] = buf.subarray(taken)
        return
      }
      this.#unsent.shift()
    }
  }

  close(): void {
    this.#socket?.terminate()
  }
}

async function run(command: string[], row: Row): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  const ports = await freePorts(row.peers.length + 1)
  const sinks = row.peers.map((peer, i) =>
    peer === 'down' ? undefined : sinkOf(peer, ports[i + 1] as number),
  )
  const file = join(folder, 'in.log')
  if (row.tails === true) writeFileSync(file, `${'x'.repeat(999)}\n`.repeat(row.messages * row.records))
  const conf = join(folder, 'relay.conf')
  writeFileSync(conf, configuration(row, ports, folder, file))
  const child = new Child([...command, '-c', conf])
  const sender = new Sender(row)
  try {
    const { pid } = child
    if (row.tails !== true)
      await until(() => connected(ports[0] as number), { limitMs: 20_000, everyMs: 20, what: 'the relay' })
    if (row.messages === 0) await sleep(5000)
    let before = used(pid)
    let startedMs = performance.now()
    const total = row.messages * row.records
    const got = (which: (peer: Row['peers'][number]) => boolean) =>
      sinks.every((sink, i) => !which(row.peers[i] ?? 'down') || (sink?.summary.records ?? 0) >= total)
    const wait = { limitMs: 150_000, everyMs: 5, what: 'the records' }
    if (row.tails !== true && row.messages > 0) await sender.start(ports[0] as number)
    await until(
      () =>
        (row.tails === true || sender.acked === row.messages) &&
        got((peer) => peer !== 'down' && peer !== 'hangs'),
      wait,
    )
    let note = ''
    if (row.drains === true) {
      const { seconds, cpuMs } = since(before, startedMs, pid)
      note = `stored in ${seconds.toFixed(1)} s, ${cpuMs} ms of CPU`
      before = used(pid)
      startedMs = performance.now()
      for (const [i, peer] of row.peers.entries())
        if (peer === 'down') sinks[i] = new Sink('count', ports[i + 1])
      await until(() => got(() => true), wait)
    }
    const { seconds, cpuMs, writtenMb } = since(before, startedMs, pid)
    const { rssMb } = memoryOf(pid)
    const { peakRssMb } = await child.stop()
    const mb = (total * RECORD.length) / 1e6
    return { seconds, cpuMs, mb, writtenMb, rssMb, peakRssMb, ackMs: median(sender.delaysMs), note }
  } catch (error) {
    throw new Error(`${String(error)}\n${child.stderr}`)
  } finally {
    sender.close()
    child.kill('SIGKILL')
    for (const sink of sinks) sink?.close()
    rmSync(folder, { recursive: true })
  }
}

function sinkOf(peer: Exclude<Row['peers'][number], 'down'>, port: number): Sink {
  const sink = new Sink('count', port)
  if (peer === 'hangs') sink.ackAfterMs = Number.POSITIVE_INFINITY
  else if (peer !== 'prompt') sink.ackAfterMs = peer
  return sink
}

function configuration(row: Row, [port, ...peers]: number[], folder: string, file: string): string {
  const input =
    row.tails === true
      ? `name tail\npath ${file}\nread_from_head on\ndb ${join(folder, 'db')}`
      : `name forward\nport ${port}\nlisten 127.0.0.1`
  const outputs = peers.map(
    (to) => `[OUTPUT]\nname forward\nmatch *\nhost 127.0.0.1\nport ${to}\nretry_limit no_limits`,
  )
  const service = `[SERVICE]\nflush 0.2\nstorage.path ${join(folder, 'buffer')}`
  return indented([service, `[INPUT]\n${input}\nstorage.type ${row.storage}`, ...outputs].join('\n'))
}

function indented(text: string): string {
  return `${text.replace(/^(?!\[)/gm, '  ')}\n`
}

interface Used {
  cpuMs: number
  writtenMb: number
}

/** What all threads of a process have used so far, those that have ended included. */
function used(pid: number): Used {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const written = /^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * 10, writtenMb: Number(written) / 1e6 }
}

function since(before: Used, startedMs: number, pid: number): Used & { seconds: number } {
  const now = used(pid)
  return {
    seconds: (performance.now() - startedMs) / 1000,
    cpuMs: now.cpuMs - before.cpuMs,
    writtenMb: now.writtenMb - before.writtenMb,
  }
}

function report(name: string, storage: string, r: Result): void {
  const cells = [
    name.padEnd(31),
    storage.padEnd(11),
    `${(r.mb / r.seconds).toFixed(0).padStart(5)} MB/s`,
    `${(r.mb === 0 ? 0 : r.cpuMs / r.mb).toFixed(2).padStart(6)} ms/MB`,
    `${((100 * r.writtenMb) / Math.max(1, r.mb)).toFixed(0).padStart(4)}% written`,
    `ack ${r.ackMs.toFixed(1).padStart(6)} ms`,
    `RSS ${r.rssMb.toFixed(0)}, peak ${r.peakRssMb.toFixed(0)} MB`,
    r.note,
  ]
  console.log(cells.join('  '))
}

const { values, positionals } = parseArgs({
  options: { binary: { type: 'string' }, runs: { type: 'string', default: '3' } },
  allowPositionals: true,
})
const binary = resolve(values.binary ?? join(import.meta.dirname, '../dist/shipper-linux-x64'))
for (const [name, row] of Object.entries(ROWS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  // Without a buffer the sender waits as long as an output takes nothing.
  const holds = row.peers.some((peer) => peer === 'down' || peer === 'hangs')
  for (const storage of holds ? (['filesystem'] as const) : (['memory', 'filesystem'] as const)) {
    let best: Result | undefined
    for (let i = 0; i < Number(values.runs); i++) {
      const result = await run([binary], { ...row, storage })
      if (best === undefined || result.cpuMs < best.cpuMs) best = result
    }
    if (best !== undefined) report(name, storage, best)
  }
}
