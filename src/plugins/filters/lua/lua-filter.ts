import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { escapeControls } from '../../../core/escape-controls.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import { mapPairs } from '../../../core/msgpack/record.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { FailedRecords } from '../../../lib/plugin/failed-records.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import { bodyAt } from '../../../lib/records/entry-parts.ts'
import { LuaFailure, ValueFailure } from './failures.ts'
import type { LuaLimits, LuaSource } from './machine/state.ts'
import type { LuaOptions } from './options.ts'
import { PrintedLines } from './printed-lines.ts'
import { DROPPED, KEPT, ODD, Script, type ScriptOptions } from './script.ts'
import { CODE_NAME, loadSource } from './source.ts'
import { TimeAllowance } from './time-allowance.ts'

const MAX_MESSAGE_CHARS = 500
/** Bytes of the objects that are made for a record, for each byte of it. */
const GARBAGE_PER_BYTE = 4
/** A chunk is expected to grow by an eighth. */
const GROWTH_SHIFT = 3

/** Calls a function of a Lua script with each record, and makes of the record what it returns. */
export class LuaFilter implements Filter {
  readonly #ctx: FilterContext
  readonly #options: LuaOptions
  readonly #failed: FailedRecords
  readonly #printed: PrintedLines
  readonly #out: EntryOutput
  #source: LuaSource | undefined
  /** Undefined before the start, and after a failure by which the state was lost. */
  #script: Script | undefined
  readonly #limits: LuaLimits
  readonly #allowance: TimeAllowance
  #chunk!: Chunk
  /** Entries of the chunk from here to the current one are not written yet: they stay as they are. */
  #kept = 0
  #isWriting = false
  /** Offset of the current entry in the chunk, and where what is written for it begins. */
  #entry = 0
  #begun = 0
  readonly #onWrite = () => this.#flush(this.#entry)

  constructor(options: LuaOptions, ctx: FilterContext) {
    this.#ctx = ctx
    this.#options = options
    this.#failed = new FailedRecords(options.onError, ctx)
    this.#printed = new PrintedLines(ctx)
    this.#out = new EntryOutput(ctx.buffers)
    if (options.code !== undefined && options.script !== undefined)
      ctx.log.warn(`Script ${options.script} is not used, because there is Code`)
    this.#allowance = new TimeAllowance(options.timeLimit, ctx.clock)
    this.#limits = { timeMs: options.timeLimit, memoryBytes: options.memoryLimit }
  }

  async start(): Promise<void> {
    this.#source = loadSource(this.#options, this.#ctx.configFolder)
    try {
      this.#script = this.#load()
    } catch (err) {
      throw notLoaded(err as Error, this.#options, this.#source.name)
    }
  }

  /** Loads the script, which runs what is outside of its functions, as fluent-bit's dry run does. */
  check(): Promise<void> {
    return this.start()
  }

  apply(chunk: Chunk): void {
    const { buf, start, end } = chunk
    this.#chunk = chunk
    this.#kept = start
    this.#isWriting = false
    let { count } = chunk
    try {
      for (let at = start; at < end; ) {
        const next = skip(buf, at, end)
        if (next < 0) break
        this.#entry = at
        const records = this.#record(at, next)
        if (records >= 0) {
          count += records - 1
          this.#flush(at)
          this.#kept = next
        }
        at = next
      }
      if (this.#isWriting) {
        this.#flush(end)
        this.#out.finish(chunk, count)
        if (this.#script?.wroteMetadata === true) chunk.hasMetadata = true
      }
    } catch (err) {
      this.#out.abandon()
      throw err
    }
    this.#ctx.leftGarbage?.((end - start) * GARBAGE_PER_BYTE)
  }

  close(): void {
    this.#script?.close()
  }

  /** Handles an entry. Returns the number of records that were written instead of it, or KEPT. */
  #record(at: number, end: number): number {
    const { buf, tag } = this.#chunk
    const body = bodyAt(buf, at, end)
    if (body < 0 || mapPairs(buf, body) < 0) return KEPT
    if (this.#isWriting) this.#begun = this.#out.at
    try {
      this.#script ??= this.#load()
      this.#limits.timeMs = this.#allowance.next()
      const records = this.#script.run(tag, buf, at, body, end, this.#onWrite)
      const { usedMs } = this.#script
      if (usedMs > 0) this.#allowance.succeeded(usedMs)
      if (records !== ODD) return records
      this.#ctx.counters.add('odd_results')
      this.#ctx.log.warn(`a record passes unchanged: ${this.#script.oddity}`, { tag }, 'odd result')
      return KEPT
    } catch (err) {
      if (!(err instanceof LuaFailure || err instanceof ValueFailure)) throw err
      return this.#fail(err, at, end)
    }
  }

  #fail(error: LuaFailure | ValueFailure, at: number, end: number): number {
    if (this.#isWriting) this.#out.at = this.#begun
    const isFatal = error instanceof LuaFailure && error.isFatal
    if (isFatal) this.#restart(error)
    const reason = error instanceof LuaFailure ? error.reason : 'result'
    if (reason === 'time_limit') this.#allowance.exceeded()
    this.#ctx.counters.add('failures', 1, reason)
    return this.#failed.handle(this.#chunk, at, end, this.#failure(error.message)) ? KEPT : DROPPED
  }

  #failure(message: string): ShipperError {
    const text = textOf(message)
    const name = this.#source?.name.slice(1) ?? 'the script'
    return new ShipperError('E_FILTER_FAILED', text.includes(name) ? text : `${name}: ${text}`, {
      hint: `see the function ${this.#options.call} of the script`,
    })
  }

  #restart(error: Error): void {
    this.#script?.close()
    this.#script = undefined
    this.#ctx.counters.add('restarts')
    const message = `the script is loaded anew, what it kept in variables is lost: ${textOf(error.message)}`
    this.#ctx.log.error(message, undefined, 'restart')
  }

  #load(): Script {
    const { call, typeIntKey = [], typeArrayKey = [], timeAsTable, enableFlbNull } = this.#options
    const buffers = (keys: readonly string[]) => keys.map((key) => Buffer.from(key))
    const options: ScriptOptions = {
      call,
      limits: this.#limits,
      keyTypes: { ints: buffers(typeIntKey), lists: buffers(typeArrayKey) },
      hasTimeTable: timeAsTable,
      hasNull: enableFlbNull,
    }
    this.#limits.timeMs = this.#options.timeLimit
    const onPrint = (line: string, isError: boolean) => this.#printed.add(line, isError)
    return new Script(this.#source as LuaSource, options, this.#out, onPrint)
  }

  /** Writes what stays as it is up to `to`, and begins the new entries of the chunk at the first call. */
  #flush(to: number): void {
    const { buf, size } = this.#chunk
    if (!this.#isWriting) this.#out.begin(this.#chunk, size >> GROWTH_SHIFT)
    this.#isWriting = true
    this.#out.copy(buf, this.#kept, to)
    this.#kept = to
    this.#begun = this.#out.at
  }
}

function notLoaded(error: Error, { call }: LuaOptions, name: string): Error {
  if (!(error instanceof LuaFailure || error instanceof ValueFailure)) return error
  const isMissing = error instanceof ValueFailure
  return new ShipperError('E_SCRIPT', `the script cannot be loaded: ${textOf(error.message)}`, {
    option: isMissing ? 'call' : name === CODE_NAME ? 'code' : 'script',
    hint: isMissing
      ? `define "function ${call}(tag, timestamp, record)" in it, without "local"`
      : 'fix the script; the language is Lua 5.1, without goto and numbers such as 1LL',
  })
}

/** Returns a message of a script as one line that is not too long. */
function textOf(message: string): string {
  return escapeControls(
    message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}...` : message,
  )
}
