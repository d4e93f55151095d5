import { ShipperError } from '../../../core/error.ts'
import { escapeControls } from '../../../core/escape-controls.ts'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { openDatabase } from '../../../lib/plugin/database-options.ts'
import { parseCursor } from './cursor.ts'
import { JournalReader } from './journal-reader.ts'
import type { SystemdOptions } from './options.ts'

/** Delay before journalctl is restarted: the first after progress; it doubles with each failure up to the maximum. */
const MIN_RESTART_DELAY_MS = 100
const MAX_RESTART_DELAY_MS = 30_000

/**
 * Follows the journal through a child process, journalctl, the only program that knows all formats of journal files.
 * A restart of journalctl continues after the last entry read, a restart of the agent after the last one acknowledged.
 */
export class SystemdInput implements Input {
  readonly #options: SystemdOptions
  readonly #ctx: InputContext
  /** Undefined until the database is open. */
  #reader: JournalReader | undefined

  constructor(options: SystemdOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
  }

  get finite(): boolean {
    return this.#options.exitOnEof
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, counters, log } = this.#ctx
    const reader = await this.#openReader()
    this.#reader = reader
    let delayMs = MIN_RESTART_DELAY_MS
    while (!signal.aborted) {
      const [entriesBefore, startedMs] = [reader.entriesRead, clock.nowMs()]
      const result = await reader.runJournalctl(signal)
      if (signal.aborted) return
      if (result === 'next boot') continue
      if (!(result instanceof ShipperError)) {
        this.#ctx.sealAll()
        this.#ctx.finished(result.unread === undefined ? undefined : `journalctl: ${result.unread}`)
        return
      }
      const hasWorked = reader.entriesRead > entriesBefore || clock.nowMs() - startedMs > MAX_RESTART_DELAY_MS
      delayMs = hasWorked ? MIN_RESTART_DELAY_MS : Math.min(delayMs * 2, MAX_RESTART_DELAY_MS)
      await sleep(delayMs, clock, signal)
      if (signal.aborted) return
      // Counted and logged only after the delay: on Ctrl-C the signal reaches journalctl before the agent.
      counters.add('restarts')
      log.warn(`${result.message}; restarting journalctl`, { code: result.code, hint: result.hint })
    }
  }

  async close(): Promise<void> {
    this.#reader?.close()
  }

  status(): InputStatus {
    return {
      journal: this.#options.path ?? 'default',
      journalctl: this.#reader?.pid,
      read: this.#reader?.lastRead,
      acked: this.#reader?.acked,
    }
  }

  async #openReader(): Promise<JournalReader> {
    const store = await openDatabase(this.#ctx, this.#options)
    const stored = store.claimCursor()
    const cursor = this.#validCursor(stored, store.path)
    // Of a damaged database the newest cursor by the time of day was recovered: any other boot may be unread.
    const finishedBoots = store.finishedBoots() ?? (store.damaged ? [] : undefined)
    const fromTail = this.#options.readFromTail && stored === undefined && !store.damaged
    const position = cursor === undefined ? (fromTail ? 'tail' : 'head') : { cursor, finishedBoots }
    return new JournalReader(this.#options, this.#ctx, store, position)
  }

  #validCursor(stored: string | undefined, path: string | undefined): string | undefined {
    if (stored === undefined || parseCursor(stored) !== undefined) return stored
    this.#ctx.log.error(
      `the cursor stored in ${path} is not a valid journald cursor: reading the journal from its start`,
      { code: 'E_JOURNAL_CURSOR', cursor: escapeControls(stored.slice(0, 200)) },
    )
    return undefined
  }
}
