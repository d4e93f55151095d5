import { readFileSync } from 'node:fs'
import { type Cursor, sortsBefore } from './cursor.ts'

/** Boots of a journal that are kept apart; the journal of a machine rarely has more than some hundred. */
export const MAX_BOOTS = 2000
const BOOT_ID = /^[0-9a-f]{32}$/

/** Returns the ids among the lines of `journalctl --field=_BOOT_ID`. */
export function bootIds(stdout: string): string[] {
  return [...new Set(stdout.split('\n').filter((line) => BOOT_ID.test(line)))]
}

/** Returns the id of the running boot; undefined without /proc. */
export function runningBoot(file = '/proc/sys/kernel/random/boot_id'): string | undefined {
  try {
    const id = readFileSync(file, 'latin1').trim().replaceAll('-', '')
    return BOOT_ID.test(id) ? id : undefined
  } catch {
    return undefined
  }
}

/** Sorts boots by their first entries, as journalctl merges them; the running one comes last, whatever its clock said. */
export function inOrder(firsts: readonly Cursor[], running: string | undefined): Cursor[] {
  return firsts.toSorted((a, b) => {
    if (a.boot === running || b.boot === running) return a.boot === running ? 1 : -1
    return sortsBefore(a, b) ? -1 : sortsBefore(b, a) ? 1 : 0
  })
}

/**
 * The boots of the journal that need not be read again, and those that this run has begun to read, in this order:
 *
 * ```
 *   finished   A B      stored by earlier runs: the cursor has left them
 *   begun      C D E    read to their ends, but for the last
 *   cursor     in D     acknowledged: A, B and C are stored as finished
 * ```
 */
export class Boots {
  readonly #finished: Set<string>
  readonly #begun: string[] = []
  #present: ReadonlySet<string> | undefined

  constructor(finished: readonly string[]) {
    this.#finished = new Set(finished)
  }

  /** The boots in the journal when it was last listed; finished ones that are no longer in it are forgotten. */
  set present(boots: readonly string[]) {
    this.#present = new Set(boots)
  }

  begin(boot: string): void {
    if (!this.#begun.includes(boot)) this.#begun.push(boot)
  }

  /** Marks a boot as one that is not to be read. */
  skip(boot: string): void {
    this.#finished.add(boot)
  }

  /** Returns true when no entry of the boot was read or is to be skipped. */
  isUnread(boot: string): boolean {
    return !this.#finished.has(boot) && !this.#begun.includes(boot)
  }

  /** Returns the boots that are finished once all entries up to one of the boot `current` are acknowledged. */
  finishedBefore(current: string): string[] {
    const before = this.#begun.slice(0, Math.max(0, this.#begun.indexOf(current)))
    const all = new Set([...this.#finished, ...before])
    all.delete(current)
    return [...all].filter((boot) => this.#present?.has(boot) ?? true).slice(-MAX_BOOTS)
  }
}
