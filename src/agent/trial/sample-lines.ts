import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TAIL_ROOM } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { ENTRY_HEAD, encodeStr, skip, writeEntryHead, writeStrHead } from '../../core/msgpack/encode.ts'
import { mapPairs } from '../../core/msgpack/record.ts'
import type { EntryWriter } from '../../core/parser.ts'
import type { InputPlan } from '../../core/plan.ts'
import type { Appender, Contributor, InputContext } from '../../core/plugin.ts'
import { systemClock } from '../../engine/clock.ts'
import { JsonTranscoder, jsonBound } from '../../lib/json/json-to-msgpack.ts'
import { counted } from '../../lib/text/counted.ts'
import { splitMs } from '../../lib/time/split-ms.ts'
import { FREE_BUFFERS } from './trace.ts'

/** Longest line that is taken apart here; an input with files has a limit of its own. */
export const MAX_LINE_BYTES = 1_000_000
const LOG_MAP_HEAD = Buffer.concat([Buffer.from([0x81]), encodeStr('log')])
const CR = 13
/** Time that an input may take to read the sample. */
const MAX_READ_MS = 30_000

interface SampleOptions {
  /** Input whose way of reading the lines have; undefined: each line is the field `log`. */
  input: InputPlan | undefined
  /** True when each line is a JSON object that is the record. */
  isJson: boolean
  /** Tells what the operator should know about a line. */
  note: (text: string) => void
}

/** An entry of a sample, `[time, map]` as MessagePack, and its tag. */
export interface SampleEntry {
  bytes: Buffer
  tag: string
}

/**
 * Returns the entries that the input makes of sample lines. They have the tag of `ctx`, in which an input that fills the `*` of tags
 * replaces it.
 */
export function entriesOf(
  lines: readonly Buffer[],
  options: SampleOptions,
  ctx: InputContext,
): Promise<SampleEntry[]> {
  const { input, isJson, note } = options
  if (input !== undefined && !isJson) {
    const { sampleOptions, readSample, readsJson } = input.spec
    if (sampleOptions !== undefined) return readByInput(lines, input, options, ctx)
    if (readSample !== undefined) return readAsInput(lines, input, options, ctx)
    if (readsJson !== true)
      note(`${input.name} reads no lines: each is taken as the field "log" of a record; --json takes records`)
  }
  const entries = new SampleLines(options, ctx).entries(lines)
  return Promise.resolve(entries.map((bytes) => ({ bytes, tag: ctx.tag })))
}

/** Has the input itself make records of the lines. */
async function readAsInput(
  lines: readonly Buffer[],
  input: InputPlan,
  { note }: SampleOptions,
  ctx: InputContext,
): Promise<SampleEntry[]> {
  const collected = new CollectingAppender(ctx.tag)
  const { spec, options } = input
  const collecting = collectingContext(ctx, collected)
  if (spec.fillsTag === true && ctx.tag.includes('*')) collecting.appender = (tag) => collected.of(tag)
  await spec.readSample?.(options as never, collecting, lines)
  collected.seal()
  noteFailures(input, ctx, note)
  return collected.entries
}

/** Returns the context of an input whose records are collected. */
function collectingContext(ctx: InputContext, collected: CollectingAppender): InputContext {
  return {
    ...ctx,
    buffers: FREE_BUFFERS,
    log: withoutWarnings(ctx.log),
    appender: () => collected,
    sealAll: () => collected.seal(),
    waitForMemory: () => Promise.resolve(),
    room: () => Number.POSITIVE_INFINITY,
    waitForRoom: () => Promise.resolve(),
    ready: () => undefined,
  }
}

/** Has the input itself read the lines from a file, so that parsing and joining are its own. */
async function readByInput(
  lines: readonly Buffer[],
  input: InputPlan,
  { note }: SampleOptions,
  ctx: InputContext,
): Promise<SampleEntry[]> {
  const folder = mkdtempSync(join(tmpdir(), 'shipper-sample-'))
  try {
    const path = join(folder, 'sample.log')
    writeFileSync(path, Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])), { mode: 0o600 })
    const options = input.spec.sampleOptions?.(input.options as never, path)
    const collected = new CollectingAppender(ctx.tag)
    const stop = new AbortController()
    const timeout = AbortSignal.timeout(MAX_READ_MS)
    const reader = input.spec.create(options as never, {
      ...collectingContext(ctx, collected),
      // Timers are real: records have the time of the trial, and are joined as in a run.
      clock: { ...systemClock, nowMs: () => ctx.clock.nowMs() },
      finished: () => stop.abort(),
    })
    try {
      await reader.run(AbortSignal.any([stop.signal, timeout]))
      collected.seal()
    } finally {
      await reader.close()
    }
    if (timeout.aborted) throw new ShipperError('E_CLI_USAGE', 'the input took too long to read the sample')
    noteFailures(input, ctx, note)
    return collected.entries
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Tells how many lines the parser of the input did not read, or not their time: its counters say so. */
function noteFailures(
  { name, options }: InputPlan,
  { counters }: InputContext,
  note: (text: string) => void,
): void {
  const { parser } = options as { parser?: unknown }
  const by = typeof parser === 'string' ? `the parser ${parser}` : 'its parser'
  const unread = counters.get('parse_failed')
  if (unread > 0) note(`${name}: ${by} did not read ${counted(unread, 'line')}: kept unchanged`)
  const untimed = counters.get('time_failed')
  if (untimed > 0)
    note(`${name}: ${by} did not read the time of ${counted(untimed, 'line')}: the time of reading is used`)
}

/** The sample is read without a database: what an input says about that does not concern the configuration. */
function withoutWarnings(log: InputContext['log']): InputContext['log'] {
  return { error: (...line) => log.error(...line), warn() {}, info() {}, debug() {} }
}

/** Keeps the entries of an input instead of sending them on. */
class CollectingAppender implements Appender {
  tag: string
  buf: Buffer = Buffer.allocUnsafe(65_536)
  end = 0
  readonly entries: SampleEntry[] = []
  #committed = 0
  #contributors: Contributor[] = []

  constructor(tag: string) {
    this.tag = tag
  }

  /** Returns this appender, with the tag of the entries that follow. */
  of(tag: string): this {
    if (tag !== this.tag) this.seal()
    this.tag = tag
    return this
  }

  get pendingBytes(): number {
    return this.#committed
  }

  reserve(bytes: number): boolean {
    // Inputs leave the tail room free, and would ask again without an end if it counted as room.
    if (this.end + bytes + TAIL_ROOM > this.buf.length) {
      const buf = Buffer.allocUnsafe((this.end + bytes) * 2 + TAIL_ROOM)
      this.buf.copy(buf, 0, 0, this.#committed)
      this.buf = buf
      this.end = this.#committed
    }
    return true
  }

  addRecords(): void {
    this.#committed = this.end
  }

  addContributor(contributor: Contributor): void {
    this.#contributors.push(contributor)
  }

  seal(): void {
    const contributors = this.#contributors
    this.#contributors = []
    for (const bytes of splitEntries(this.buf.subarray(0, this.#committed)))
      this.entries.push({ bytes, tag: this.tag })
    this.#committed = this.end = 0
    for (const contributor of contributors) contributor.closeRange()?.settle('delivered')
  }
}

/** Returns a copy of each entry. */
function splitEntries(bytes: Buffer): Buffer[] {
  const entries: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = skip(bytes, at, bytes.length)
    if (end < 0) throw new ShipperError('E_INTERNAL', 'an input wrote a malformed entry')
    entries.push(Buffer.from(bytes.subarray(at, end)))
    at = end
  }
  return entries
}

/** Makes records of lines in the plainest way: with the Parser of the input, or as the field `log`. */
class SampleLines {
  readonly #options: SampleOptions
  readonly #ctx: InputContext
  readonly #json = new JsonTranscoder()
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }

  constructor(options: SampleOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
  }

  entries(lines: readonly Buffer[]): Buffer[] {
    const { input, isJson, note } = this.#options
    const name = (input?.options as { parser?: unknown } | undefined)?.parser
    const parser = typeof name === 'string' ? this.#ctx.parser(name) : undefined
    const mayBeJson = isJson || (parser === undefined && input?.spec.readsJson === true)
    return lines.map((given, i) => {
      const line = given.at(-1) === CR ? given.subarray(0, -1) : given
      const writer = this.#begin(
        ENTRY_HEAD + Math.max(jsonBound(line.length), parser?.bound(line.length) ?? 0),
      )
      const timeFailures = parser?.timeFailures
      const isRead = mayBeJson
        ? this.#readJson(line)
        : !isJson && parser?.parse(line, 0, line.length, writer) === true
      if (!isRead) {
        if (isJson) note(`line ${i + 1} is not a JSON object: it is kept under "log"`)
        else if (parser !== undefined)
          note(`line ${i + 1} is not read by the parser ${name}: it is kept under "log"`)
        this.#writeLine(line)
      } else if (parser?.timeFailures !== timeFailures)
        note(`the time of line ${i + 1} is not read by the parser ${name}: the time of reading is used`)
      writeEntryHead(writer.buf, 0, writer.sec, writer.nsec)
      return Buffer.from(writer.buf.subarray(0, writer.at))
    })
  }

  #begin(bytes: number): EntryWriter {
    const now = splitMs(this.#ctx.clock.nowMs())
    this.#writer.buf = Buffer.allocUnsafe(bytes + LOG_MAP_HEAD.length + 16)
    return Object.assign(this.#writer, { at: ENTRY_HEAD, sec: now.sec, nsec: now.nsec })
  }

  #readJson(line: Buffer): boolean {
    const { buf } = this.#writer
    const end = this.#json.transcode(line, 0, line.length, buf, ENTRY_HEAD)
    const rest = line.toString('latin1', this.#json.end).trim()
    if (end < 0 || rest !== '' || mapPairs(buf, ENTRY_HEAD) < 0) return false
    this.#writer.at = end
    return true
  }

  #writeLine(line: Buffer): void {
    const writer = this.#writer
    let at = ENTRY_HEAD + LOG_MAP_HEAD.copy(writer.buf, ENTRY_HEAD)
    at = writeStrHead(writer.buf, at, line.length)
    writer.at = at + line.copy(writer.buf, at)
  }
}
