import { basename, dirname, join } from 'node:path'
import type { Logger } from '../../core/services.ts'
import { FsFailure, namesIn, remove, rename } from '../fs/file-system.ts'
import type { EntryReader } from './entry-reader.ts'
import { DAMAGED_SUFFIX, type Region, type Segment } from './segment.ts'
import type { Damage } from './types.ts'

/** Number of damaged segments that are kept. */
const MAX_DAMAGED = 8

/** Reports each damaged part once. */
export class DamageReport {
  readonly #onDamage: (damage: Damage) => void
  readonly #reported = new Set<string>()

  constructor(onDamage: (damage: Damage) => void) {
    this.#onDamage = onDamage
  }

  report(segment: Segment, { offset, end, records, reason }: Region): void {
    if (records !== 0) segment.isDamaged = true
    this.reportFile({ path: segment.path, offset, end, records, reason })
  }

  /** Reports a part of a file that is no segment of the log. A part without records is not reported. */
  reportFile(damage: Damage): void {
    const key = `${damage.path}:${damage.offset}`
    if (damage.records === 0 || this.#reported.has(key)) return
    this.#reported.add(key)
    this.#onDamage(damage)
  }
}

/** Returns the damaged parts of a segment, which are looked for once. */
export function regionsOf(reader: EntryReader, segment: Segment): readonly Region[] {
  if (segment.regions === undefined || segment.examinedEnd !== segment.end) {
    segment.regions = reader.regionsOf(segment)
    segment.examinedEnd = segment.end
  }
  return segment.regions
}

/** Renames a segment that the disk could not read. Others are not deleted: it may be whole. */
export function keepUnread(path: string, log: Logger): void {
  const failure = rename(path, path + DAMAGED_SUFFIX)
  const kept = `${basename(path)}${DAMAGED_SUFFIX}`
  if (failure === undefined) log.warn(`${path}, which the disk could not read, is kept as ${kept}`)
  else if (failure.code !== 'ENOENT')
    log.warn(`${path}, which the disk could not read, cannot be kept as ${kept}: ${failure.message}`)
}

/** Renames a damaged segment, and deletes older ones if there are too many. */
export function setAside(folder: string, path: string, log: Logger): FsFailure | undefined {
  const failure = rename(path, path + DAMAGED_SUFFIX)
  if (failure !== undefined) return failure
  log.warn(`the damaged segment ${path} is kept as ${basename(path)}${DAMAGED_SUFFIX}`)
  const names = namesIn(dirname(path))
  if (names instanceof FsFailure) return undefined
  const damaged = names.filter((name) => name.endsWith(DAMAGED_SUFFIX)).sort()
  for (const name of damaged.slice(0, -MAX_DAMAGED)) {
    if (remove(join(folder, name)) === undefined) log.warn(`the older damaged segment ${name} was deleted`)
  }
  return undefined
}
