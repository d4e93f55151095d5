import type { BufferSource } from './buffer-source.ts'
import type { Chunk, ChunkInit } from './chunk.ts'
import type { MultilineOptions } from './multiline.ts'
import type { OffsetOptions, OffsetStore } from './offset-store.ts'
import type { Option, OptionsOf, OptionTable } from './options/option.ts'
import type { Parser } from './parser.ts'
import type { Clock, Counters, Logger } from './services.ts'

/**
 * The contracts between the engine and the plugins. The engine never sees an offset; a plugin never sees a retry.
 */

/** delivered: every route has its ack · filtered: nothing was left to send · dropped: given up and counted · aborted: unsettled at shutdown. */
export type Outcome = 'delivered' | 'filtered' | 'dropped' | 'aborted'

/** Called exactly once per chunk. Only `aborted` must not move a position. */
export type Ack = (outcome: Outcome) => void

/** What every plugin is given. */
export interface PluginContext {
  /** Instance name: the alias, or `tail.0`. */
  readonly name: string
  readonly log: Logger
  readonly counters: Counters
  readonly clock: Clock
  /** Version and a stable id of this agent, for `Self_Hostname`, chunk ids and banners. */
  readonly agent: { readonly version: string; readonly id: string; readonly hostname: string }
}

/** A source with positions (a file): asked for its range when the chunk it wrote to is sealed. */
export interface Contributor {
  /**
   * Ends the range that went into the chunk: `identity` (e.g. `device:inode:time:start-end`) enters the chunk's
   * id, `settle` is called once with its outcome. Undefined: nothing of it is in the chunk.
   */
  closeRange(): { identity: string; settle: Ack } | undefined
}

/**
 * Collects records of one tag and seals them into chunks: at its size limit, when `Flush` has passed since the first
 * record, or when asked. Made by `InputContext.appender`.
 *
 * ```
 *   if (!out.reserve(n)) { await ctx.waitForMemory(signal); ...try again }
 *   out.end = writeEntryHead(out.buf, out.end, sec, nsec) ...   // write at most n bytes at out.end
 *   out.commit(1, bytesRead)
 *   out.join(contributor)                                       // its range is settled with the chunk
 * ```
 */
export interface Appender {
  readonly tag: string
  /** Valid after a true `reserve` until the next one, and until the turn ends: `Flush` may seal in between. */
  buf: Buffer
  end: number
  /**
   * Makes room for `bytes` more at `end`, sealing the current chunk when it is full. `expect` is how many bytes in all
   * are likely to follow (the size of a backlog): it chooses the buffer's size. False: the budget is exhausted.
   */
  reserve(bytes: number, expect?: number): boolean
  /** Records that now end at `end`: their number and the bytes of input they came from. */
  commit(records: number, inputBytes: number): void
  /**
   * The contributor has written to the current chunk, or passed over bytes that are to be settled with it (empty lines).
   * Call once per chunk: `closeRange` says when the chunk was sealed.
   */
  addContributor(contributor: Contributor): void
  /** Sends what is held now. */
  seal(): void
  /** Bytes of records held and not yet sealed. */
  readonly pendingBytes: number
}

/** For whoever has lines. */
export interface LineContext {
  /** The parser of this name; throws E_CONFIG_BAD_VALUE when there is none. */
  parser(name: string): Parser
  /** What the [MULTILINE_PARSER] section of this name says; undefined: there is none. */
  multiline(name: string): MultilineOptions | undefined
  /** `Multiline_Buffer_Limit` in bytes. */
  readonly multilineBytes: number
}

export interface InputContext extends PluginContext, LineContext {
  /** The configured tag, or the name of the instance. */
  readonly tag: string
  /** The configured tag alone, for inputs whose records bring one: undefined, they keep it. */
  readonly configuredTag?: string | undefined
  /** To be asked for in every turn and not kept: one that holds nothing may be forgotten. */
  appender(tag: string): Appender
  /** Seals every appender of this input. */
  sealAll(): void
  /** Resolves when the budget may have room again, or `signal` is aborted. */
  waitForMemory(signal: AbortSignal): Promise<void>
  /** A buffer of this input's own (a read buffer), counted for as long as it is held. */
  readonly buffers: BufferSource
  /** The stored positions of this input; `path` undefined = kept in memory only. */
  openOffsets(path: string | undefined, options: OffsetOptions): Promise<OffsetStore>
  /** `Flush` in milliseconds. */
  readonly flushMs: number
  /**
   * Undefined: records of this tag may be read from the file at `path` (its name, links not followed). Else a filter
   * waits for what it needs to know of them; the promise resolves, after a limit of the filter's, when it is to be
   * asked again. For inputs whose records wait where they are: to be asked before each turn of reading.
   */
  ready?(tag: string, path: string): Promise<void> | undefined
  /**
   * Says that this input has read all it ever will (`Exit_On_Eof`, end of stdin): the agent waits for its acks and ends.
   * `incomplete`: what could not be read, a clause; the run has then failed.
   */
  finished(incomplete?: string): void
}

export interface Input {
  /**
   * Runs until `signal` is aborted or the source ends, then resolves; held records are sealed by the engine, and acks
   * still arrive afterwards. Rejects only for a failure that nothing but an operator can mend.
   */
  run(signal: AbortSignal): Promise<void>
  /** After the last ack: commit positions, close files. Called once, also after a failed run. */
  close(): Promise<void>
  /** True: it calls `finished` some time. The agent ends when all such inputs have. */
  readonly finite?: boolean
  /** Bytes that a finite input has to read in all, as known now: for the progress bar. */
  totalBytes?(): number
  /** For `/api/v1/files`, the snapshot and metrics: state per file or connection. */
  status?(): InputStatus
}

export interface InputStatus {
  files?: FileStatus[]
  [key: string]: unknown
}

/** One row of `/api/v1/files`. Offsets and sizes in bytes. */
export interface FileStatus {
  path: string
  device: string
  inode: string
  size: number
  read: number
  acked: number
  lag: number
  state: string
}

export interface FilterContext extends PluginContext, LineContext {
  readonly buffers: BufferSource
  /** Sends records on that were kept back, as a chunk of their own, to the filters behind this one and the outputs. */
  emit(records: ChunkInit, buffers: BufferSource, ack: Ack): void
  /** Where the agent keeps its positions: the folder of the first input's database; undefined when there is none. */
  readonly stateFolder?: string | undefined
}

/**
 * For a filter that keeps records of a chunk back until those that belong to them have come. Nothing of a chunk is
 * acknowledged before what was kept of it has settled.
 */
export interface Deferral {
  /** Those of the chunk's input: what is kept counts there. */
  readonly buffers: BufferSource
  /** The chunk at hand settles only when this is called too. */
  defer(): Ack
  /** Is told what becomes of the chunk at hand: records that were kept before are in it now. */
  onSettled(ack: Ack): void
}

export interface Filter {
  /** Before the first chunk; throws only for what an operator must mend. What takes long goes on behind it. */
  start?(): Promise<void>
  /**
   * Changes the chunk in place (`chunk.end`, `chunk.count` after dropping records) or with `chunk.replace` and a buffer
   * from `ctx.buffers.force`. Synchronous; it must keep `headRoom(tag)` before and TAIL_ROOM behind the entries.
   */
  apply(chunk: Chunk, later: Deferral): void
  /** As `InputContext.ready`, for tags that the filter matches. It keeps the limit: the promise resolves in any case. */
  ready?(tag: string, path: string): Promise<void> | undefined
  close?(): Promise<void> | void
}

export interface OutputContext extends PluginContext {
  readonly buffers: BufferSource
  /** Folder of the first offset database, for what an output has to keep; undefined when there is none. */
  readonly stateFolder?: string | undefined
}

export interface Output {
  /** Before the first flush; throws only for what an operator must mend (a bad path, a bad certificate). */
  start?(): Promise<void>
  /**
   * Resolves when the peer has the chunk. Rejects with a ShipperError whose `retryable` and `scope` say what the engine
   * may do; any other error counts as a defect and is retried. When `signal` is aborted it rejects within 100 ms.
   * Calls for one lane come in order and may overlap up to the spec's `inFlight`; the chunk must not be touched after
   * the promise settled. If a call fails, calls that were made after it on the same lane must not be delivered before
   * the engine has made it again (they fail too, as those on one connection do), or the order is lost.
   */
  flush(chunk: Chunk, signal: AbortSignal): Promise<void>
  /** After a rejected flush: the chunk is given up and does not come again (`Retry_Limit`). */
  forget?(chunk: Chunk): void
  /** Nothing is in flight any more. Idempotent. */
  close(): Promise<void>
}

interface SpecBase<T extends OptionTable> {
  readonly name: string
  /** One sentence for `shipper plugins` and the page's head. */
  readonly summary: string
  /** What a user has to know beyond the options; Markdown. */
  readonly description: string
  readonly options: T
  /** A classic-format section that runs as it is: a test loads it. */
  readonly example: string
  /** Metric names that `ctx.counters` is given, with one line each. */
  readonly counters?: Record<string, string>
}

export interface InputSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'input'
  /** The file of its positions: what other parts keep goes into its folder. */
  statePath?(options: OptionsOf<T>): string | undefined
  create(options: OptionsOf<T>, ctx: InputContext): Input
}
export interface FilterSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'filter'
  create(options: OptionsOf<T>, ctx: FilterContext): Filter
}
export interface OutputSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'output'
  /** How many flushes may run at once. */
  readonly inFlight: number
  create(options: OptionsOf<T>, ctx: OutputContext): Output
}
/** A parser format (`Format` of a [PARSER] section). */
export interface ParserSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'parser'
  create(options: OptionsOf<T>, ctx: ParserContext): Parser
}
export interface ParserContext {
  /** The section's Name. */
  readonly name: string
  readonly log: Logger
  readonly clock: Clock
}

export type PluginSpec = InputSpec | FilterSpec | OutputSpec | ParserSpec
export type PluginKind = PluginSpec['kind']

export function defineInput<const T extends OptionTable>(spec: InputSpec<T>): InputSpec<T> {
  return spec
}
export function defineFilter<const T extends OptionTable>(spec: FilterSpec<T>): FilterSpec<T> {
  return spec
}
export function defineOutput<const T extends OptionTable>(spec: OutputSpec<T>): OutputSpec<T> {
  return spec
}
export function defineParser<const T extends OptionTable>(spec: ParserSpec<T>): ParserSpec<T> {
  return spec
}

/** The list of plugins, by kind and name: light enough to load at once; the code of a plugin is loaded when it is used. */
export interface Registry {
  find(kind: PluginKind, name: string): Promise<PluginSpec | undefined>
  names(kind: PluginKind): string[]
}

/** Options that every plugin of a kind has besides its own; read by the engine. */
export type CommonOptions = { readonly [K in PluginKind]: OptionTable }
export type { Option }
