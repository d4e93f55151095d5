import type { Plan } from '../core/plan.ts'

/** Memory of the program without any buffer, and of each followed file; docs/guides/install.md has the measurements. */
const PROGRAM_BYTES = 128_000_000
const BYTES_PER_FILE = 10_000
/** Buffers of sockets, compression and the runtime grow with the chunks: the process needs this many times the limit. */
const LIMIT_FACTOR = 4

/** What the process needs at most, in bytes, and the parts of it. */
interface MemoryNeed {
  bytes: number
  programBytes: number
  limitFactor: number
  bytesPerFile: number
}

/** Returns the memory that a process with this plan needs at most, following this many files. */
export function memoryNeed({ service }: Plan, files: number): MemoryNeed {
  return {
    bytes: PROGRAM_BYTES + LIMIT_FACTOR * service.memoryLimit + BYTES_PER_FILE * files,
    programBytes: PROGRAM_BYTES,
    limitFactor: LIMIT_FACTOR,
    bytesPerFile: BYTES_PER_FILE,
  }
}
