import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { atEnd } from '../tmp.ts'

export interface SinkSummary {
  bytes: number
  records: number
  chunks: number
  connections: number
  /** Number of open connections. */
  open: number
  duplicateChunks: number
  duplicateChunkRecords: number
  distinct: number
  duplicates: number
  min: number
  max: number
  disorder: number
}

/**
 * Runs test/support/forward/sink-process.ts, which documents the commands, as a process that ends with the
 * test.
 */
export class Sink {
  port = 0
  readonly #child: ChildProcess
  readonly #answers: ((line: string) => void)[] = []

  private constructor(args: string[]) {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, 'sink-process.ts'), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    atEnd(() => {
      this.#child.kill('SIGKILL')
    })
  }

  static async start(mode: 'count' | 'lines' | 'series' | 'times' = 'lines', port = 0): Promise<Sink> {
    const sink = new Sink(['--mode', mode, '--port', String(port)])
    await sink.#ready()
    return sink
  }

  async summary(): Promise<SinkSummary> {
    return (await this.ask('summary')) as SinkSummary
  }

  /** Returns how many numbers below `count` did not arrive, and the first of them. */
  async missing(count: number): Promise<{ missing: number; first: number[] }> {
    return (await this.ask(`missing ${count}`)) as { missing: number; first: number[] }
  }

  /** Kills the process `pid` when `lines` distinct lines have arrived; 0 and 0 cancel that. */
  async killAt(pid: number, lines: number): Promise<void> {
    await this.ask(`kill ${pid} ${Math.ceil(lines)}`)
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }

  ask(command: string): Promise<unknown> {
    return new Promise((resolve) => {
      this.#answers.push((line) => resolve(JSON.parse(line)))
      this.#child.stdin?.write(`${command}\n`)
    })
  }

  #ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.once('exit', (code) => reject(new Error(`the sink exited with ${code}`)))
      let rest = ''
      this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          if (line.startsWith('listening ')) {
            this.port = Number(line.slice(10))
            resolve()
          } else this.#answers.shift()?.(line)
        }
      })
    })
  }
}
