import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { freePorts } from '../ports.ts'
import { type Running, start } from '../process.ts'
import { until } from '../until.ts'
import { callAws, createStream, type KinesisRecord, kinesisRecords } from './aws-calls.ts'
import { inCache, testWithAll } from './cache.ts'

/** Names kinesalite and every package that it needs with their versions. */
const FOLDER = resolve(import.meta.dirname, 'kinesalite')
const FILES = ['package.json', 'package-lock.json'].map((name) => join(FOLDER, name))
const INSTALL = `cp ${FILES.map((path) => `'${path}'`).join(' ')} "$OUT"
npm ci --prefix "$OUT" --ignore-scripts --no-audit --no-fund --loglevel=error`
/** Its own command would listen on all addresses. */
const PROGRAM =
  "require('kinesalite')({ createStreamMs: 10 }).listen(Number(process.argv[1]), '127.0.0.1', () => console.log('listening'))"

/** `test` for cases that need kinesalite, which npm installs once, and the Python of moto, which takes its records apart. */
export const testWithKinesalite = testWithAll('kinesalite', ['node', 'npm', 'flock', 'python3'])

/** A server that behaves as Amazon's Kinesis Data Streams, with its limits of a request and a shard. It checks no signature. */
export class Kinesalite {
  readonly #port: number
  readonly #process: Running

  private constructor(port: number) {
    this.#port = port
    const cwd = inCache('kinesalite', INSTALL, ...FILES.map((path) => readFileSync(path)))
    this.#process = start(['-e', PROGRAM, String(port)], { command: ['node'], cwd })
  }

  static async start(): Promise<Kinesalite> {
    const [port = 0] = await freePorts(1)
    const store = new Kinesalite(port)
    await store.#process.waitForStdout('listening')
    return store
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async createStream(StreamName: string, shards = 1): Promise<void> {
    await createStream(this.url, StreamName, shards)
    interface Description {
      StreamDescription: { StreamStatus: string }
    }
    await until(async () => {
      const target = 'Kinesis_20131202.DescribeStream'
      const { StreamDescription } = await callAws<Description>(this.url, 'kinesis', target, { StreamName })
      return StreamDescription.StreamStatus === 'ACTIVE'
    })
  }

  /** Returns the records of a stream, shard by shard. */
  kinesisRecords(name: string): Promise<KinesisRecord[]> {
    return kinesisRecords(this.url, name)
  }
}
