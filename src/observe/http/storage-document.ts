import type { BufferSnapshot, OutputSnapshot, Snapshot } from '../../core/snapshot.ts'
import { bufferDocument } from './snapshot-document.ts'

/** Numbers of chunks by where they are: `fs` are those of the buffer on disk, `up` are in memory. */
interface ChunkCounts {
  total: number
  mem: number
  fs: number
  fsUp: number
  fsDown: number
}

/** Counts the chunks that wait for outputs. A chunk for two outputs counts twice. */
export function chunkCounts({ outputs, buffer }: Pick<Snapshot, 'outputs' | 'buffer'>): ChunkCounts {
  const queued = outputs.reduce((sum, output) => sum + queuedChunks(output), 0)
  const { fs, fsUp } = bufferedChunks(buffer)
  const mem = Math.max(0, queued - fsUp)
  return { total: mem + fs, mem, fs, fsUp, fsDown: fs - fsUp }
}

function queuedChunks({ waiting, inFlight }: OutputSnapshot): number {
  return waiting + inFlight
}

function bufferedChunks(buffer: BufferSnapshot | undefined): { fs: number; fsUp: number } {
  let fs = 0
  let fsUp = 0
  for (const { chunks, chunksInMemory } of buffer?.outputs ?? []) {
    fs += chunks
    fsUp += Math.min(chunks, chunksInMemory)
  }
  return { fs, fsUp }
}

/**
 * Returns fluent-bit's storage document, and the buffer on disk as `buffer` when there is one. All chunks of an input are busy,
 * because they wait for an ack; `busy_size` is the memory of the input. What is on disk belongs to no input any more.
 */
export function storageDocument(snapshot: Snapshot): unknown {
  const { inputs, buffer } = snapshot
  const { total, mem, fs, fsUp, fsDown } = chunkCounts(snapshot)
  return {
    storage_layer: {
      chunks: {
        total_chunks: total,
        mem_chunks: mem,
        fs_chunks: fs,
        fs_chunks_up: fsUp,
        fs_chunks_down: fsDown,
      },
    },
    input_chunks: Object.fromEntries(
      inputs.map(({ name, memory, memoryLimit, chunks }) => [
        name,
        {
          status: {
            overlimit: memoryLimit > 0 && memory >= memoryLimit,
            mem_size: binarySize(memory),
            mem_limit: binarySize(memoryLimit),
          },
          chunks: { total: chunks, up: chunks, down: 0, busy: chunks, busy_size: binarySize(memory) },
        },
      ]),
    ),
    ...(buffer === undefined ? {} : { buffer: bufferDocument(buffer) }),
  }
}

/** Formats a size as fluent-bit does, 1024-based with one decimal: `0b`, `1.5K`, `47.7M`. */
function binarySize(bytes: number): string {
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024
    unit++
  }
  return unit === 0 ? `${size}b` : `${size.toFixed(1)}${UNITS[unit]}`
}

const UNITS = ['b', 'K', 'M', 'G', 'T']
