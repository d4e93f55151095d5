/**
 * Delay of quiet files next to a noisy one, while the peer takes only a few MB/s.
 *
 *   bun bench/fairness.ts [--binary PATH] [--tags one|own] [--limit 5M] [--flush 0.2] [--noisy 1] [--seconds 20]
 *                         [--mb 100] [--rate 5] [--quiet 109] [--lines 10]
 *
 * Every quiet line has the time of its write; the peer, in this process, subtracts it from the time at which it has read
 * the line's chunk.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { FrameReader } from './frames.ts'
import { Child, memoryOf, quantile, sleep } from './measure.ts'

export interface FairnessOptions {
  command: string[]
  /** Flush in seconds and Mem_Buf_Limit; undefined: the default. */
  flush: string
  limit: string | undefined
  /** One tag for all files, or one for each. */
  tags: 'one' | 'own'
  noisyFiles: number
  noisyBytesPerSecond: number
  quietFiles: number
  quietLinesPerSecond: number
  peerBytesPerSecond: number
  seconds: number
}

export interface FairnessResult {
  quietLines: number
  /** Quiet lines that had not arrived a while after the end. */
  missing: number
  medianMs: number
  p99Ms: number
  maxMs: number
  /** What the peer has read, as MB/s: it is limited to a rate. */
  peerMbS: number
  rssMb: number
  /** CPU time of the agent. */
  cpuMs: number
}

const MARK = Buffer.from('quiet at ')
const ACK = Buffer.from('81a361636b', 'hex')
const TICK_MS = 10
/** Time after the last quiet line for which the peer is read. */
const TAIL_MS = 5000

/** A forward peer that reads at most `bytesPerSecond`; `limited` false lets it read at full speed. */
class SlowPeer {
  readonly delaysMs: number[] = []
  bytes = 0
  readonly #server: Server
  readonly #rate: number
  #allowed = 0
  #lastMs = performance.now()

  constructor(bytesPerSecond: number) {
    this.#rate = bytesPerSecond
    this.#server = createServer((socket) => this.#accept(socket))
  }

  listen(): Promise<number> {
    return new Promise((done) => {
      this.#server.listen(0, '127.0.0.1', () => done((this.#server.address() as { port: number }).port))
    })
  }

  close(): void {
    this.#server.close()
  }

  #accept(socket: Socket): void {
    const reader = new FrameReader(true, (frame) => {
      if (frame.payload !== undefined) this.#record(frame.payload)
      if (frame.chunk !== undefined) socket.write(Buffer.concat([ACK, frame.chunk]))
    })
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: Buffer) => {
      this.bytes += data.length
      reader.feed(data)
      const now = performance.now()
      // At most a tick's worth may be saved up while nothing arrives.
      this.#allowed = Math.min(
        this.#allowed + ((now - this.#lastMs) * this.#rate) / 1000,
        (this.#rate * TICK_MS) / 1000,
      )
      this.#lastMs = now
      this.#allowed -= data.length
      if (this.#allowed >= 0) return
      socket.pause()
      setTimeout(() => socket.resume(), (-this.#allowed * 1000) / this.#rate)
    })
  }

  #record(payload: Buffer): void {
    const now = Date.now()
    for (let at = payload.indexOf(MARK); at >= 0; at = payload.indexOf(MARK, at + MARK.length)) {
      const start = at + MARK.length
      this.delaysMs.push(now - Number(payload.toString('latin1', start, start + 13)))
    }
  }
}

/** Writes lines at fixed rates until it is stopped. */
class Writers {
  quietLines = 0
  readonly #options: FairnessOptions
  readonly #noisy: number[]
  readonly #quiet: number[]
  readonly #noise: Buffer
  #timer: ReturnType<typeof setInterval> | undefined
  #startMs = performance.now()
  #noisyBytes = 0

  constructor(dir: string, options: FairnessOptions) {
    this.#options = options
    const open = (name: string) => openSync(join(dir, name), 'a')
    this.#noisy = Array.from({ length: options.noisyFiles }, (_, i) => open(`noisy-${i}.log`))
    this.#quiet = Array.from({ length: options.quietFiles }, (_, i) => open(`quiet-${i}.log`))
    const line = `${'INFO a line of a program that writes without end and without reason '.padEnd(139, 'x')}\n`
    this.#noise = Buffer.from(line.repeat(Math.ceil(1_000_000 / line.length)))
  }

  start(): void {
    this.#startMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    for (const fd of [...this.#noisy, ...this.#quiet]) closeSync(fd)
  }

  #tick(): void {
    const seconds = (performance.now() - this.#startMs) / 1000
    const { noisyBytesPerSecond, noisyFiles, quietFiles, quietLinesPerSecond } = this.#options
    // Quiet lines are spread over the ticks, so that they do not all come at once.
    const lines = Math.floor(seconds * quietFiles * quietLinesPerSecond)
    for (; this.quietLines < lines; this.quietLines++) {
      const fd = this.#quiet[this.quietLines % quietFiles] as number
      writeSync(fd, `${MARK}${Date.now()} of a program that writes now and then\n`)
    }
    const due = seconds * noisyBytesPerSecond
    while (noisyFiles > 0 && this.#noisyBytes + this.#noise.length <= due) {
      writeSync(this.#noisy[Math.floor(Math.random() * noisyFiles)] as number, this.#noise)
      this.#noisyBytes += this.#noise.length
    }
  }
}

/** Runs the agent, the writers and the peer for a time. */
export async function fairness(options: FairnessOptions): Promise<FairnessResult> {
  const dir = mkdtempSync(join(tmpdir(), 'shipper-fairness-'))
  const peer = new SlowPeer(options.peerBytesPerSecond)
  const writers = new Writers(dir, options)
  const config = join(dir, 'shipper.conf')
  writeFileSync(config, configuration(dir, await peer.listen(), options))
  const child = new Child([...options.command, '-c', config], (options.seconds + 60) * 1000)
  try {
    await sleep(500)
    writers.start()
    const startMs = performance.now()
    await sleep(options.seconds * 1000)
    const peerMbS = peer.bytes / 1000 / (performance.now() - startMs)
    writers.stop()
    await sleep(TAIL_MS)
    const { delaysMs } = peer
    const { rssMb } = memoryOf(child.pid)
    child.kill('SIGKILL')
    const { cpuMs } = await child.ended
    return {
      quietLines: writers.quietLines,
      missing: writers.quietLines - delaysMs.length,
      medianMs: quantile(delaysMs, 0.5),
      p99Ms: quantile(delaysMs, 0.99),
      maxMs: Math.max(...delaysMs),
      peerMbS,
      rssMb,
      cpuMs,
    }
  } finally {
    child.kill('SIGKILL')
    await child.ended
    if (child.stderr.includes('error')) process.stderr.write(child.stderr)
    peer.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

function configuration(dir: string, port: number, options: FairnessOptions): string {
  return [
    '[SERVICE]',
    `    Flush ${options.flush}`,
    // So that Mem_Buf_Limit is the limit.
    '    Memory_Limit 128M',
    '[INPUT]',
    '    Name tail',
    `    Path ${dir}/*.log`,
    `    Tag ${options.tags === 'one' ? 'app' : 'app.*'}`,
    '    Read_From_Head on',
    ...(options.limit === undefined ? [] : [`    Mem_Buf_Limit ${options.limit}`]),
    '[OUTPUT]',
    '    Name forward',
    '    Match *',
    '    Host 127.0.0.1',
    `    Port ${port}`,
    '',
  ].join('\n')
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..')
  const { values } = parseArgs({
    options: {
      binary: {
        type: 'string',
        default: `${root}/dist/shipper-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`,
      },
      tags: { type: 'string' },
      limit: { type: 'string', multiple: true },
      flush: { type: 'string', default: '0.2' },
      noisy: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '20' },
      mb: { type: 'string', default: '100' },
      rate: { type: 'string', default: '5' },
      quiet: { type: 'string', default: '109' },
      lines: { type: 'string', default: '10' },
    },
  })
  const path = resolve(values.binary)
  console.log('tags  limit    lines  missing  p50 ms  p99 ms  max ms  peer MB/s  RSS MB  CPU ms')
  for (const tags of values.tags === undefined ? (['one', 'own'] as const) : [values.tags as 'one' | 'own'])
    for (const limit of values.limit ?? ['5M', '50M']) {
      const result = await fairness({
        command: path.endsWith('.ts') ? [process.execPath, path] : [path],
        flush: values.flush,
        limit,
        tags,
        noisyFiles: Number(values.noisy),
        noisyBytesPerSecond: Number(values.mb) * 1e6,
        quietFiles: Number(values.quiet),
        quietLinesPerSecond: Number(values.lines),
        peerBytesPerSecond: Number(values.rate) * 1e6,
        seconds: Number(values.seconds),
      })
      const cells = [
        tags.padEnd(4),
        limit.padEnd(5),
        String(result.quietLines).padStart(7),
        String(result.missing).padStart(8),
        ...[result.medianMs, result.p99Ms, result.maxMs].map((ms) => ms.toFixed(0).padStart(7)),
        result.peerMbS.toFixed(2).padStart(10),
        result.rssMb.toFixed(0).padStart(7),
        result.cpuMs.toFixed(0).padStart(7),
      ]
      console.log(cells.join(' '))
    }
}
