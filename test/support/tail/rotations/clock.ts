import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Running } from '../../process.ts'
import { until } from '../../until.ts'
import { CLOCK_TAG, type TablePeer } from './peer.ts'

/** Default interval of the agent's full search, in seconds. */
export const REFRESH_S = 0.5

/**
 * A clock that the agent drives, for waits that must not depend on the speed of the machine. It writes files
 * that the agent finds by polling. When the line of one that was written a refresh interval later arrives,
 * every other input was due for at least one more search.
 */
export class AgentClock {
  readonly #dir: string
  readonly #peer: TablePeer
  readonly #refreshMs: number
  #ticks = 0

  /** `refreshS`: interval of the other inputs. */
  constructor(root: string, peer: TablePeer, refreshS: number) {
    this.#refreshMs = refreshS * 1000
    this.#dir = join(root, 'clock')
    this.#peer = peer
    mkdirSync(this.#dir)
  }

  /** Section for the agent's configuration. */
  get input(): Record<string, string | number> {
    return {
      name: 'tail',
      tag: CLOCK_TAG,
      path: join(this.#dir, '*.log'),
      db: join(this.#dir, 'clock.db'),
      read_from_head: 'on',
      inotify_watcher: 'off',
      refresh_interval: REFRESH_S,
    }
  }

  /** Writes a line that the agent finds, and returns it. */
  wind(): string {
    const line = `0/${this.#ticks++}`
    writeFileSync(join(this.#dir, `${this.#ticks}.log`), `${line} tick\n`)
    return line
  }

  /** Resolves after the next search. */
  async tick(agent: Running): Promise<void> {
    const dueMs = performance.now() + this.#refreshMs
    let isDue = false
    while (!isDue) {
      isDue = performance.now() >= dueMs
      await this.#arrivalOf(this.wind(), agent)
    }
  }

  async #arrivalOf(line: string, agent: Running): Promise<void> {
    const searched = (): boolean => {
      if (agent.exit !== undefined) throw new Error(`the agent has ended: ${agent.stderr.slice(-2000)}`)
      return this.#peer.arrived.has(`${CLOCK_TAG} ${line}`)
    }
    await until(searched, { everyMs: 20, what: () => `a search for files: ${agent.stderr.slice(-2000)}` })
  }
}
