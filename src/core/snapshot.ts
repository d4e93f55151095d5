import type { Family } from './metric-family.ts'
import type { HeldRecords, InputStatus } from './plugin.ts'

/**
 * The state of the agent at one moment, from which metrics, health, /api/v1/files and the dump on a signal
 * are made.
 */
export interface Snapshot {
  version: string
  hostname: string
  startedMs: number
  nowMs: number
  /** Limit and use of the process-wide budget, in bytes. */
  memory: { limit: number; used: number }
  eventLoop: EventLoopSnapshot
  inputs: InputSnapshot[]
  filters: FilterSnapshot[]
  outputs: OutputSnapshot[]
  /** State of the buffer on disk; undefined when there is none. */
  buffer?: BufferSnapshot
}

/** The buffer on disk. */
export interface BufferSnapshot {
  folder: string
  /** Bytes and number of its segments. */
  bytes: number
  segments: number
  /** Number of chunks that wait to be written, and their bytes. */
  unwrittenChunks: number
  unwrittenBytes: number
  /** Number of records in damaged parts of segments, and number of damaged parts whose records cannot be counted. */
  lostRecords: number
  damagedParts: number
  /** Why nothing can be written; undefined while it can. */
  problem: Unkept | undefined
  /** Why something on disk cannot be read at present; undefined while everything can. It is not lost. */
  readProblem?: Unkept | undefined
  outputs: BufferedOutput[]
  /** Outputs that the configuration does not have: what is in the buffer for them stays there. */
  unknownOutputs: Pick<BufferedOutput, 'name' | 'chunks' | 'records' | 'bytes'>[]
}

/** What is in the buffer for one output. */
export interface BufferedOutput {
  name: string
  /** What has not settled, in memory or not. */
  chunks: number
  records: number
  bytes: number
  /** Number of those chunks that are in memory. */
  chunksInMemory: number
  /** Number of records that were dropped because of `storage.total_limit_size`. */
  droppedRecords: number
  limitBytes: number | undefined
}

/** How promptly the event loop turns. */
export interface EventLoopSnapshot {
  /** Longest time, within the last one to two minutes, by which a timer was late. */
  worstLagMs: number
  /** Number of turns that took over a second. */
  slowTurns: number
}

/** Counters that the plugin declares itself. */
export interface CounterSnapshot {
  /** Counts by name, e.g. files_opened; the sum for a counter with reasons. */
  counters: Record<string, number>
  /** Counts by name and reason, for counters with reasons. */
  counterReasons: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Help text by name. */
  counterHelp: Readonly<Record<string, string>>
}

export interface InputSnapshot extends CounterSnapshot {
  name: string
  plugin: string
  records: number
  bytes: number
  /** Bytes of this input in memory, and its limit: Mem_Buf_Limit, or its share of Memory_Limit. */
  memory: number
  memoryLimit: number
  /** True while the input does not read because a memory limit is reached. */
  paused: boolean
  /** Number of chunks that are sealed and not settled. */
  chunks: number
  status: InputStatus | undefined
}

export interface FilterSnapshot extends CounterSnapshot {
  name: string
  plugin: string
  records: number
  bytes: number
  addRecords: number
  dropRecords: number
  dropBytes: number
  /** Returns the metrics that the filter makes of records; built only where they are shown. */
  metrics?: (() => Family[]) | undefined
  /** Why records on which it failed wait for a place in the dead letters; undefined while none does. */
  unkept: Unkept | undefined
}

export interface OutputSnapshot extends CounterSnapshot {
  name: string
  plugin: string
  procRecords: number
  procBytes: number
  errors: number
  retries: number
  retriesFailed: number
  retriedRecords: number
  droppedRecords: number
  /**
   * Chunks waiting, in flight and waiting for a retry; `retryAtMs` is the time of the earliest retry, if
   * there is one.
   */
  waiting: number
  inFlight: number
  retrying: number
  retryAtMs: number | undefined
  lastError: string | undefined
  /** Outage of the output; undefined while it delivers. */
  down: OutputDown | undefined
  /** Why what was given up waits for a place in the dead letters; undefined while nothing does. */
  unkept: Unkept | undefined
  /** Time of the last acknowledgement, undefined before the first one. */
  lastDeliveryMs: number | undefined
  /** What the output has taken over and not delivered; undefined while there is nothing, or where it takes nothing over. */
  held: HeldRecords | undefined
}

/** An output that has failed and not delivered since, or whose peer does not answer. */
export interface OutputDown {
  sinceMs: number
  /** Number of attempts since then. */
  attempts: number
  /** Message of the last of them. */
  reason: string
}

/** Records that were given up and cannot be written to the dead letters, so that nothing behind them is settled. */
export interface Unkept {
  sinceMs: number
  /** Names the file, and its limit when that is reached. */
  reason: string
  /** What to do. */
  hint: string
}
