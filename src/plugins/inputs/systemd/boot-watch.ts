import type { Clock, TimerHandle } from '../../../core/services.ts'
import type { JournalFiles } from './journal-files.ts'

/** Time between two looks at the names of the journal files: a boot that journalctl does not show has a file of its own. */
const NAMES_MS = 2000
/**
 * Looks after which journalctl is asked for new boots while it shows only one: they may be in the same file. Not a time,
 * because the clock may be set back.
 */
const LOOKS_PER_QUESTION = 15

interface Services {
  files: JournalFiles
  clock: Clock
  hasNewBoot: () => Promise<boolean>
  onNewBoot: () => void
}

/** Looks for boots that a journalctl that follows the journal does not show. */
export class BootWatch {
  readonly #services: Services
  readonly #isLimited: boolean
  #names: string | undefined
  #looks = 0
  #timer: TimerHandle | undefined
  #stopped = false

  /** `isLimited`: journalctl shows only one boot. */
  constructor(services: Services, isLimited: boolean) {
    this.#services = services
    this.#isLimited = isLimited
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    this.#services.clock.cancel(this.#timer)
  }

  #schedule(): void {
    if (!this.#stopped) this.#timer = this.#services.clock.after(NAMES_MS, () => void this.#check())
  }

  async #check(): Promise<void> {
    const { files, hasNewBoot, onNewBoot } = this.#services
    const names = (await files.paths()).join('\n')
    const isDue = this.#isLimited && ++this.#looks >= LOOKS_PER_QUESTION
    if (names !== this.#names || isDue) {
      this.#looks = 0
      // A question that fails is asked again when the next one is due; meanwhile journalctl itself reports the error.
      const isNew = await hasNewBoot().catch(() => undefined)
      if (this.#stopped) return
      if (isNew !== undefined) this.#names = names
      if (isNew) return onNewBoot()
    }
    this.#schedule()
  }
}
