import { ShipperError } from '../../../src/core/error.ts'
import { compare } from '../../../src/lib/segments/position.ts'
import { isStoredChunk, type Position, type SegmentLog } from '../../../src/lib/segments/types.ts'
import { openLog, START, stateAt, textChunk, textsOf } from './logs.ts'

const MAX_TRIES = 4
const OPTIONS = { segmentBytes: 700 }

/** Something that the disk has failed again and again. */
class GaveUp extends Error {}

/** Calls until there is no E_BUFFER that may be retried. */
function retried<T>(call: () => T): T {
  for (let i = 1; ; i++) {
    try {
      return call()
    } catch (error) {
      if (!(error instanceof ShipperError) || error.code !== 'E_BUFFER' || !error.retryable) throw error
      if (i === MAX_TRIES) throw new GaveUp(error.message)
    }
  }
}

/**
 * What an engine does with a log: the output `a` gets every chunk at once, `b` none. What could not be synced is appended again, and a
 * chunk is acknowledged when its sync has resolved.
 */
export class Work {
  readonly folder: string
  readonly acknowledged: string[] = []
  readonly appended = new Set<string>()
  readonly delivered = { a: new Set<string>(), b: new Set<string>() }
  /** Records that a log has reported as lost. */
  lost = 0

  constructor(folder: string) {
    this.folder = folder
  }

  /** Runs twice, with `count` chunks each. Ends early, without an error, when the disk fails forever. */
  async run(count: number): Promise<void> {
    for (let i = 0; i < 2; i++) {
      try {
        await this.#once(`run ${i}`, count)
      } catch (error) {
        if (!(error instanceof GaveUp)) throw error
      }
    }
  }

  async #once(name: string, count: number): Promise<void> {
    const { log, damage } = retried(() => openLog(this.folder, OPTIONS))
    try {
      let pending: string[] = []
      const at = { a: log.stateOf('a')?.position ?? START, b: log.stateOf('b')?.position ?? START }
      const before: Position[] = []
      for (let i = 0; i < count; i++) {
        const text = `${name}, chunk ${i} ${'.'.repeat((i % 4) * 60)}`
        this.appended.add(text)
        pending.push(text)
        retried(() => log.append(textChunk(text), ['a', 'b']))
        if (i % 3 === 1) continue
        await this.#sync(log, pending)
        this.acknowledged.push(...pending)
        pending = []
        before.push(log.synced)
        at.a = retried(() => this.#deliver(log, 'a', at.a, log.synced))
        at.b = retried(() => this.#deliver(log, 'b', at.b, before.at(-3) ?? START))
        log.commit(
          new Map([
            ['a', stateAt(at.a)],
            ['b', stateAt(at.b)],
          ]),
        )
      }
      // Its last chunks are not acknowledged.
    } finally {
      await log.close().catch((error) => {
        if (error.code !== 'E_BUFFER') throw error
      })
      this.lost += damage.length
    }
  }

  async #sync(log: SegmentLog, pending: readonly string[]): Promise<void> {
    for (let i = 1; ; i++) {
      try {
        return await log.sync()
      } catch (error) {
        if (!(error instanceof ShipperError) || !error.retryable) throw error
        if (i === MAX_TRIES) throw new GaveUp(error.message)
        for (const text of pending) retried(() => log.append(textChunk(text), ['a', 'b']))
      }
    }
  }

  #deliver(log: SegmentLog, output: 'a' | 'b', from: Position, until: Position): Position {
    for (let at = from; ; ) {
      if (compare(at, until) >= 0) return at
      const chunk = log.find(output, at)
      if (!isStoredChunk(chunk)) return chunk
      const buf = Buffer.alloc(chunk.bytes)
      if (log.read(chunk, buf, 0)) this.delivered[output].add(buf.toString('latin1'))
      at = chunk.next
    }
  }

  /** Opens the log in a folder and throws when something that was acknowledged is not there, or something that was never written is. */
  async check(where: string, folder = this.folder): Promise<void> {
    const { log } = openLog(folder, OPTIONS)
    const a = new Set([...this.delivered.a, ...textsOf(log, 'a', log.stateOf('a')?.position ?? START)])
    const b = new Set([...this.delivered.b, ...textsOf(log, 'b', log.stateOf('b')?.position ?? START)])
    await log.close()
    for (const text of this.acknowledged) {
      if (!a.has(text)) throw new Error(`${where}: a has not got ${text}`)
      if (!b.has(text)) throw new Error(`${where}: b has not got ${text}`)
    }
    for (const text of [...a, ...b])
      if (!this.appended.has(text)) throw new Error(`${where}: ${text} was never written`)
  }
}
