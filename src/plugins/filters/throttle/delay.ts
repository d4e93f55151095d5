import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Filter, FilterContext, OpenedLog } from '../../../core/plugin.ts'
import type { Counters } from '../../../core/services.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { TagText, type Template } from '../../../lib/records/template.ts'
import type { COUNTERS } from './counters.ts'
import type { ThrottleOptions } from './drop.ts'
import { readKey } from './options.ts'
import { Pace } from './pace.ts'
import { MAX_KEYS } from './windows.ts'

/** Most tags of which is remembered that their input waits. */
const MAX_TAGS = 10_000
const NONE = Buffer.alloc(0)

/** Lets the lines wait in their files. Records that are there already pass: they are counted, so that the files wait longer. */
export class DelayingThrottle implements Filter {
  readonly #options: ThrottleOptions
  readonly #ctx: FilterContext
  readonly #counters: Counters<typeof COUNTERS>
  readonly #key: Template | undefined
  /** By the value of Key; the empty text for those without one, or of which there are too many. */
  readonly #paces = new Map<string, Pace>()
  /** Values of Key by tag, of the tags whose input asks before it reads. */
  readonly #valueOf = new Map<string, string>()
  readonly #tag = new TagText()
  readonly #text = new JsonText()
  #isFull = false

  constructor(options: ThrottleOptions, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#counters = ctx.counters
    this.#key = options.key === undefined ? undefined : readKey(options.key)
    if (this.#key?.isPerTag === false)
      throw new ShipperError(
        'E_CONFIG_BAD_VALUE',
        'Action delay needs a Key that is known before a line is read',
        {
          hint: 'use $TAG or $TAG[n], with a Tag that has a part of the path; or Action drop',
          option: 'key',
        },
      )
  }

  ready(tag: string, path: string, opened?: OpenedLog): Promise<void> | undefined {
    let value = this.#valueOf.get(tag)
    if (value === undefined) {
      if (this.#valueOf.size >= MAX_TAGS) this.#valueOf.clear()
      value = this.#valueFor(tag)
      this.#valueOf.set(tag, value)
    }
    const wait = this.#paceOf(value).ready(tag, path, opened)
    if (wait !== undefined) this.#counters.add('delays')
    return wait
  }

  apply(chunk: Chunk): void {
    const value = this.#valueOf.get(chunk.tag)
    if (value === undefined) this.#counters.add('undelayed', chunk.count)
    else this.#paceOf(value).count(chunk.count, chunk.inputBytes)
  }

  close(): void {
    for (const pace of this.#paces.values()) pace.close()
  }

  #valueFor(tag: string): string {
    const text = this.#text
    text.reset()
    const isThere = this.#key?.write(text, this.#tag.set(tag), NONE, -1, 0)
    return isThere === true ? text.bytes().toString() : ''
  }

  #paceOf(value: string): Pace {
    const known = this.#paces.get(value)
    if (known !== undefined) return known
    if (this.#paces.size >= MAX_KEYS && value !== '') this.#forgetIdle()
    if (this.#paces.size >= MAX_KEYS && value !== '') {
      this.#reportFull()
      return this.#paceOf('')
    }
    const { rate, window, interval } = this.#options
    const pace = new Pace(this.#ctx.clock, rate / interval, rate * window)
    this.#paces.set(value, pace)
    return pace
  }

  #forgetIdle(): void {
    for (const [value, pace] of this.#paces) if (pace.isIdle) this.#paces.delete(value)
  }

  #reportFull(): void {
    this.#counters.add('keys_overflow')
    if (this.#isFull) return
    this.#isFull = true
    this.#ctx.log.warn(`Key has more than ${MAX_KEYS} values at a time: further ones share one limit`)
  }
}
