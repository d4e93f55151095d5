import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import type { Counters, CounterTable } from '../../../core/services.ts'
import { countText } from '../../../lib/text/duration.ts'
import { ChosenPath } from './chosen-path.ts'
import { FileLimit } from './file-limit.ts'
import type { FileFormat } from './format.ts'
import { type Cause, type Group, Groups, type Target } from './groups.ts'
import type { FileOptions } from './options.ts'
import { configuredDestination, type Destination } from './path.ts'
import type { FileWriter, WriteFailure } from './writer.ts'

const REASONS = {
  missing_field: 'a field is missing or empty, or not safe as a name',
  limit_reached: 'the file would have been one more than Max_Dynamic_Files',
}

export const CHOSEN_COUNTERS = {
  unresolved_dropped: { help: 'records dropped because their file cannot be used', reasons: REASONS },
  unresolved_fallback: {
    help: 'records written to Fallback_File because their own file cannot be used',
    reasons: REASONS,
  },
} satisfies CounterTable

/** Time that the event loop may be kept from other work. */
const MAX_TURN_MS = 20

/**
 * Writes each record to the file that its fields, its tag and its time choose.
 *
 * ```
 *   chunk -> groups by file -> one append for each -> all settled: resolve
 *                                   | what the name is makes it fail: reject its records, go on
 *                                   | fails with the scope records: the others are written, then reject the flush
 *                                   | fails with another scope: reject the flush at once
 * ```
 * What has been settled is remembered for the retry, so that no line is written twice. A crash forgets it: the next run
 * may write lines of the files that were complete again, as it may after any chunk.
 */
export class ChosenFileOutput implements Output {
  readonly #options: FileOptions
  readonly #ctx: OutputContext
  readonly #counters: Counters<typeof CHOSEN_COUNTERS>
  readonly #writer: FileWriter
  readonly #format: FileFormat
  readonly #groups: Groups
  readonly #limit: FileLimit
  readonly #fallback: Destination | undefined
  /** By number of the record: 1 when it is settled. Only of chunks of which some are and others are not. */
  readonly #done = new WeakMap<Chunk, Uint8Array>()

  /** Throws E_CONFIG_BAD_VALUE and E_CONFIG_MISSING_OPTION. */
  constructor(options: FileOptions, ctx: OutputContext, writer: FileWriter, format: FileFormat) {
    this.#options = options
    this.#ctx = ctx
    this.#counters = ctx.counters as Counters<typeof CHOSEN_COUNTERS>
    this.#writer = writer
    this.#format = format
    this.#groups = new Groups(new ChosenPath(options), (target) => this.#admit(target))
    this.#limit = new FileLimit(options.maxDynamicFiles, ctx.clock)
    this.#fallback = fallbackOf(options)
  }

  async flush(chunk: Chunk): Promise<void> {
    const groups = this.#groups
    groups.divide(chunk, this.#done.get(chunk))
    const settled: Group[] = []
    try {
      await this.#settleAll(chunk, settled)
      this.#done.delete(chunk)
    } catch (error) {
      this.#remember(chunk, settled)
      throw error
    } finally {
      this.#note(settled)
      for (const { target } of groups.list)
        if ('destination' in target) this.#limit.release(target.destination.path)
      groups.clear()
    }
  }

  forget(chunk: Chunk): void {
    this.#done.delete(chunk)
  }

  async close(): Promise<void> {}

  /** Settles the groups, and adds them to `settled`. Throws the first failure. */
  async #settleAll(chunk: Chunk, settled: Group[]): Promise<void> {
    let failure: unknown
    let turnMs = performance.now()
    for (const group of this.#groups.list) {
      if (performance.now() - turnMs > MAX_TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve))
        turnMs = performance.now()
        if (this.#ctx.signal.aborted) throw stopped()
      }
      try {
        this.#settle(chunk, group)
        settled.push(group)
      } catch (error) {
        failure ??= error
        if (!(error instanceof ShipperError) || error.scope === 'peer') break
      }
    }
    if (failure !== undefined) throw failure
  }

  #settle(chunk: Chunk, group: Group): void {
    const { target } = group
    if ('destination' in target) {
      const failed = this.#write(chunk, group, target.destination)
      if (failed === undefined) return
      const { error, isPermanent } = failed
      if (isPermanent) this.#reject(chunk, group, permanent(error))
      else if (error.scope === 'records' && this.#ctx.isOverdue(chunk)) this.#reject(chunk, group, error)
      else throw error
    } else if (this.#actionOf(target.cause) === 'error') this.#refuse(chunk, group, target)
  }

  #write(chunk: Chunk, group: Group, destination: Destination): WriteFailure | undefined {
    const groups = this.#groups
    const format = this.#format
    const failed = this.#writer.append(destination, format.text, (isNewFile) => {
      format.begin(chunk.tag, isNewFile)
      for (let i = 0, record = group.first; i < group.count; i++, record = groups.next(record))
        format.add(chunk, groups.offset(record))
    })
    if (failed === undefined) this.#limit.keep(destination.path)
    return failed
  }

  /** Rejects records without a file. Those beyond the limit do not wait for its end: others would wait with them. */
  #refuse(chunk: Chunk, group: Group, { cause, reason }: { cause: Cause; reason: string }): void {
    const { path, file } = this.#options
    const names = Object.entries({ Path: path, File: file }).filter(([, text]) => text !== undefined)
    const option = names.map(([name, text]) => `${name} ${text}`).join(', ')
    const message = `a record has no file by ${option}: ${reason}`
    const hint =
      cause === 'missing_field'
        ? 'give the records this field, or set On_Missing_Field to drop or fallback'
        : 'raise Max_Dynamic_Files, remove files, or set On_Limit_Reached to drop or fallback'
    this.#reject(chunk, group, new ShipperError('E_OUTPUT_REJECTED', message, { hint }))
  }

  #reject(chunk: Chunk, group: Group, error: ShipperError): void {
    const groups = this.#groups
    for (let i = 0, record = group.first; i < group.count; i++, record = groups.next(record)) {
      const at = groups.offset(record)
      this.#ctx.reject(chunk, at, groups.end(record, chunk), error)
    }
  }

  /** Returns what is done with records whose fields lead to `target`. */
  #admit(target: Target): Target {
    const isNamed = 'destination' in target
    if (isNamed && this.#limit.admits(target.destination.path)) return target
    const refused: Target = isNamed
      ? { cause: 'limit_reached', reason: `there are ${countText(this.#options.maxDynamicFiles)} others` }
      : target
    const isDiverted = this.#actionOf(refused.cause) === 'fallback' && this.#fallback !== undefined
    return isDiverted ? { destination: this.#fallback as Destination } : refused
  }

  #actionOf(cause: Cause): FileOptions['onMissingField'] {
    return cause === 'missing_field' ? this.#options.onMissingField : this.#options.onLimitReached
  }

  #remember(chunk: Chunk, settled: readonly Group[]): void {
    if (settled.length === 0) return
    const groups = this.#groups
    const done = this.#done.get(chunk) ?? new Uint8Array(chunk.count)
    for (const { first, count } of settled)
      for (let i = 0, record = first; i < count; i++, record = groups.next(record)) done[record] = 1
    this.#done.set(chunk, done)
  }

  /** Counts and logs what was not written to its own file. */
  #note(settled: readonly Group[]): void {
    const dropped = new Map<Cause, { count: number; reason: string }>()
    for (const { target, count, diverted } of settled) {
      for (const cause of ['missing_field', 'limit_reached'] as const)
        if ('destination' in target && diverted[cause] > 0)
          this.#counters.add('unresolved_fallback', diverted[cause], cause)
      if ('destination' in target || this.#actionOf(target.cause) !== 'drop') continue
      const known = dropped.get(target.cause)
      dropped.set(target.cause, {
        count: count + (known?.count ?? 0),
        reason: known?.reason ?? target.reason,
      })
    }
    for (const [cause, { count, reason }] of dropped) {
      this.#counters.add('unresolved_dropped', count, cause)
      const option = cause === 'missing_field' ? 'On_Missing_Field' : 'On_Limit_Reached'
      const records = count === 1 ? '1 record' : `${countText(count)} records`
      const message = `${records} dropped by ${option}: ${reason}`
      this.#ctx.log.warn(message, {}, `dropped ${cause}`)
    }
  }
}

function fallbackOf({
  fallbackPath,
  fallbackFile,
  onMissingField,
  onLimitReached,
}: FileOptions): Destination | undefined {
  if (fallbackFile !== undefined) return configuredDestination(fallbackPath, fallbackFile)
  const option = [onMissingField, onLimitReached].indexOf('fallback')
  if (option < 0) return undefined
  const name = ['on_missing_field', 'on_limit_reached'][option] as string
  throw new ShipperError('E_CONFIG_MISSING_OPTION', `${name} is fallback, but there is no Fallback_File`, {
    option: name,
    hint: 'add Fallback_File, the name of a file for these records, and Fallback_Path, its directory',
  })
}

/** Returns the error as one after which no retry is made. */
function permanent({ message, hint }: ShipperError): ShipperError {
  return new ShipperError('E_OUTPUT_REJECTED', message, { hint })
}

function stopped(): ShipperError {
  return new ShipperError('E_OUTPUT_WRITE', 'the agent stops', { retryable: true, scope: 'peer' })
}
