import { filtersOf, type Plan } from '../core/plan.ts'

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
  /** What filters take themselves. */
  filters: FilterNeed[]
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
  return {
    bytes: PROGRAM_BYTES + LIMIT_FACTOR * plan.service.memoryLimit + BYTES_PER_FILE * files + ofFilters,
    programBytes: PROGRAM_BYTES,
    limitFactor: LIMIT_FACTOR,
    bytesPerFile: BYTES_PER_FILE,
    filters,
  }
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
