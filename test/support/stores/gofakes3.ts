import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { type Running, start } from '../process.ts'
import { until } from '../until.ts'
import { inCache, testWithAll } from './cache.ts'
import { S3Server } from './s3-server.ts'

const MODULE = 'github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0'
/** Ten seconds, once for each .cache. */
const BUILD = `GOBIN="$OUT" GOFLAGS=-trimpath CGO_ENABLED=0 go install -ldflags '-s -w' ${MODULE}`
const START_MS = 60_000

/** `test` for cases that need gofakes3: Go builds it once. */
export const testWithGoFakeS3 = testWithAll('gofakes3', ['go', 'flock'])

/**
 * A server that behaves as Amazon's S3, with its objects in memory. It refuses to write over an object with `If-None-Match: *`
 * when the object comes in one request, but not when an upload in parts is completed.
 */
export class GoFakeS3 extends S3Server {
  readonly #port: number
  readonly #process: Running

  private constructor(port: number) {
    super()
    this.#port = port
    const args = ['-backend', 'memory', '-host', `127.0.0.1:${port}`]
    this.#process = start(args, { command: [join(inCache('gofakes3', BUILD), 'gofakes3')] })
  }

  static async start(): Promise<GoFakeS3> {
    const [port = 0] = await freePorts(1)
    const store = new GoFakeS3(port)
    const isUp = async (): Promise<boolean> => {
      if (store.#process.exit !== undefined) throw new Error(`gofakes3 ended: ${store.log.slice(-4000)}`)
      const answer = await fetch(store.url, { keepalive: false }).catch(() => undefined)
      return answer?.status === 200
    }
    await until(isUp, { limitMs: START_MS, everyMs: 20, what: () => `gofakes3: ${store.log.slice(-4000)}` })
    return store
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get log(): string {
    return this.#process.stderr
  }
}
