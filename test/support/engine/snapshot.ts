import type { FileStatus } from '../../../src/core/plugin.ts'
import type {
  BufferSnapshot,
  FilterSnapshot,
  InputSnapshot,
  OutputSnapshot,
  Snapshot,
} from '../../../src/core/snapshot.ts'

/**
 * Returns a snapshot of an agent that has run for an hour: one tail with two files, one filter, one output
 * with a retry.
 */
export function sampleSnapshot(changes: Partial<Snapshot> = {}): Snapshot {
  const startedMs = Date.UTC(2026, 10, 21, 5)
  return {
    version: '0.1.0',
    hostname: 'leaf-1',
    startedMs,
    nowMs: startedMs + 3_600_123,
    eventLoop: { worstLagMs: 12.5, slowTurns: 2 },
    memory: { limit: 16_000_000, used: 1_500_000 },
    inputs: [sampleInput()],
    filters: [sampleFilter()],
    outputs: [sampleOutput()],
    ...changes,
  }
}

export function sampleInput(changes: Partial<InputSnapshot> = {}): InputSnapshot {
  return {
    name: 'tail.0',
    plugin: 'tail',
    records: 12,
    bytes: 2400,
    memory: 1024,
    memoryLimit: 50_000_000,
    paused: false,
    chunks: 3,
    counters: { files_opened: 2, files_closed: 0, files_rotated: 1, bytes_abandoned: 0 },
    counterReasons: {},
    counterHelp: {},
    status: {
      files: [
        sampleFile(),
        sampleFile({ path: '/var/log/b.log', inode: '43', size: 900, read: 700, acked: 400, lag: 500 }),
      ],
    },
    ...changes,
  }
}

export function sampleFile(changes: Partial<FileStatus> = {}): FileStatus {
  return {
    path: '/var/log/a.log',
    device: '2049',
    inode: '42',
    size: 2000,
    read: 2000,
    acked: 2000,
    lag: 0,
    state: 'following',
    ...changes,
  }
}

export function sampleFilter(changes: Partial<FilterSnapshot> = {}): FilterSnapshot {
  return {
    name: 'grep.0',
    plugin: 'grep',
    records: 12,
    bytes: 2400,
    addRecords: 0,
    dropRecords: 3,
    dropBytes: 600,
    unkept: undefined,
    counters: {},
    counterReasons: {},
    counterHelp: {},
    ...changes,
  }
}

export function sampleOutput(changes: Partial<OutputSnapshot> = {}): OutputSnapshot {
  return {
    name: 'forward.0',
    plugin: 'forward',
    procRecords: 9,
    procBytes: 1800,
    errors: 1,
    retries: 2,
    retriesFailed: 0,
    retriedRecords: 4,
    droppedRecords: 0,
    waiting: 2,
    inFlight: 1,
    retrying: 1,
    retryAtMs: Date.UTC(2026, 10, 21, 6) + 3_323,
    lastError: 'cannot reach 10.0.0.5:24224: ECONNREFUSED',
    down: undefined,
    unkept: undefined,
    held: undefined,
    lastDeliveryMs: Date.UTC(2026, 10, 21, 5, 59),
    counters: { connections_opened: 3 },
    counterReasons: {},
    counterHelp: {},
    ...changes,
  }
}

/** Returns a buffer on disk in which chunks wait for two outputs: one has caught up, the other is far behind and has a limit. */
export function sampleBuffer(changes: Partial<BufferSnapshot> = {}): BufferSnapshot {
  return {
    folder: '/var/lib/shipper/buffer',
    bytes: 17_000_000,
    segments: 2,
    unwrittenChunks: 0,
    unwrittenBytes: 0,
    lostRecords: 0,
    damagedParts: 0,
    problem: undefined,
    unknownOutputs: [],
    outputs: [
      {
        name: 'forward.0',
        chunks: 3,
        records: 30,
        bytes: 6000,
        chunksInMemory: 3,
        droppedRecords: 0,
        limitBytes: undefined,
      },
      {
        name: 'kafka.0',
        chunks: 60,
        records: 90_000,
        bytes: 15_000_000,
        chunksInMemory: 4,
        droppedRecords: 70,
        limitBytes: 20_000_000,
      },
    ],
    ...changes,
  }
}
