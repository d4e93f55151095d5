import type { Chunk } from '../core/chunk.ts'
import { originId } from './chunk-id.ts'
import { endOfEntry } from './entry-end.ts'
import type { Path, Split } from './path.ts'

/** What a group of a split gets of a chunk: a copy of some records, or all of them, which are not copied yet. */
interface Share {
  path: Path
  part: Chunk | undefined
}

/** What becomes of a chunk by the conditions of routes. */
export interface Division {
  shares: Share[]
  /** Number of records that no route takes. */
  untaken: number
}

/** Returns the id of the copy that goes to a branch: the same for the same chunk, and no other branch's. */
export function branchId({ tag, id }: Chunk, key: string): string {
  return originId(tag, `${id}>${key}`)
}

/** Returns the names of the branches that a copy has taken: what has filters of its own may make another record of the same. */
export function branchOf({ branch }: Chunk, { key, filters }: Path): string {
  return filters.length === 0 ? branch : `${branch}>${key}`
}

/** Returns the id of the records of a chunk to which a filter has given another tag. */
export function reroutedId(tag: string, id: string, filter: string, label: string | undefined): string {
  return originId(tag, `${id}>${filter}>${label ?? ''}`)
}

/**
 * Divides a chunk among the groups of a split; those that get nothing are left out. Each condition is tested once per record,
 * and the results are kept in a byte per record and group, because the size of a copy has to be known before its first byte.
 * Throws only before the first copy.
 */
export function divide(chunk: Chunk, split: Split): Division {
  const { groups } = split
  const isIn = Buffer.alloc(chunk.count * groups.length)
  const counts = groups.map(() => 0)
  const bytes = groups.map(() => 0)
  const taken = new Uint8Array(split.conditions.length)
  let untaken = 0
  for (let at = chunk.start, i = 0; i < chunk.count; i++) {
    const end = endOfEntry(chunk, at, i)
    if (!test(split, chunk.buf, at, end, taken)) untaken++
    for (let g = 0; g < groups.length; g++) {
      if (!isTaken((groups[g] as Split['groups'][number]).routes, taken)) continue
      isIn[i * groups.length + g] = 1
      ;(counts[g] as number)++
      ;(bytes[g] as number) += end - at
    }
    at = end
  }
  const shares: Share[] = []
  for (const [g, { path }] of groups.entries()) {
    if (counts[g] === 0) continue
    if (counts[g] === chunk.count) {
      shares.push({ path, part: undefined })
      continue
    }
    const part = chunk.emptyCopy(branchId(chunk, path.key), bytes[g] as number, branchOf(chunk, path))
    copyRecords(chunk, part, isIn, g, groups.length)
    shares.push({ path, part })
  }
  return { shares, untaken }
}

/** Finds out which routes take the record, and returns true when some do. */
function test({ conditions }: Split, buf: Buffer, at: number, end: number, taken: Uint8Array): boolean {
  let isAnyTaken = false
  for (let r = 0; r < conditions.length; r++) {
    const condition = conditions[r] as Split['conditions'][number]
    taken[r] = condition !== 'default' && condition.test(buf, at, end) ? 1 : 0
    isAnyTaken ||= taken[r] === 1
  }
  if (isAnyTaken) return true
  let hasDefault = false
  for (let r = 0; r < conditions.length; r++) {
    if (conditions[r] !== 'default') continue
    taken[r] = 1
    hasDefault = true
  }
  return hasDefault
}

function isTaken(routes: readonly number[], taken: Uint8Array): boolean {
  for (let i = 0; i < routes.length; i++) if (taken[routes[i] as number] === 1) return true
  return false
}

/** Copies the records of a group, as many neighbors at once as there are. */
function copyRecords(chunk: Chunk, part: Chunk, isIn: Buffer, group: number, groups: number): void {
  let from = chunk.start
  let records = 0
  for (let at = chunk.start, i = 0; i < chunk.count; i++) {
    const end = endOfEntry(chunk, at, i)
    if (isIn[i * groups + group] === 1) records++
    else {
      if (records > 0) part.append(chunk, from, at, records, i - records)
      from = end
      records = 0
    }
    at = end
  }
  if (records > 0) part.append(chunk, from, chunk.end, records, chunk.count - records)
}
