import type { BufferSource } from './buffer-source.ts'
import type { Chunk, ChunkInit, Origin } from './chunk.ts'
import type { ShipperError } from './error.ts'
import type { Family } from './metric-family.ts'
import type { MultilineOptions } from './multiline.ts'
import type { OffsetOptions, OffsetStore } from './offset-store.ts'
import type { OptionsOf, OptionTable } from './options/option.ts'
import type { Parser } from './parser.ts'
import type { Places } from './places.ts'
import type { Clock, Counters, CounterTable, LoggedLine, Logger } from './services.ts'

/**
 * The contracts between the engine and its plugins. The engine never sees an offset; a plugin never sees a
 * retry.
 *
 * ```
 *   Input --entries--> Appender --Chunk--> Filter ... --> Output.flush
 *     ^                                                        |
 *     +---------------------- Ack(outcome) --------------------+
 * ```
 */

/**
 * Final state of a chunk.
 *
 * - `delivered`: every matching output has acknowledged it
 * - `stored`: it is in the buffer on disk, from which each output gets it; see `storage.type`
 * - `filtered`: no records were left to send
 * - `dead_letter`: delivered, except for records that are kept in a dead-letter file
 * - `dropped`: records of it were given up and are kept nowhere, as the configuration says; counted and
 *   logged. An input that cannot read them again must not acknowledge them to its sender
 * - `aborted`: not settled when the agent stopped; the next run reads it again
 */
export type Outcome = 'delivered' | 'stored' | 'filtered' | 'dead_letter' | 'dropped' | 'aborted'

/**
 * Reports the outcome of a chunk; called exactly once. A stored position moves on every outcome except
 * `aborted`.
 */
export type Ack = (outcome: Outcome) => void

/** Services that every input, filter and output gets from the engine. */
export interface PluginContext {
  /** Instance name: the `Alias`, or plugin name and number, e.g. `tail.0`. */
  readonly name: string
  readonly log: Logger
  /** Counters of this instance; their names are declared in the spec's `counters`. */
  readonly counters: Counters
  readonly clock: Clock
  /** Version, stable id and host name of this agent, for `Self_Hostname`, chunk ids and banners. */
  readonly agent: { readonly version: string; readonly id: string; readonly hostname: string }
}

/** A part of an input that has a position of its own, e.g. one file, and has written to the current chunk. */
export interface Contributor {
  /**
   * Closes the range of bytes that went into the chunk; the appender calls it when it seals the chunk.
   * `identity` (e.g. `device:inode:time:start-end`) becomes part of the chunk's id; `settle` is called once
   * with the chunk's outcome. `origin` names the file and the range, for dead letters. Returns undefined when
   * the contributor has nothing in the chunk. `places`: those of the chunk's records, if it is handed on.
   */
  closeRange(places?: Places): ClosedRange | undefined
}

export interface ClosedRange {
  identity: string
  settle: Ack
  origin?: Origin
}

/**
 * Collects the records of one tag and seals them into chunks: at its size limit, when `Flush` has passed
 * since the first record, or on `seal`. Created by `InputContext.appender`.
 *
 * ```
 *   if (!out.reserve(n)) { await ctx.waitForMemory(signal); ...try again }
 *   out.end = writeEntryHead(out.buf, out.end, sec, nsec) ...   // write at most n bytes at out.end
 *   out.addRecords(1, bytesRead)
 *   out.addContributor(file)                                    // its range is settled with the chunk
 * ```
 */
export interface Appender {
  readonly tag: string
  /**
   * Buffer to write to. Valid after `reserve` returned true until the next `reserve`, and only until the
   * current turn of the event loop ends: `Flush` may seal the chunk in between.
   */
  buf: Buffer
  /** Offset in `buf` at which the next entry begins; the caller moves it past what it wrote. */
  end: number
  /**
   * Makes space for `bytes` more bytes at `end`, sealing the current chunk when it is full. `expect` is the
   * total number of bytes that are likely to follow (the size of a backlog) and determines the size of a new
   * buffer. Returns false when the memory limit is reached.
   */
  reserve(bytes: number, expect?: number): boolean
  /**
   * Adds what was written up to `end` to the chunk: the number of records, and the bytes of input they were
   * made from.
   */
  addRecords(records: number, inputBytes: number): void
  /**
   * Registers a contributor that has written to the current chunk, or that has skipped bytes which are to be
   * settled with it (empty lines). Call it once per chunk: `closeRange` tells the contributor that the chunk
   * was sealed.
   */
  addContributor(contributor: Contributor): void
  /** Seals the current chunk and passes it on. */
  seal(): void
  /** Set to true by who has written entries with metadata to the current chunk: see `Chunk.hasMetadata`. */
  hasMetadata?: boolean
  /**
   * Places of the entries of the current chunk, where an output wants them: an input that has positions adds a row for each entry it
   * writes. Undefined where none wants them. Changes with `reserve`.
   */
  readonly places?: Places | undefined
  /** Bytes of committed records that are not sealed yet. */
  readonly pendingBytes: number
  /**
   * Size at which the current chunk is sealed. Who reserves space for records that are not read yet asks for no more: the chunk would
   * become larger than what filters make of it allows.
   */
  readonly sealBytes?: number
}

/** Limit of the work of regular expressions on text from outside, and where it is counted when one reaches it. */
export interface RegexLimit {
  /** `Regex_Step_Limit` of the instance, or of [SERVICE]. */
  readonly stepsPerByte: number
  /** Counts a text on which an expression of `owner` reached the limit, and logs the first. */
  reached(expression: string, owner: string, use: RegexUse): void
}

/** What an expression is used for: the reasons of the counter `regex_step_limit`. */
export type RegexReason =
  | 'parser'
  | 'multiline'
  | 'grep'
  | 'tag'
  | 'match'
  | 'condition'
  | 'extract'
  | 'remove'
  | 'rewrite'
  | 'expression'
  | 'redact'

export interface RegexUse {
  readonly reason: RegexReason
  /** Clause that says what is done with a text on which the expression reached the limit. */
  readonly effect: string
}

/** Parsers and multiline rules of the configuration, for plugins that process lines. */
export interface LineContext {
  /**
   * Returns a new instance of the parser with this name; throws E_CONFIG_BAD_VALUE when it does not exist. `use`:
   * what it is used for, when it is not to make a record of a line.
   */
  parser(name: string, use?: RegexUse): Parser
  /**
   * Returns the options of the [MULTILINE_PARSER] section with this name, or undefined when it does not
   * exist.
   */
  multiline(name: string): MultilineOptions | undefined
  /** `Multiline_Buffer_Limit` in bytes. */
  readonly multilineBytes: number
  /** Undefined only in tests: the default limit applies, and nothing is counted. */
  readonly regexLimit?: RegexLimit
}

export interface InputContext extends PluginContext, LineContext {
  /** Configured tag, or the name of the instance. */
  readonly tag: string
  /**
   * Configured tag, or undefined. For inputs whose records carry tags: these are kept when no tag is
   * configured.
   */
  readonly configuredTag?: string | undefined
  /**
   * Returns the appender of a tag. Do not keep it beyond the current turn: an idle appender may be removed.
   */
  appender(tag: string): Appender
  /** Seals every appender of this input. */
  sealAll(): void
  /** Resolves when a refused `reserve` or `take` may succeed, or when `signal` is aborted. */
  waitForMemory(signal: AbortSignal): Promise<void>
  /**
   * Returns how many bytes a source (a file, a connection) may read now for records of this tag; none if it is not positive.
   * `unsettledBytes` is what it has read and is not settled, and `wantedBytes` the size of the next record or block if that
   * is known: where little is allowed, a larger one gets nothing. While the outputs of the tag are slow, a source with little
   * unsettled goes before the others; records whose destination fails, or was not seen to take any, leave a part of the
   * memory to the others. To be asked before a turn, a block or a message, not per record.
   */
  room?(tag: string, unsettledBytes: number, wantedBytes?: number): number
  /** Resolves when `room` may have changed. */
  waitForRoom?(): Promise<void>
  /** As `FilterContext.leftGarbage`, for inputs that make objects for each record, or many for each file. */
  leftGarbage?(bytes: number): void
  /** Source of buffers for the input's own use (a read buffer); each counts until it is given back. */
  readonly buffers: BufferSource
  /** Opens the stored positions of this input; with `path` undefined they are kept in memory only. */
  openOffsets(path: string | undefined, options: OffsetOptions): Promise<OffsetStore>
  /** True when some output wants the places of records: what identifies a source is then to be stored before it is read. */
  readonly wantsPlaces?: boolean
  /** `Flush` in milliseconds. */
  readonly flushMs: number
  /** True with storage.type filesystem. For advice in messages only: to an input it makes no difference where its records wait. */
  readonly isBuffered?: boolean
  /**
   * True when a filter takes this tag for the identity of a source, such as a pod. Where senders choose the tags,
   * such a tag could forge the records of others.
   */
  isIdentity(tag: string): boolean
  /**
   * Returns undefined when records with this tag may be read from the file at `path` (its name, links not
   * resolved). `target` is what that pointed to when the file was opened. Otherwise a filter is still waiting for data
   * about them (e.g. pod metadata), and the promise resolves when the input should ask again; the filter limits the
   * wait. For inputs whose source keeps unread records: to be called before each turn of reading. A number: how many bytes
   * the turn may read.
   */
  ready?(tag: string, path: string, target?: string): Promise<void> | number | undefined
  /**
   * Reports that this input has read everything it ever will (`Exit_On_Eof`, end of stdin). The agent then
   * waits for the acks and exits. `incomplete` names what could not be read, as a clause; the run then counts
   * as failed. `status` is the exit status that a run without other failures has, 0 if it is left out.
   */
  finished(incomplete?: string, status?: number): void
  /**
   * Calls `take` for each line that others than this input log, also for those between the creation of the input and its run, until the
   * returned function is called. `take` is called within whatever logs: it may only keep the line. `isOnWay` is true for a line
   * of the engine, a filter or an output, which may be about a record of this input. Undefined where nothing is logged.
   */
  tapLog?(take: (line: LoggedLine, isOnWay: boolean) => void): () => void
  /** Resolves with the metrics of the agent, those of `/api/v2/metrics`. Undefined where no agent runs. */
  agentMetrics?(): Promise<Family[]>
  /** Gives metrics to the outputs that print them, see `FilterContext.showMetrics`. */
  showMetrics?(tag: string, families: () => Family[]): boolean
}

export interface Input {
  /**
   * Runs until `signal` is aborted or the source ends, then resolves. The engine seals what is pending, and
   * acks still arrive afterwards. Rejects only on a failure that needs an operator.
   */
  run(signal: AbortSignal): Promise<void>
  /** Stores positions and closes files, after the last ack. Called once, also after a failed run. */
  close(): Promise<void>
  /** True when the input will call `finished`. The agent exits when all such inputs have done so. */
  readonly finite?: boolean
  /**
   * True while a finite input has passed on all that there is to read and waits for its source, which may have more or end.
   * A stop is then as good an end as any.
   */
  readonly isWaiting?: boolean
  /**
   * Returns how many bytes a finite input has to read in total, as far as it knows now; for the progress bar.
   */
  totalBytes?(): number
  /** Returns what there is to read (`6 files, 741 KB to read`) for the first line of the log, once that is known. */
  found?(): string | undefined
  /** Returns the state of each file or connection, for `/api/v1/files`, the snapshot and metrics. */
  status?(): InputStatus
}

export interface InputStatus {
  files?: FileStatus[]
  [key: string]: unknown
}

/** One row of `/api/v1/files`. Offsets and sizes are in bytes. */
export interface FileStatus {
  path: string
  device: string
  inode: string
  size: number
  /** Offset up to which the file was read. */
  read: number
  /** Offset up to which everything is acknowledged. */
  acked: number
  /** Bytes between `acked` and `size`. */
  lag: number
  state: string
  /** Numbers of lines since the file was opened that no parser read, and whose time could not be read. */
  parseFailed?: number
  timeFailed?: number
}

/** Services for `InputSpec.preview`. */
export interface PreviewContext extends Pick<PluginContext, 'name' | 'log' | 'counters' | 'clock'> {
  /** Configured tag, or the name of the instance. */
  readonly tag: string
  readonly configuredTag: string | undefined
  /** Number of sources whose start is to be found out; the others are counted. */
  readonly maxSources: number
  /** Opens a copy of the stored positions: the database is neither created nor changed. */
  openOffsets(path: string | undefined, options: OffsetOptions): Promise<OffsetStore>
}

/** What an input would read if it started now. */
export interface InputPreview {
  /** Where its records come from, in a few words: `listens on 127.0.0.1:24224`, `3 files of /var/log/*.log`. */
  source: string
  /** Files or other sources with a position of their own, at most `maxSources`. */
  sources: PreviewedSource[]
  /** Number of further sources. */
  more: number
  /** Number of files that it would follow, each of which takes memory. */
  files?: number
  /** Tags of all sources, each once, at most MAX_PREVIEWED_TAGS; empty: `tag`, or what senders choose. */
  tags: string[]
  /** What the operator should know besides, as clauses. */
  notes: string[]
}

export interface PreviewedSource {
  name: string
  /** Where reading starts, or why nothing is read: `from 1,234 of 5,678 bytes (position in pos.db)`. */
  start: string
  tag: string
}

/** Maximum number of different tags in a preview. */
export const MAX_PREVIEWED_TAGS = 1000

/** Most records that filters send on under other tags, for each record of a chunk of an input: over all of them. */
export const MAX_REROUTES = 100

export interface FilterContext extends PluginContext, LineContext {
  readonly buffers: BufferSource
  /**
   * Sends records as a chunk of their own to what comes after this filter on their path: the filters after it and the
   * outputs; of a branch only those of the branch. With `label`, one of `labels`: to the first step of that label. The
   * engine owns the buffer from here on, and calls `ack` once, at the latest when the agent stops. May be called within
   * `apply`: what it sends is then ahead of the current chunk.
   */
  emit(records: ChunkInit, buffers: BufferSource, ack: Ack, label?: string): void
  /**
   * Sends records under another tag, that of `records`, to the beginning of the way: to all filters and outputs that match the
   * tag, without the processors and the routes of the input, as fluent-bit's emitter does. Where labels route, to the first step
   * of the label that the filter stands in, or of `label`. `records.id` is the id of the chunk that they come from; one call
   * for each chunk, tag and label, as the new id is derived from these. `records.rewrites` are those of that chunk: the
   * engine adds the filter. Buffer and `ack` are as in `emit`.
   */
  reroute(records: ChunkInit, buffers: BufferSource, ack: Ack, label?: string): void
  /**
   * Returns true when one more record of the chunk that is being filtered may be sent on under another tag, and counts it. False
   * when MAX_REROUTES times as many were, as the chunk of the input has records from which this one comes: the record then keeps its tag.
   */
  mayReroute?(): boolean
  /**
   * Names of the labels of a configuration that is routed as in fluentd, with their `@`: a filter looks here whether
   * `@ERROR` is there. Undefined with fluent-bit's routing, which has none.
   */
  readonly labels?: ReadonlySet<string> | undefined
  /**
   * Folder of the first offset database, or of the buffer on disk, for state that a filter has to keep; undefined when there is
   * neither.
   */
  readonly stateFolder?: string | undefined
  /** Folder of the configuration file; undefined when there is none. Relative paths are looked for there too. */
  readonly configFolder?: string | undefined
  /**
   * Gives up the record whose entry is `chunk.buf[start, end)`: it is written to the dead letters of this filter, and the chunk
   * is not acknowledged before it is there. While that cannot be done it waits, and counts against the memory of its input. To be
   * called within `apply`, with the entry as it came; the filter then leaves the record out of the chunk. Only for filters whose
   * option table has ON_ERROR_OPTIONS.
   */
  reject(chunk: Chunk, start: number, end: number, reason: ShipperError): void
  /**
   * Ends the run, which then has the exit status `status`: inputs stop, and what was read is delivered within Grace. `reason`
   * is logged. A chunk that is not to be acknowledged has to be aborted by an ack of `Deferral.defer`.
   */
  endRun?(status: number, reason: string): void
  /**
   * Reports that about `bytes` bytes of objects were made of the records of a chunk and are not used any more, so that they are
   * collected before the process has grown by them. For filters that make objects for each record.
   */
  leftGarbage?(bytes: number): void
  /**
   * Gives metrics to each output that prints them, see `Output.showMetrics`, and whose Match fits the tag. They are not records:
   * nothing waits for them, and those that are not printed are in the next ones. Returns false when there is no such output;
   * `families` is not called then, and there will be none.
   */
  showMetrics?(tag: string, families: () => Family[]): boolean
  /** Reports that what this filter prints has no reader any more, see `OutputContext.readerClosed`. */
  readerClosed?(): void
}

/**
 * Lets a filter defer records of a chunk until the records that belong to them have arrived. A chunk is not
 * acknowledged before the records deferred from it have settled.
 */
export interface Deferral {
  /** Buffers of the chunk's input: deferred records count against its memory limit. */
  readonly buffers: BufferSource
  /** Delays the outcome of the current chunk until the returned ack has been called as well. */
  defer(): Ack
  /**
   * Calls `ack` with the outcome of the records that the filter passes on from the current chunk, which now contains records
   * deferred from earlier chunks. What the filter itself defers from the chunk is not waited for.
   */
  onSettled(ack: Ack): void
}

export interface Filter {
  /**
   * Prepares the filter before the first chunk. Throws only on what an operator has to fix. Slow work (a
   * first list of pods) continues after it has resolved.
   */
  start?(): Promise<void>
  /**
   * Throws what `start` would throw, as far as that shows without asking other machines. Called instead of `start` by a check of
   * the configuration, and followed by `close`.
   */
  check?(): Promise<void> | void
  /**
   * Changes the chunk in place (sets `chunk.end` and `chunk.count` after dropping records), or calls
   * `chunk.replace` with a buffer from `ctx.buffers.force`. Synchronous. A new buffer needs `headRoom(tag)`
   * bytes before the entries and TAIL_ROOM after them.
   */
  apply(chunk: Chunk, deferral: Deferral): void
  /**
   * Implements `InputContext.ready` for tags that the filter matches. The filter has to limit the wait: the
   * promise resolves in every case.
   */
  ready?(tag: string, path: string, opened?: OpenedLog): Promise<void> | undefined
  /** Returns the metrics that the filter makes of records, for the Prometheus endpoints; called at each request. */
  metrics?(): Family[]
  /** Most bytes that the filter adds to a record, if its options tell: where it is much, chunks are small before any was filtered. */
  readonly addedBytes?: number | undefined
  close?(): Promise<void> | void
}

/** What a filter may need besides tag and path before records are read from a file. */
export interface OpenedLog {
  /** What the path pointed to when the file was opened, one link followed; undefined if the input does not tell. */
  target: string | undefined
  /** Passes on the records of the tag that were read so far: to be called before records of another file follow. */
  seal(): void
  /** Limits the size of the next chunks of the tag: for a filter that adds much to each record. Holds for this turn. */
  limit(bytes: number): void
  /** Limits the bytes of input that are read in this turn, to about that many: at least a line is read. */
  limitTurn(bytes: number): void
}

export interface OutputContext extends PluginContext {
  /** Aborted when flushes are to end. Listen to it once, not for each chunk: a run has millions of those. */
  readonly signal: AbortSignal
  readonly buffers: BufferSource
  /** Values of its options that are not to be shown: a peer may repeat them in what it says. Undefined only in tests. */
  readonly secrets?: readonly string[]
  /**
   * Reports that what this output writes has no reader any more and never will, as stdout in `| head`. The agent stops;
   * flushes of this output may fail, their chunks are aborted.
   */
  readerClosed?(): void
  /** As `FilterContext.leftGarbage`, for outputs that make many objects for a chunk. */
  leftGarbage?(bytes: number): void
  /** Folder of the first offset database, or of the buffer on disk, for what an output has to keep; undefined when there is neither. */
  readonly stateFolder?: string | undefined
  /**
   * Makes this process the only one that uses what is at `path`, with a file next to it. Rejects with E_STORE_LOCKED when another one
   * does. Undefined where nothing is kept, as in a trial.
   */
  takeLock?(path: string): Promise<{ release(): void }>
  /** Returns true for a file that the agent itself keeps or depends on: a path that a tag has chosen must not be one. */
  isOwnFile?(path: string): boolean
  /**
   * Rejects the record whose entry is `chunk.buf[start, end)`: the peer will never accept it, or its
   * destination is refused and `isOverdue`. The entry is written to the dead letters, and the flush goes on
   * with the other records and resolves when they are delivered. Calling it again for the same record does
   * nothing. Throws a retryable error when the record cannot be kept now: the flush must then reject with it,
   * and the chunk waits. To be called only while the flush of the chunk is pending or will be retried.
   */
  reject(chunk: Chunk, start: number, end: number, reason: ShipperError): void
  /**
   * Returns true when flushes of this chunk's tag have failed with the scope `records` for Dead_Letter_After:
   * records that a destination of their choice refuses are then to be rejected.
   */
  isOverdue(chunk: Chunk): boolean
  /**
   * Reports that the peer has all records of a chunk, whose flush goes on until it acknowledges them: the chunk is not on its way any
   * more, so that the time until then does not limit what inputs read. It stays in their memory.
   */
  accepted?(chunk: Chunk): void
  /**
   * Returns chunks of a tag that are not in flight, or no more, and are wanted, in their order: `count` at most, the first, the newest, and
   * others at steps that double back from that. To be called while a chunk of the tag is in flight; until that has settled, the entries of
   * these stay in memory. An output may deliver, or reject, records of them ahead of their turn, and has to leave these out when the chunk
   * is flushed.
   */
  waitingChunks?(tag: string, count: number, isWanted: (chunk: Chunk) => boolean): Chunk[]
  /** For outputs that deliver records much later than they get them; undefined only in tests. */
  readonly late?: LateDelivery
}

/** What an output uses that delivers records much later than it gets them, as parts of an object that takes minutes to fill. */
export interface LateDelivery {
  /** Memory that it may take for what it has taken over, in bytes: with more, inputs would wait for what only time gives back. */
  readonly memoryBytes: number
  /**
   * Takes a chunk over. To be called while its flush is pending; the flush then resolves when the output needs the entries no more,
   * and these are given back. Returns what is to be called once with the outcome: `delivered`, or `aborted` when the records cannot
   * be delivered any more, and at the latest when `signal` is aborted. Until then the input keeps its position, and senders get no
   * answer. A flush that rejects has taken over nothing. After a flush has rejected because of the peer, one that resolves says that
   * the peer can be reached again: the output has to try it.
   */
  takeOver(chunk: Chunk): Ack
  /**
   * Returns what supplies the records of the chunk again after each start, until they are delivered: the input, from its position, or
   * the buffer on disk; undefined when nothing does. Of a buffer, no more than 3,000 chunks are to be open at a time.
   */
  readAgainBy(chunk: Chunk): 'input' | 'buffer' | undefined
  /**
   * Returns a function that tells whether everything that inputs have handed on until now has settled, for all of its outputs. Before
   * that a start after a crash may read it again, also what this output has delivered.
   */
  settling(): () => boolean
  /** Reports that the peer has failed on records that were taken over, outside of a flush. */
  peerFailed(error: ShipperError): void
  /** Ends the run with this status, as after a signal: the next run reads again what was aborted. */
  endRun(status: number, reason: string): void
}

/** Records that an output has taken over and not delivered. */
export interface HeldRecords {
  records: number
  /** Their size as the output has it. */
  bytes: number
  /** Where they are and when they are delivered, as a clause without subject: `in 2 open objects: the next ...`. */
  where: string
}

export interface Output {
  /**
   * Prepares the output before the first flush. Throws only on what an operator has to fix (a bad path or
   * certificate).
   */
  start?(): Promise<void>
  /**
   * Resolves when the peer has the chunk. Rejects with a ShipperError whose `retryable` and `scope` say what
   * the engine may do; any other error counts as a defect and is retried. When `ctx.signal` is aborted it
   * rejects within 100 ms. Calls for one lane come in order and may overlap up to the spec's `inFlight`; the
   * chunk must not be touched after the promise settled. If a call fails, calls that were made after it on
   * the same lane must not be delivered before the engine has made it again (they fail too, as those on one
   * connection do), or the order is lost.
   */
  flush(chunk: Chunk): Promise<void>
  /**
   * Prints metrics, which are those of now. Never throws: what cannot be printed is logged. Only for outputs whose spec has
   * `printsMetrics`.
   */
  showMetrics?(families: Family[]): void
  /**
   * True when it may read a chunk whose flush was rejected before it is called for it again: the engine then keeps the entries in
   * memory meanwhile.
   */
  readonly keepsChunks?: boolean
  /** Discards state kept for a chunk that is not flushed again (`Retry_Limit`), or not at all. */
  forget?(chunk: Chunk): void
  /** Returns what it has taken over and not delivered; undefined when there is nothing. To be called now and then only. */
  held?(): HeldRecords | undefined
  /**
   * Delivers what it has taken over, and from now on soon what it takes over. Called when no input reads any more and the queue is
   * empty, perhaps more than once. Resolves when all of it has settled. Never rejects.
   */
  finish?(): Promise<void>
  /** Releases connections and files; called when nothing is in flight. Idempotent. */
  close(): Promise<void>
}

interface SpecBase<T extends OptionTable> {
  readonly name: string
  /** One sentence for `shipper plugins` and the top of the plugin's page. */
  readonly summary: string
  /** Everything a user has to know beyond the options; Markdown. */
  readonly description: string
  readonly options: T
  /** Section in the classic format that runs unchanged; a test loads it. */
  readonly example: string
  /** Names of the counters in `ctx.counters`, with a line of help for each and for each of its reasons. */
  readonly counters?: CounterTable
}

/** A host name or address, and a TCP port. */
export interface Address {
  host: string
  port: number
}

export interface ListenAddress extends Address {
  /** Set when the port is one of UDP. */
  protocol?: 'udp'
}

export interface InputSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'input'
  /** Returns the path of the offset database; other parts of the agent keep their state in its folder. */
  statePath?(options: OptionsOf<T>): string | undefined
  /** Returns true when the input follows the file at this absolute path. */
  reads?(options: OptionsOf<T>, path: string): boolean
  /** Returns the address that the input listens on, if it is one. */
  listensOn?(options: OptionsOf<T>): ListenAddress | undefined
  /** True when the senders keep what they have not got an acknowledgement for. */
  readonly resends?: true
  /** True when a start without a stored position reads again what the source has kept. */
  readonly rereads?: true
  /**
   * What names each record, as a noun phrase ("the boot and the number of the message"): the same whenever it is read, also in another
   * run. The input then adds the places of records to its chunks, where these are wanted (`Appender.places`). Undefined: it has none.
   */
  readonly places?: string
  /**
   * Returns the tags of the records, where `tag` is not that of all; `isConfigured` is false when it is only the name of the
   * instance. A star stands for what senders choose.
   */
  ownTags?(options: OptionsOf<T>, tag: string, isConfigured: boolean): readonly string[]
  /** Finds out what a start would read now. Writes nothing, opens no socket and starts no process. */
  preview?(options: OptionsOf<T>, ctx: PreviewContext): Promise<InputPreview>
  /**
   * Returns options with which the input reads the lines of one file to its end and stops, without a database: for sample
   * lines of what it follows.
   */
  sampleOptions?(options: OptionsOf<T>, path: string): OptionsOf<T>
  /**
   * Makes records of sample lines, which are without their ends, as of those that the input receives or reads: writes them to
   * `ctx.appender`. For inputs that cannot read a file instead.
   */
  readSample?(options: OptionsOf<T>, ctx: InputContext, lines: readonly Buffer[]): Promise<void> | void
  /** True when the input replaces a `*` in the tag by what each message says. */
  readonly fillsTag?: true
  /** True when the input has no records: it shows metrics under its tag, see `Output.showMetrics`. */
  readonly makesMetrics?: true
  /** True when the input asks `InputContext.ready` before it reads, so that filters can let it wait. */
  readonly asksFilters?: true
  /**
   * True when the input reads lines in the plainest way, for sample lines: a JSON object is the record if no Parser is configured, and
   * a line that is not read is the field `log`.
   */
  readonly readsJson?: true
  /** Returns the size of the largest record, where an option says it; undefined: as large as usual. */
  maxRecordBytes?(options: OptionsOf<T>): number
  /** Returns the names of parsers that the input uses and that no option names: built-in ones need no Parsers_File. */
  defaultParsers?(options: OptionsOf<T>): readonly string[]
  create(options: OptionsOf<T>, ctx: InputContext): Input
}
export interface FilterSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'filter'
  /**
   * Returns the pattern of the tags that the filter takes for the identity of a source; see
   * `InputContext.isIdentity`.
   */
  identityTags?(options: OptionsOf<T>): string
  /** For a filter that asks other machines: how it runs in a trial with sample lines, which asks nobody. */
  readonly trial?: FilterTrial<T>
  /** Names the records that the filter sends to the label @ERROR, where a configuration has it; undefined: none. */
  errorRecords?(options: OptionsOf<T>): string | undefined
  /**
   * Returns the tags that the filter gives to records, see `FilterContext.reroute`; `tag` is that of the records, if it is known
   * and not `*`. Such a filter cannot be a processor of an output.
   */
  newTags?(options: OptionsOf<T>, tag?: string): NewTag[]
  /** Returns the tag under which the filter shows metrics, see `FilterContext.showMetrics`; undefined: it shows none. */
  metricsTag?(options: OptionsOf<T>): string | undefined
  /**
   * Returns the name of the option by which the filter limits a rate with `Filter.ready`; undefined when it does not. Records of
   * inputs without `asksFilters`, and with other tags than those that were read, pass without a limit.
   */
  delaysBy?(options: OptionsOf<T>): string | undefined
  /**
   * Returns true when the filter leaves each record in its row and calls `chunk.places?.drop(row)` for each that it leaves out, but not for
   * those that `FilterContext.reject` got; what it sends on has its places. What other filters make gets its places by the metadata, which
   * costs two copies of a chunk.
   */
  keepsPlaces?(options: OptionsOf<T>): boolean
  /** Returns the memory that the filter may take besides chunks and its code; undefined: little. Looks at files, and never throws. */
  memory?(options: OptionsOf<T>): FilterMemory | undefined
  create(options: OptionsOf<T>, ctx: FilterContext): Filter
}
interface FilterMemory {
  bytes: number
  /** What takes it, e.g. `Memory_Limit of the interpreter`. */
  what: string
  /** True when all filters of the plugin take it together. */
  isShared?: true
}
/** Tags that a filter gives to some of its records. */
export interface NewTag {
  /** The tag, in which `*` stands for what is not known before there is a record. */
  pattern: string
  /** Says which records get it, e.g. `$level ~ ^error$`. */
  records: string
  /** Text that is equal for new tags of the same records. */
  rule: string
  /** Label to which they go, where labels route; undefined: the one of the filter. */
  label?: string | undefined
}
interface FilterTrial<T extends OptionTable = OptionTable> {
  /** Returns what the filter asks for, e.g. `pod metadata`; undefined when its options let it ask nobody. */
  asks(options: OptionsOf<T>): string | undefined
  /** Creates the filter with an object that is given instead of an answer, as records have it; undefined: without one. */
  create(options: OptionsOf<T>, ctx: FilterContext, given: Record<string, unknown> | undefined): Filter
}
export interface OutputSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'output'
  /** Maximum number of concurrent flushes. */
  readonly inFlight: number
  /** True when the output prints metrics of filters and inputs, see `Output.showMetrics`. */
  readonly printsMetrics?: true
  /** Returns true when it calls `recordIds`: inputs then tell where they have read each record. */
  usesRecordIds?(options: OptionsOf<T>): boolean
  /** Options that each [NODE] of its Upstream may have of its own; undefined: it has one peer. */
  readonly nodeOptions?: OptionTable
  /**
   * Options that the parts of the path in its address set, as in `es://HOST:PORT/INDEX/TYPE`. Like in fluent-bit, fewer parts set
   * none, and further ones are left out. Undefined: the path is the option `path` or `uri`.
   */
  readonly addressParts?: readonly string[]
  /** Prefix of options that fluent-bit gives to a library, which logs and passes over unknown ones. */
  readonly passesOn?: string
  /** Returns the path of the file that the output writes, if the configuration names it and not a tag. */
  writes?(options: OptionsOf<T>): string | undefined
  /** Returns an example of a file that records with this tag may be written to, if the configuration does not name it. */
  mayWrite?(options: OptionsOf<T>, tag: string): string | undefined
  /** False when its peer acknowledges nothing, whatever the options: records count as delivered when the network has them. */
  readonly hasAcknowledgements?: false
  /** Returns the address that the output connects to, or sends datagrams to, if it is one. */
  connectsTo?(options: OptionsOf<T>): ListenAddress | undefined
  /**
   * Returns a check for trials: it says as a clause what the output would do with the first record of a chunk instead of sending
   * it (`would be rejected: ...`), or returns undefined. Undefined when the options make the output take every record.
   */
  refusal?(options: OptionsOf<T>): ((chunk: Chunk) => string | undefined) | undefined
  create(options: OptionsOf<T>, ctx: OutputContext): Output
}
/** Spec of a parser format (`Format` of a [PARSER] section). */
export interface ParserSpec<T extends OptionTable = OptionTable> extends SpecBase<T> {
  readonly kind: 'parser'
  create(options: OptionsOf<T>, ctx: ParserContext): Parser
}
export interface ParserContext {
  /** `Name` of the section. */
  readonly name: string
  readonly log: Logger
  readonly clock: Clock
  /** Undefined where no line is parsed: the default limit applies, and nothing is counted. */
  readonly regexLimit?: RegexLimit | undefined
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

/**
 * Plugins by kind and name. The list is cheap to load; the code of a plugin is loaded when it is first used.
 */
export interface Registry {
  find(kind: PluginKind, name: string): Promise<PluginSpec | undefined>
  names(kind: PluginKind): string[]
}
