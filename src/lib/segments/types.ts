import type { Chunk, Origin } from '../../core/chunk.ts'
import type { Places } from '../../core/places.ts'

/** A place in a log of segments: the number of a segment, and an offset in its file in bytes. */
export interface Position {
  readonly segment: number
  readonly offset: number
}

/** A chunk on disk: everything but its entries. */
export interface StoredChunk {
  readonly at: Position
  /** Place after it. */
  readonly next: Position
  readonly tag: string
  /** Instance name of the input. */
  readonly input: string
  readonly id: string
  /** Number of entries. */
  readonly count: number
  /** Size of the entries in bytes. */
  readonly bytes: number
  readonly hasMetadata: boolean
  readonly origins: readonly Origin[]
  /** Time at which it was written, in milliseconds since 1970. */
  readonly storedMs: number
}

/**
 * How far one output is: every chunk before `position` that is for it has settled, except those at `open`, in their order. A log
 * keeps it; if a state is lost, chunks are sent again, and none is skipped.
 */
export interface OutputState {
  readonly position: Position
  readonly open: readonly Position[]
}

/** What waits for an output. */
export interface Backlog {
  chunks: number
  records: number
  bytes: number
}

/** A part of a segment that cannot be read: its records are lost. */
export interface Damage {
  readonly path: string
  readonly offset: number
  readonly end: number
  /** Number of records in it; undefined when that is unknown. */
  readonly records: number | undefined
  readonly reason: string
}

/**
 * A sequence of chunks on disk, in files of limited size with checksums: segments. Several outputs share it, and each reads the
 * chunks that are for it. One process has it open at a time.
 *
 * A chunk is on disk, and survives a power failure, when a `sync` that was called after `append` has resolved.
 */
export interface SegmentLog {
  readonly folder: string
  /** Place at which the next chunk is written. */
  readonly end: Position
  /** Place before which everything is on disk: nothing after it is found. */
  readonly synced: Position
  /**
   * Number of failed syncs, after each of which what was not synced was cut off. It is counted at once: the
   * caller of `sync` is told somewhat later, and must look here before it appends anything in between.
   */
  readonly cuts: number
  /** Size of all segments in bytes, and their number. */
  readonly bytes: number
  readonly segments: number
  /** Outputs that chunks on disk are for and that were not named when the log was opened, with what waits for them. */
  readonly unknownOutputs: ReadonlyMap<string, Backlog>
  /**
   * Appends a chunk for the named outputs, at least one of those that the log was opened with. Throws a retryable E_BUFFER when
   * it cannot be written; nothing of it is left in the log then.
   */
  append(chunk: Chunk, outputs: readonly string[]): StoredChunk
  /**
   * Resolves when all that was appended before the call is on disk: calls that come while a sync is under way share the next one.
   * Rejects with a retryable E_BUFFER when that cannot be known. Everything after `synced` is then no part of the log any more: it
   * has to be appended again.
   */
  sync(): Promise<void>
  /** Returns the state in which the output was when the log was closed or its process ended; undefined for a new output. */
  stateOf(output: string): OutputState | undefined
  /** Returns the first place of the log. */
  readonly start: Position
  /**
   * Returns the first chunk at `from` or after it and before `synced` that is for the output; otherwise the place at which to look the
   * next time. What is damaged is passed over and reported, once for each run. Throws a retryable E_BUFFER when the disk fails: nothing
   * is lost then, the same call may succeed later.
   */
  find(output: string, from: Position): StoredChunk | Position
  /**
   * Reads the entries of a chunk that `append` or `find` has returned into `buf` at `at`. Returns false when they are damaged, which was
   * reported. Throws a retryable E_BUFFER when the disk fails.
   */
  read(chunk: StoredChunk, buf: Buffer, at: number): boolean
  /** Returns the places of the records of a chunk, if it has any; see core/places.ts. Throws as `read`. */
  places?(chunk: StoredChunk): Places | undefined
  /** Returns what is for the output in `state`, before `end`. Reads the heads of few segments: the others have a summary. */
  backlogOf(output: string, state: OutputState): Backlog
  /**
   * Stores the states of outputs, and deletes the segments that no output needs any more. A failure is logged, and made good by a later
   * call. What is stored survives the end of the process, and before a segment is deleted also a power failure.
   */
  commit(states: ReadonlyMap<string, OutputState>): void
  /** Syncs, and closes all files. */
  close(): Promise<void>
}

export function isStoredChunk(found: StoredChunk | Position): found is StoredChunk {
  return 'count' in found
}
