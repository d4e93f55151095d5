import type { FileStatus } from '../../core/plugin.ts'
import type {
  BufferSnapshot,
  CounterSnapshot,
  FilterSnapshot,
  InputSnapshot,
  OutputSnapshot,
  Snapshot,
  Unkept,
} from '../../core/snapshot.ts'

/** Returns the document of `/api/v1/snapshot`: times as ISO 8601, sizes in bytes. */
export function snapshotDocument(snapshot: Snapshot): unknown {
  const { version, hostname, startedMs, nowMs, memory, buffer } = snapshot
  return {
    version,
    hostname,
    started: isoTime(startedMs),
    time: isoTime(nowMs),
    memory,
    ...(buffer === undefined ? {} : { buffer: bufferDocument(buffer) }),
    inputs: snapshot.inputs.map(inputDocument),
    filters: snapshot.filters.map(filterDocument),
    outputs: snapshot.outputs.map(outputDocument),
  }
}

/** Returns the buffer on disk, for the snapshot and `/api/v1/storage`. */
export function bufferDocument(buffer: BufferSnapshot): unknown {
  const { folder, bytes, segments, problem } = buffer
  return {
    folder,
    bytes,
    segments,
    unwritten_chunks: buffer.unwrittenChunks,
    unwritten_bytes: buffer.unwrittenBytes,
    lost_records: buffer.lostRecords,
    damaged_parts: buffer.damagedParts,
    failure: unkeptDocument(problem),
    read_failure: unkeptDocument(buffer.readProblem),
    outputs: buffer.outputs.map(({ name, chunks, records, bytes: size, ...output }) => ({
      name,
      chunks,
      records,
      bytes: size,
      chunks_in_memory: output.chunksInMemory,
      dropped_records: output.droppedRecords,
      limit: output.limitBytes ?? null,
    })),
    unknown_outputs: buffer.unknownOutputs,
  }
}

/** Returns a row of `/api/v1/files` and of the snapshot. */
export function fileDocument({ parseFailed, timeFailed, ...file }: FileStatus): unknown {
  return { ...file, parse_failed: parseFailed, time_failed: timeFailed }
}

function inputDocument(input: InputSnapshot): unknown {
  const { name, plugin, records, bytes, memory, memoryLimit, paused, chunks, status } = input
  const base = { name, plugin, records, bytes, memory, memory_limit: memoryLimit, paused, chunks }
  return { ...base, ...counters(input), ...status, files: status?.files?.map(fileDocument) }
}

function filterDocument(filter: FilterSnapshot): unknown {
  const { name, plugin, records, bytes, addRecords, dropRecords, dropBytes } = filter
  const changes = { add_records: addRecords, drop_records: dropRecords, drop_bytes: dropBytes }
  const failure =
    filter.counters.dead_letters === undefined ? {} : { dead_letter_failure: unkeptDocument(filter.unkept) }
  return { name, plugin, records, bytes, ...changes, ...failure, ...counters(filter) }
}

function unkeptDocument(unkept: Unkept | undefined): unknown {
  if (unkept === undefined) return null
  return { since: isoTime(unkept.sinceMs), reason: unkept.reason, hint: unkept.hint }
}

function outputDocument(output: OutputSnapshot): unknown {
  const { name, plugin, waiting, retrying, retryAtMs, down, unkept, lastDeliveryMs, held } = output
  return {
    name,
    plugin,
    proc_records: output.procRecords,
    proc_bytes: output.procBytes,
    errors: output.errors,
    retries: output.retries,
    retries_failed: output.retriesFailed,
    retried_records: output.retriedRecords,
    dropped_records: output.droppedRecords,
    waiting,
    in_flight: output.inFlight,
    retrying,
    next_retry: isoTime(retryAtMs),
    last_error: output.lastError,
    last_delivery: isoTime(lastDeliveryMs),
    ...(held !== undefined && { held }),
    down:
      down === undefined
        ? null
        : { since: isoTime(down.sinceMs), attempts: down.attempts, reason: down.reason },
    dead_letter_failure: unkeptDocument(unkept),
    ...counters(output),
  }
}

function counters({ counters: counts, counterReasons }: CounterSnapshot): object {
  return { counters: counts, reasons: counterReasons }
}

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}
