import { filtersOf, type Plan } from '../core/plan.ts'

/** Memory of the program without any buffer, and of each followed file; docs/guides/install.md has the measurements. */
const PROGRAM_BYTES = 128_000_000
const BYTES_PER_FILE = 10_000
/** Buffers of sockets, compression and the runtime grow with the chunks: the process needs this many times the limit. */
const LIMIT_FACTOR = 4
/**
 * A record larger than usual is in memory this many times at once, at most: as a line, an entry and the text of an output, and what these
 * buffers were before they grew; or instead of that, for an output that makes a text of parts, as these. One that is far too large for an
 * output is refused before its text is made.
 */
const RECORD_FACTOR = 4
/** Largest record that PROGRAM_BYTES and LIMIT_FACTOR x Memory_Limit have space for. */
const USUAL_RECORD_BYTES = 1_048_576

/** What the process needs at most, in bytes, and the parts of it. */
interface MemoryNeed {
  bytes: number
  programBytes: number
  limitFactor: number
  bytesPerFile: number
  /** What filters take themselves. */
  filters: FilterNeed[]
  /** The input with the largest records, if they may be larger than usual. */
  records: RecordNeed | undefined
}

/** Memory of one record, as often as it is in memory at once. */
interface RecordNeed {
  name: string
  recordBytes: number
  factor: number
  bytes: number
}

/** Memory of a filter, or of all filters of a plugin. */
interface FilterNeed {
  name: string
  bytes: number
  what: string
}

/** Returns the memory that a process with this plan needs at most, following this many files. */
export function memoryNeed(plan: Plan, files: number): MemoryNeed {
  const filters = filterNeeds(plan)
  const ofFilters = filters.reduce((sum, { bytes }) => sum + bytes, 0)
  const records = recordNeed(plan)
  const { memoryLimit } = plan.service
  const known = PROGRAM_BYTES + LIMIT_FACTOR * memoryLimit + BYTES_PER_FILE * files
  return {
    bytes: known + ofFilters + (records?.bytes ?? 0),
    programBytes: PROGRAM_BYTES,
    limitFactor: LIMIT_FACTOR,
    bytesPerFile: BYTES_PER_FILE,
    filters,
    records,
  }
}

function recordNeed({ inputs }: Plan): RecordNeed | undefined {
  let need: RecordNeed | undefined
  for (const { name, spec, options } of inputs) {
    const recordBytes = spec.maxRecordBytes?.(options as never) ?? 0
    const bytes = RECORD_FACTOR * recordBytes
    if (recordBytes > Math.max(USUAL_RECORD_BYTES, need?.recordBytes ?? 0))
      need = { name, recordBytes, factor: RECORD_FACTOR, bytes }
  }
  return need
}

function filterNeeds(plan: Plan): FilterNeed[] {
  const needs: FilterNeed[] = []
  const shared = new Set<string>()
  for (const { name, spec, options } of filtersOf(plan)) {
    const need = spec.memory?.(options as never)
    if (need === undefined || shared.has(spec.name)) continue
    const { bytes, what, isShared } = need
    if (isShared === true) shared.add(spec.name)
    needs.push({ name: isShared === true ? `all filters ${spec.name}` : name, bytes, what })
  }
  return needs
}
