import type { InputStatus } from './plugin.ts'

/** The state of the agent at one moment: what metrics, health, /api/v1/files and the signal's dump are made of. */
export interface Snapshot {
  version: string
  hostname: string
  startedMs: number
  nowMs: number
  /** Bytes of the process-wide budget. */
  memory: { limit: number; used: number }
  inputs: InputSnapshot[]
  filters: FilterSnapshot[]
  outputs: OutputSnapshot[]
}

export interface InputSnapshot {
  name: string
  plugin: string
  records: number
  bytes: number
  /** Bytes of this input in memory, and the most it may hold: Mem_Buf_Limit, or its share of Memory_Limit. */
  memory: number
  memoryLimit: number
  /** True while it does not read because a limit is reached. */
  paused: boolean
  /** Sealed and not settled. */
  chunks: number
  /** The plugin's own counters by name, e.g. files_opened, and what its table says of each. */
  counters: Record<string, number>
  counterHelp: Readonly<Record<string, string>>
  status: InputStatus | undefined
}

export interface FilterSnapshot {
  name: string
  plugin: string
  records: number
  bytes: number
  addRecords: number
  dropRecords: number
  dropBytes: number
  counters: Record<string, number>
  counterHelp: Readonly<Record<string, string>>
}

export interface OutputSnapshot {
  name: string
  plugin: string
  procRecords: number
  procBytes: number
  errors: number
  retries: number
  retriesFailed: number
  retriedRecords: number
  droppedRecords: number
  /** Chunks waiting and in flight; `retryAtMs` of the earliest retry, undefined when none waits. */
  waiting: number
  inFlight: number
  retrying: number
  retryAtMs: number | undefined
  lastError: string | undefined
  counters: Record<string, number>
  counterHelp: Readonly<Record<string, string>>
}
