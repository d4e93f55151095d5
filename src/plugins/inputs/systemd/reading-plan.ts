import type { InputContext } from '../../../core/plugin.ts'
import { Boots, inOrder, MAX_BOOTS, runningBoot } from './boots.ts'
import { type Cursor, sortsBefore, startOfBoot } from './cursor.ts'
import type { JournalQueries } from './queries.ts'
import { type Resumption, reportGone, reportMissing, resumeIn } from './start-point.ts'

/** What one journalctl reads. */
export interface Segment {
  /** Arguments with the point at which it starts. */
  readonly start: string[]
  /** Boot to which it is limited; undefined: it also shows boots that begin later. */
  readonly boot: string | undefined
  /** Waits for new entries after the last one. */
  readonly follow: boolean
  /** Entry that journalctl shows first although it has been read already. */
  readonly alreadyRead: Cursor | undefined
  /** The boots are not known yet: `isWhole` decides whether this is what to read. */
  readonly isGuess?: boolean
}

/**
 * Decides what the next journalctl reads. Boots are read one after the other, because journalctl merges those of
 * different sequences by the time of day, and after an entry never shows one that sorts before it: after a boot whose
 * clock was ahead it would skip all entries of the next one. Which boots were read is remembered, see Boots.
 *
 * ```
 *   boot of the cursor, to its end  ->  each unread boot, to its end  ->  follow the last one
 * ```
 * Where the last boot sorts last, journalctl follows the whole journal. The journals of several machines are merged: their
 * boots overlap, and entries that arrive with a time before the last one read are not shown.
 */
export class ReadingPlan {
  readonly boots: Boots
  readonly #queries: JournalQueries
  readonly #ctx: InputContext
  readonly #running = runningBoot()
  /** Boots in the journal when it was last listed. */
  #present: string[] = []
  #hasListed = false
  #isMerged = false
  /** Boots that have no entries of this machine. */
  readonly #empty = new Set<string>()
  readonly #firsts = new Map<string, Cursor>()
  #current: string | undefined
  /** True when a journalctl has read the current boot to its end. */
  #isCaughtUp = false
  /** False until the boots before a cursor without a list of finished boots are known. */
  #knowsFinished: boolean
  #hasReportedTooMany = false
  /** Cursor whose boot is gone, as reported. */
  #gone: string | undefined

  /** `finished` is the stored list of finished boots; undefined when there is none: boots before the cursor were read. */
  constructor(queries: JournalQueries, finished: readonly string[] | undefined, ctx: InputContext) {
    this.#queries = queries
    this.#ctx = ctx
    this.boots = new Boots(finished ?? [])
    this.#knowsFinished = finished !== undefined
  }

  /** Returns the last entry at which a first run with Read_From_Tail starts; all other boots count as read. */
  async tail(signal: AbortSignal): Promise<Cursor | undefined> {
    const boots = await this.#queries.boots(signal)
    const running = boots.find((boot) => boot === this.#running)
    const own = running === undefined ? undefined : await this.#queries.last(signal, running)
    const last = own ?? (await this.#queries.last(signal))
    for (const boot of boots) if (boot !== last?.boot) this.boots.skip(boot)
    this.#knowsFinished = true
    return last
  }

  /** Records that a journalctl has ended; `isComplete`: it has shown everything that there was. */
  ended(isComplete: boolean): void {
    this.#isCaughtUp = isComplete
  }

  /** Records that an entry of this boot was read. */
  entered(boot: string): void {
    if (this.#isMerged) return
    this.boots.begin(boot)
    this.#current = boot
  }

  /** Returns true when a journalctl without a limit, already started, shows every boot completely. */
  async isWhole(signal: AbortSignal): Promise<boolean> {
    await this.#list(signal)
    return this.#isMerged || this.#present.length <= 1
  }

  /** Returns true when a boot has appeared that no journalctl has shown. */
  async hasNewBoot(signal: AbortSignal): Promise<boolean> {
    if (this.#isMerged) return false
    await this.#list(signal)
    return this.#unread().length > 0
  }

  /** Returns what to read next after the entry `cursor`; undefined when everything was read, or on `signal`. */
  async next(cursor: Cursor | undefined, follow: boolean, signal: AbortSignal): Promise<Segment | undefined> {
    // Most journals are those of one boot: the question for the others does not delay the first entries.
    if (cursor === undefined && !this.#hasListed)
      return { start: [], alreadyRead: undefined, boot: undefined, follow, isGuess: true }
    await this.#list(signal)
    if (!this.#knowsFinished) await this.#skipBefore(cursor, signal)
    this.#current ??= cursor?.boot
    if (this.#current !== undefined) this.boots.begin(this.#current)
    if (this.#present.length === 0 || this.#isMerged) return this.#all(cursor, follow, signal)
    for (;;) {
      if (signal.aborted) return undefined
      const current = this.#current
      const next = this.#isCaughtUp || current === undefined ? await this.#firstUnread(signal) : undefined
      if (next !== undefined || current === undefined) {
        if (next === undefined) return this.#atEnd(follow, signal)
        this.boots.begin(next)
        this.#current = next
        this.#isCaughtUp = false
        continue
      }
      if (this.#isCaughtUp && !follow) return undefined
      const resumption = await this.#resume(current, cursor, signal)
      if (resumption !== undefined) return this.#segment(current, resumption, follow, signal)
      this.#current = undefined
    }
  }

  async #segment(
    boot: string,
    resumption: Resumption,
    follow: boolean,
    signal: AbortSignal,
  ): Promise<Segment> {
    const isOnly = this.#present.length === 1 && this.#present[0] === boot
    const isFollowing = follow && (isOnly || this.#isCaughtUp)
    const isLast = isFollowing && resumption.start.length > 0
    const isWhole = isOnly || (isLast && (await this.#queries.last(signal))?.boot === boot)
    return { ...resumption, boot: isWhole ? undefined : boot, follow: isFollowing }
  }

  /** Returns where to continue in the boot; undefined when it has no entries any more. */
  async #resume(
    boot: string,
    cursor: Cursor | undefined,
    signal: AbortSignal,
  ): Promise<Resumption | undefined> {
    if (cursor?.boot !== boot) return { start: [], alreadyRead: undefined }
    const resumption = await resumeIn(cursor, this.#queries, signal)
    if (signal.aborted) return undefined
    if (resumption === undefined) this.#reportGone(cursor, await this.#firstUnreadCursor(signal))
    else if (resumption.missing !== undefined) reportMissing(cursor, resumption, this.#ctx)
    return resumption
  }

  /** Returns the segment of a journal whose boots are not told apart. */
  async #all(cursor: Cursor | undefined, follow: boolean, signal: AbortSignal): Promise<Segment | undefined> {
    if (this.#isCaughtUp && !follow) return undefined
    const resumption = cursor === undefined ? undefined : await resumeIn(cursor, this.#queries, signal)
    if (signal.aborted) return undefined
    if (cursor !== undefined && resumption === undefined) this.#reportGone(cursor, undefined)
    if (cursor !== undefined && resumption?.missing !== undefined)
      reportMissing(cursor, resumption, this.#ctx)
    return { start: [], alreadyRead: undefined, ...resumption, boot: undefined, follow }
  }

  /** Returns the segment after the end of a journal all of whose boots were read. */
  async #atEnd(follow: boolean, signal: AbortSignal): Promise<Segment | undefined> {
    if (!follow) return undefined
    const last = await this.#queries.last(signal)
    if (signal.aborted) return undefined
    const start = last === undefined ? [] : [`--cursor=${last.text}`]
    return { start, alreadyRead: last, boot: undefined, follow }
  }

  #reportGone(cursor: Cursor, next: Cursor | undefined): void {
    if (this.#gone === cursor.text) return
    this.#gone = cursor.text
    reportGone(cursor, next, this.#unread().length, this.#ctx)
  }

  async #list(signal: AbortSignal): Promise<void> {
    const boots = await this.#queries.boots(signal)
    if (signal.aborted) return
    const isTooMany = boots.length > MAX_BOOTS
    this.#isMerged = isTooMany || (boots.length > 1 && (await this.#queries.hasSeveralMachines(signal)))
    if (isTooMany && !this.#hasReportedTooMany) {
      this.#hasReportedTooMany = true
      this.#ctx.log.warn(
        `the journal has entries of more than ${MAX_BOOTS} boots: they are read by the time of day, and boots whose clock was behind may be left out`,
        { hint: 'vacuum the journal: journalctl --vacuum-time' },
      )
    }
    this.#present = boots
    this.#hasListed = true
    if (boots.length > 0) this.boots.present = boots
  }

  #unread(): string[] {
    return this.#present.filter(
      (boot) => boot !== this.#current && !this.#empty.has(boot) && this.boots.isUnread(boot),
    )
  }

  async #firstUnread(signal: AbortSignal): Promise<string | undefined> {
    const unread = this.#unread()
    return unread.length === 1 ? unread[0] : (await this.#firstUnreadCursor(signal))?.boot
  }

  async #firstUnreadCursor(signal: AbortSignal): Promise<Cursor | undefined> {
    const firsts: Cursor[] = []
    for (const boot of this.#unread()) {
      const first = await this.#first(boot, signal)
      if (first !== undefined) firsts.push(first)
    }
    return inOrder(firsts, this.#running)[0]
  }

  async #first(boot: string, signal: AbortSignal): Promise<Cursor | undefined> {
    const known = this.#firsts.get(boot)
    if (known !== undefined) return known
    const first = await this.#queries.from(startOfBoot(boot), signal, boot)
    if (first !== undefined) this.#firsts.set(boot, first)
    else if (!signal.aborted) this.#empty.add(boot)
    return first
  }

  /** Skips the boots that journalctl shows before the cursor, which another program or an older version has stored. */
  async #skipBefore(cursor: Cursor | undefined, signal: AbortSignal): Promise<void> {
    for (const boot of cursor === undefined || this.#isMerged ? [] : this.#present) {
      if (boot === cursor?.boot || boot === this.#running) continue
      const first = await this.#first(boot, signal)
      if (signal.aborted) return
      if (first !== undefined && cursor !== undefined && sortsBefore(first, cursor)) this.boots.skip(boot)
    }
    this.#knowsFinished = true
  }
}
