import { bootIds } from './boots.ts'
import { type Cursor, parseCursor } from './cursor.ts'
import { bootMatch, type Complain, machineMatch, queryJournal, sourceArgs } from './journalctl.ts'

const CURSOR = /^__CURSOR=(.*)$/m

/** Questions to the journal; each runs journalctl once. On `signal` the answers are empty. */
export class JournalQueries {
  readonly #path: string | undefined
  readonly #complain: Complain

  constructor(path: string | undefined, complain: Complain) {
    this.#path = path
    this.#complain = complain
  }

  /** Returns the ids of all boots with entries in the journal, also of other machines. */
  async boots(signal: AbortSignal): Promise<string[]> {
    return bootIds(await this.#ask(['--field=_BOOT_ID'], signal))
  }

  async hasSeveralMachines(signal: AbortSignal): Promise<boolean> {
    // In the default journal all others are excluded by the match on the id of this one.
    if (machineMatch(this.#path).length > 0) return false
    return (await this.#ask(['--field=_MACHINE_ID'], signal)).trim().includes('\n')
  }

  /** Returns the first entry from a cursor on; undefined when there is none. */
  from(cursor: string, signal: AbortSignal, boot?: string): Promise<Cursor | undefined> {
    return this.#one([`--cursor=${cursor}`], signal, boot)
  }

  /** Returns the last entry; undefined when there is none. */
  last(signal: AbortSignal, boot?: string): Promise<Cursor | undefined> {
    return this.#one([], signal, boot)
  }

  async #one(args: string[], signal: AbortSignal, boot: string | undefined): Promise<Cursor | undefined> {
    const matches = [...machineMatch(this.#path), ...bootMatch(boot)]
    const answer = await this.#ask([...args, '--lines=1', '--output-fields=_BOOT_ID', ...matches], signal)
    const text = CURSOR.exec(answer)?.[1]
    return text === undefined ? undefined : parseCursor(text)
  }

  #ask(args: string[], signal: AbortSignal): Promise<string> {
    return queryJournal([...sourceArgs(this.#path), ...args], signal, this.#complain)
  }
}
