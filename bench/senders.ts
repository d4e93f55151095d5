/**
 * What the inputs tcp, syslog and udp cost: senders on loopback, and the output null.
 *
 *   bun bench/senders.ts [--binary PATH] [--runs 3] [--mb 200] [--rates 50000,100000,150000] [NAME ...]      names of rows, default: all
 *
 * The senders are in this process, those of datagrams in others. Of the runs of a row the one with the least CPU time counts, without that
 * of the start. Every run checks that what was sent is what became records, and for datagrams what was reported as lost; a row of
 * datagrams has one run for each rate.
 */
import { createConnection, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { freePorts } from '../test/support/ports.ts'
import { until } from '../test/support/until.ts'
import { Child, memoryOf, threadsOf, usedBetween } from './measure.ts'

interface Row {
  input: 'tcp' | 'udp' | 'syslog'
  options: string[]
  message: string
  /** Text in front of each message of a connection. */
  head?: string
  connections?: number
}

const ROOT = resolve(import.meta.dirname, '..')
const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64'
const TEXT = `GET /api/v1/items?page=7 200 took 12.5 ms for user 4711, ${'request '.repeat(12)}`.slice(0, 150)
const JSON_LINE = JSON.stringify({ level: 'info', status: 200, ms: 12.5, user: { id: 4711 }, message: TEXT })
const RFC3164 = `<34>Nov 30 08:18:11 host app[42]: ${TEXT}`
const RFC5424 = `<165>1 2026-11-30T08:18:11.003Z host app 42 ID1 [ex@1 k="v"] ${TEXT}`

const ROWS: Record<string, Row> = {
  'tcp none': { input: 'tcp', options: ['format=none'], message: TEXT },
  'tcp json': { input: 'tcp', options: [], message: JSON_LINE },
  'tcp none, 1,000 senders': { input: 'tcp', options: ['format=none'], message: TEXT, connections: 1000 },
  'syslog RFC 3164': { input: 'syslog', options: ['mode=tcp'], message: RFC3164 },
  'syslog RFC 5424': { input: 'syslog', options: ['mode=tcp'], message: RFC5424 },
  'syslog octet counting': {
    input: 'syslog',
    options: ['mode=tcp'],
    message: RFC5424,
    head: `${RFC5424.length} `,
  },
  'udp none': { input: 'udp', options: ['format=none'], message: TEXT },
  'udp json': { input: 'udp', options: [], message: JSON_LINE },
  'syslog RFC 3164, datagrams': { input: 'syslog', options: ['mode=udp'], message: RFC3164 },
}

const { values, positionals } = parseArgs({
  options: {
    binary: { type: 'string', default: `${ROOT}/dist/shipper-linux-${ARCH}` },
    runs: { type: 'string', default: '3' },
    mb: { type: 'string', default: '200' },
    rates: { type: 'string', default: '50000,100000,150000' },
  },
  allowPositionals: true,
})

const RATE_SECONDS = 5
const SENT = /([\d,]+) records? sent/
const LOST = /\((\d+) since the start\)/g
/** Bytes that a sender gives to the kernel at once. */
const BLOCK_BYTES = 65_536

interface Run {
  cpuMs: number
  seconds: number
  peakRssMb: number
  rssMb: number
  records: number
  lost: number
}

/** Runs the agent while `send` sends to its port, and until `isDone`. */
async function run({ input, options }: Row, send: (port: number) => Promise<void>): Promise<Run> {
  const [port = 0] = await freePorts(1)
  const texts = [`port=${port}`, 'max_connections=2000', ...options]
    .filter((text) => input !== 'udp' || !text.startsWith('max_connections'))
    .flatMap((text) => ['-p', text])
  const command = values.binary.endsWith('.ts') ? [process.execPath, values.binary] : [values.binary]
  const child = new Child([...command, '-i', input, ...texts, '-o', 'null', '-m', '*', '-f', '1'])
  await until(() => child.stderr.includes('listening on'))
  const before = threadsOf(child.pid)
  const startedMs = performance.now()
  await send(port)
  const seconds = (performance.now() - startedMs) / 1000
  const { cpuMs } = usedBetween(before, threadsOf(child.pid))
  const { rssMb } = memoryOf(child.pid)
  const { peakRssMb } = await child.stop()
  const records = Number(SENT.exec(child.stderr)?.[1]?.replaceAll(',', '') ?? 0)
  const lost = Number([...child.stderr.matchAll(LOST)].at(-1)?.[1] ?? 0)
  return { cpuMs, seconds, peakRssMb, rssMb, records, lost }
}

/** Sends the block again and again over a connection; resolves when the agent has settled all, which it says by closing its side. */
function sendBlocks(port: number, block: Buffer, count: number): Promise<void> {
  return new Promise((done, failed) => {
    const socket: Socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true })
    let left = count
    const more = (): void => {
      while (left-- > 0) if (!socket.write(block)) return
      socket.end()
    }
    socket.on('connect', more)
    socket.on('drain', more)
    socket.on('data', () => {})
    socket.on('end', () => done())
    socket.on('error', failed)
  })
}

async function streams(name: string, row: Row): Promise<void> {
  const { message, head = '', connections = 4 } = row
  const one = head === '' ? `${message}\n` : `${head}${message}`
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / one.length))
  const block = Buffer.from(one.repeat(perBlock))
  const blocks = Math.max(1, Math.ceil((Number(values.mb) * 1e6) / block.length / connections))
  const sent = blocks * perBlock * connections
  let best: Run | undefined
  for (let i = 0; i < Number(values.runs); i++) {
    const result = await run(row, async (port) => {
      await Promise.all(Array.from({ length: connections }, () => sendBlocks(port, block, blocks)))
    })
    if (result.records !== sent) throw new Error(`${name}: ${sent} messages, ${result.records} records`)
    if (best === undefined || result.cpuMs < best.cpuMs) best = result
  }
  if (best === undefined) return
  const mb = (blocks * block.length * connections) / 1e6
  print(name, [
    `${Math.round((mb * 1000) / best.cpuMs)} MB/CPU-s`,
    `${Math.round(mb / best.seconds)} MB/s`,
    `${((best.cpuMs * 1e6) / sent).toFixed(0)} ns/message`,
    `${best.peakRssMb.toFixed(0)} MB peak`,
  ])
}

async function datagrams(name: string, row: Row): Promise<void> {
  for (const rate of values.rates.split(',').map(Number)) {
    let sent = 0
    let tookS = 0
    const result = await run(row, async (port) => {
      const args = [port, rate, RATE_SECONDS].map(String)
      const script = resolve(import.meta.dirname, 'datagrams.ts')
      const sender = Bun.spawn([process.execPath, script, ...args, row.message], { stdout: 'pipe' })
      const [count = 0, seconds = 0] = (await new Response(sender.stdout).text()).split(' ').map(Number)
      sent = count
      tookS = seconds
      // The agent looks at what the kernel has dropped four times a second.
      await Bun.sleep(500)
    })
    if (result.records + result.lost !== sent)
      throw new Error(
        `${name}: ${sent} datagrams, ${result.records} records and ${result.lost} reported as lost`,
      )
    print(name, [
      `${Math.round(sent / tookS)} datagrams/s`,
      `${result.lost} lost (${((result.lost * 100) / sent).toFixed(2)} %)`,
      `${((result.cpuMs * 1e6) / sent).toFixed(0)} ns/message`,
      `${Math.round((result.records * 1000) / result.cpuMs)} messages/CPU-s`,
      `${result.peakRssMb.toFixed(0)} MB peak`,
    ])
  }
}

function print(name: string, columns: string[]): void {
  process.stdout.write(`${name.padEnd(28)}${columns.map((text) => text.padStart(22)).join('')}\n`)
}

for (const [name, row] of Object.entries(ROWS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  const isStream = row.input === 'tcp' || row.options.includes('mode=tcp')
  await (isStream ? streams(name, row) : datagrams(name, row))
}
process.exit(0)
