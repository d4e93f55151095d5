import type { OffsetStore } from '../../../core/offset-store.ts'
import type { Appender } from '../../../core/plugin.ts'
import type { Clock, Logger } from '../../../core/services.ts'
import { PositionWriter } from '../../../lib/plugin/position-writer.ts'
import { SettledRanges } from '../../../lib/plugin/settled-ranges.ts'

/** Version before all others. */
const NONE = -1n
/**
 * The server compares versions as integers of any length. More digits than those of 128 bits are none of a server.
 */
const VERSION = /^\d{1,39}$/

interface StoredValue {
  /** All events up to this version are acknowledged: its digits. */
  version?: unknown
  /** Without a version: the Unix time before which events are too old for the first list. */
  after?: unknown
}

/**
 * Which events were read and which of them are acknowledged. An event is identified by its resourceVersion,
 * which each change of any object raises: an event that happens again is the same object with another version. Versions are compared
 * as integers, as the API allows for those of one resource.
 *
 * ```
 *   versions   1 ............ P ............. R
 *              acknowledged   read; `#known`   not read: the watch goes on after R
 * ```
 * A list has its events in the order of their names. Until all of them are read, R is what it was before.
 */
export class EventPositions {
  readonly #writer: PositionWriter
  readonly #ranges: SettledRanges<bigint, bigint>
  /** Up to this version every event is acknowledged; NONE before that is known. */
  #acked = NONE
  /** Up to this version every event was read. */
  #read = NONE
  /** Unix time in seconds before which events are too old, while `#read` is NONE. */
  #after: number
  /** Versions after `#acked` that were read, and those of them that are acknowledged. */
  readonly #known = new Set<bigint>()
  readonly #marked = new Set<bigint>()

  /** `after`: time in Unix seconds before which a first list takes no events. */
  constructor(store: OffsetStore, after: number, services: { clock: Clock; log: Logger }) {
    this.#writer = new PositionWriter(store, services)
    // After damage the position may be lost: events come again rather than not at all.
    this.#after = store.damaged ? 0 : after
    this.#ranges = new SettledRanges({
      identity: (versions) => `kubernetes:${versions[0]}-${versions.at(-1)}:${versions.length}`,
      onSettled: (versions) => this.#settle(versions),
    })
    this.#load(store)
  }

  /** Version up to which every event is acknowledged; undefined when that is not known yet. */
  get acked(): bigint | undefined {
    return this.#acked === NONE ? undefined : this.#acked
  }

  /** Version from which to watch; undefined: list first. */
  get read(): bigint | undefined {
    return this.#read === NONE ? undefined : this.#read
  }

  /** True when a watch does not send this version any more: it is before those that were read. */
  isPassed(version: bigint): boolean {
    return version <= this.#acked
  }

  /** True when the event was not read yet. */
  isNew(version: bigint): boolean {
    return version > this.#acked && !this.#known.has(version)
  }

  /** True when the event is too old for the first list; `sec`: its time in Unix seconds, -1 without one. */
  isTooOld(sec: number): boolean {
    return this.#read === NONE && sec >= 0 && sec < this.#after
  }

  /** Adds an event that was just written to `out`. */
  add(out: Appender, version: bigint): void {
    this.#ranges.add(out, version, this.#read)
    this.#known.add(version)
  }

  /** Notes that every event up to this version was read. */
  readTo(version: bigint): void {
    if (version > this.#read) this.#read = version
  }

  /** Stores the position, after `readTo`, also when no event was settled. */
  store(): void {
    this.#advance()
    this.#writer.commit()
  }

  /**
   * Forgets everything when a list has an older version than events that were read: the state of the server was
   * restored, and it gives versions a second time. Returns false when it is not so.
   */
  resetIfOlder(listed: bigint, after: number): boolean {
    if (listed >= this.#read && listed >= this.#acked) return false
    this.#ranges.reset()
    this.#known.clear()
    this.#marked.clear()
    this.#acked = this.#read = NONE
    this.#after = after
    this.#writer.unmarkAll()
    this.store()
    return true
  }

  close(): void {
    this.#advance()
    this.#writer.close()
  }

  #load(store: OffsetStore): void {
    const position = store.position?.()
    if (position === undefined) {
      // Of fluent-bit's events only the versions that it has sent are known.
      for (const version of store.sentEvents?.() ?? []) this.#restore(BigInt(version))
      this.store()
      return
    }
    const { version, after } = parseValue(position.value)
    const stored = versionOf(version)
    if (stored !== undefined) this.#acked = this.#read = stored
    else if (Number.isSafeInteger(after)) this.#after = after as number
    for (const mark of position.marks) {
      const known = versionOf(mark)
      if (known === undefined) continue
      this.#known.add(known)
      this.#marked.add(known)
    }
    this.#setValue()
  }

  #restore(version: bigint): void {
    this.#known.add(version)
    this.#marked.add(version)
    this.#writer.mark(String(version))
  }

  #settle(versions: readonly bigint[]): void {
    for (const version of versions) {
      this.#marked.add(version)
      this.#writer.mark(String(version))
    }
    this.store()
  }

  /** Moves the acknowledged version to where it may be, and forgets the versions before it. */
  #advance(): void {
    const acked = this.#ranges.settledTo(this.#read)
    if (acked > this.#acked) {
      this.#acked = acked
      for (const version of this.#known) if (version <= acked) this.#known.delete(version)
      for (const version of this.#marked) {
        if (version > acked) continue
        this.#marked.delete(version)
        this.#writer.unmark(String(version))
      }
    }
    this.#setValue()
  }

  #setValue(): void {
    this.#writer.value =
      this.#acked === NONE
        ? JSON.stringify({ after: this.#after })
        : JSON.stringify({ version: String(this.#acked) })
  }
}

/** Returns the version of a resourceVersion; undefined for one that cannot be compared. */
export function versionOf(text: unknown): bigint | undefined {
  return typeof text === 'string' && VERSION.test(text) ? BigInt(text) : undefined
}

function parseValue(value: string): StoredValue {
  try {
    return (JSON.parse(value) ?? {}) as StoredValue
  } catch {
    // A value that another program has written: as without one.
    return {}
  }
}
