import { type ChildProcess, spawn } from 'node:child_process'
import { atEnd } from '../tmp.ts'

/** A record as read by Kafka's own consumer. */
export interface Consumed {
  partition: number
  offset: number
  timestamp: number
  key: Buffer | null
  value: Buffer | null
  headers: [string, Buffer | null][]
}

/** Statistics of the numbers in the values; `first` has the first 20 missing ones. */
export interface Numbers {
  records: number
  distinct: number
  duplicates: number
  /** Numbers whose first occurrence comes after a higher one of their partition. */
  disorder: number
  missing: number
  first: number[]
}

/** A record batch in the log of a broker. */
export interface Batch {
  offset: number
  records: number
  bytes: number
  compression: string
  producerId: number
  epoch: number
  sequence: number
}

export interface PartitionState {
  partition: number
  leader: number
  replicas: number[]
  isr: number[]
}

type Row = [number, number, number, string | null, string | null, [string, string | null][]]

/** Runs test/support/kafka/Tool.java in a child process, which ends with the test. */
export class KafkaTool {
  readonly #child: ChildProcess
  readonly #pending: ((line: string) => void)[] = []
  #stderr = ''
  #ended: string | undefined

  constructor(classPath: string, bootstrap: string) {
    const flags = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
    this.#child = spawn('java', [...flags, '-cp', classPath, 'Tool', bootstrap], { stdio: 'pipe' })
    let rest = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('{')) this.#pending.shift()?.(line)
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.#child.stdin?.on('error', () => {})
    this.#child.once('exit', (code, signal) => {
      this.#ended = JSON.stringify({ error: `the tool ended with ${code ?? signal}: ${this.#stderr}` })
      for (const answer of this.#pending.splice(0)) answer(this.#ended)
    })
    atEnd(() => this.close())
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }

  async ask<T>(op: string, fields: object = {}): Promise<T> {
    const line = await new Promise<string>((resolve) => {
      if (this.#ended !== undefined) return resolve(this.#ended)
      this.#pending.push(resolve)
      this.#child.stdin?.write(`${JSON.stringify({ op, ...fields })}\n`)
    })
    const answer = JSON.parse(line) as { ok: T; error?: string }
    if (answer.error !== undefined) throw new Error(`${op} ${JSON.stringify(fields)}: ${answer.error}`)
    return answer.ok
  }

  /** Returns all records up to the current end, in order within each partition. */
  async consume(topic: string): Promise<Consumed[]> {
    const rows = await this.ask<Row[]>('consume', { topic })
    return rows.map(([partition, offset, timestamp, key, value, headers]) => {
      const pairs = headers.map(([name, bytes]): [string, Buffer | null] => [name, bytesOf(bytes)])
      return { partition, offset, timestamp, key: bytesOf(key), value: bytesOf(value), headers: pairs }
    })
  }
}

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, 'base64')
}
