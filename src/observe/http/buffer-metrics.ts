import type { Family, Sample } from '../../core/metric-family.ts'
import type { BufferSnapshot, Snapshot } from '../../core/snapshot.ts'
import { chunkCounts } from './storage-document.ts'

/** Metrics of the buffer on disk: fluent-bit's gauges of its storage layer, and ours of what it does not have. */

/** Returns the gauges that fluent-bit has of its storage layer, which it has without chunks on disk, too. */
export function storageFamilies(snapshot: Snapshot): Family[] {
  const { total, mem, fs, fsUp, fsDown } = chunkCounts(snapshot)
  return [
    single(
      'fluentbit_storage_chunks',
      'Chunks in memory and on disk; one for two outputs counts twice.',
      total,
    ),
    single('fluentbit_storage_mem_chunks', 'Chunks that are in memory only.', mem),
    single('fluentbit_storage_fs_chunks', 'Chunks of the buffer on disk.', fs),
    single('fluentbit_storage_fs_chunks_up', 'Chunks of the buffer on disk that are also in memory.', fsUp),
    single(
      'fluentbit_storage_fs_chunks_down',
      'Chunks of the buffer on disk that are not in memory.',
      fsDown,
    ),
  ]
}

export function bufferFamilies(buffer: BufferSnapshot, nowMs: number): Family[] {
  const { outputs, problem = buffer.readProblem } = buffer
  const failureMs = problem === undefined ? 0 : Math.max(0, nowMs - problem.sinceMs)
  const limited = outputs.filter(({ limitBytes }) => limitBytes !== undefined)
  return [
    single('shipper_buffer_bytes', 'Size of the buffer on disk in bytes.', buffer.bytes),
    single('shipper_buffer_segments', 'Files of the buffer on disk.', buffer.segments),
    single(
      'shipper_buffer_unwritten_chunks',
      'Chunks that wait to be written to disk.',
      buffer.unwrittenChunks,
    ),
    single('shipper_buffer_unwritten_bytes', 'Bytes that wait to be written to disk.', buffer.unwrittenBytes),
    single(
      'shipper_buffer_failure_seconds',
      'Seconds for which the buffer on disk has not been writable or readable; 0 if it is both.',
      failureMs / 1000,
    ),
    counter(
      single(
        'shipper_buffer_lost_records_total',
        'Records in damaged parts of the buffer on disk.',
        buffer.lostRecords,
      ),
    ),
    counter(
      single(
        'shipper_buffer_damaged_parts_total',
        'Damaged parts of the buffer on disk whose number of records is not known.',
        buffer.damagedParts,
      ),
    ),
    perOutput(
      'shipper_output_buffered_chunks',
      'Chunks in the buffer that wait for the output.',
      outputs,
      (o) => o.chunks,
    ),
    perOutput(
      'shipper_output_buffered_records',
      'Records in the buffer that wait for the output.',
      outputs,
      (o) => o.records,
    ),
    perOutput(
      'shipper_output_buffered_bytes',
      'Bytes in the buffer that wait for the output.',
      outputs,
      (o) => o.bytes,
    ),
    perOutput(
      'shipper_output_buffer_limit_bytes',
      'Limit of shipper_output_buffered_bytes (storage.total_limit_size).',
      limited,
      (o) => o.limitBytes ?? 0,
    ),
    counter(
      perOutput(
        'shipper_output_buffer_dropped_records_total',
        'Records dropped because of storage.total_limit_size; they are among the dropped records of the output.',
        outputs,
        (o) => o.droppedRecords,
      ),
    ),
    perOutput(
      'shipper_buffer_unknown_output_records',
      'Records in the buffer on disk for outputs that the configuration does not have.',
      buffer.unknownOutputs,
      (o) => o.records,
    ),
    perOutput(
      'shipper_buffer_unknown_output_bytes',
      'Bytes in the buffer on disk for outputs that the configuration does not have.',
      buffer.unknownOutputs,
      (o) => o.bytes,
    ),
  ]
}

function single(name: string, help: string, value: number): Family {
  return gauge(name, help, [{ labels: {}, value }])
}

function perOutput<T extends { name: string }>(
  name: string,
  help: string,
  outputs: readonly T[],
  value: (output: T) => number,
): Family {
  return gauge(
    name,
    help,
    outputs.map((output) => ({ labels: { name: output.name }, value: value(output) })),
  )
}

function gauge(name: string, help: string, samples: Sample[]): Family {
  return { name, help, type: 'gauge', samples }
}

function counter(family: Family): Family {
  return { ...family, type: 'counter' }
}
