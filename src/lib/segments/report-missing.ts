import type { SegmentFile } from './choose-files.ts'
import type { DamageReport } from './damage.ts'
import type { FolderContent } from './folder.ts'
import type { IsNeeded } from './load-segments.ts'
import { type SegmentList, segmentPath } from './segment.ts'
import type { Passed } from './state-file.ts'
import type { OutputState } from './types.ts'

interface MissingInit {
  folder: string
  found: FolderContent
  segments: SegmentList
  unreadable: readonly SegmentFile[]
  /** State of each output that has one, and what was written before its position. */
  states: ReadonlyMap<string, OutputState>
  passedOf: (output: string) => Passed | undefined
  /** What was on disk when the state of an output was written. */
  totalOf: (output: string) => Passed
  isNeeded: IsNeeded
  damage: DamageReport
}

/**
 * Numbers of missing segments between two that exist, `(from, to)`: what follows tells how many records they
 * had. Without a number in between, the end of segment `from` is missing.
 */
interface Gap {
  from: number
  readonly to: number
  /** Number of missing records, of each output that needs them: a record for two outputs is in both. */
  own: number
  /** Number of missing records for any output; undefined when that is unknown. */
  all: number | undefined
}

/**
 * Reports the records of segments that are missing: of files that were removed, that are no files, or without a header. Each header has
 * the number of records that came before it for each output: more than the last segment or state that is known has at its end
 * are missing. Segments that had nothing for an output, and were deleted, leave no such difference.
 *
 * After the last file the states tell what was on disk when they were written. What a run before has set aside is not reported again.
 */
export function reportMissing(init: MissingInit): void {
  const { found, folder, unreadable, damage } = init
  /** Unreadable files of which it is known what they had, for each output that needs them. */
  const told = new Map<number, number>()
  const gaps = new Map<number, Gap>()
  let needing = 0
  for (const [output, state] of init.states) {
    needing++
    eachStep(init, output, state, (step) => {
      // What is known of the end is what was on disk when a state was written last: more may have come since.
      for (const { number } of unreadable)
        if (step.from < number && number < step.to && step.to !== END)
          told.set(number, (told.get(number) ?? 0) + 1)
      if (step.own > 0) merge(gaps, step)
    })
  }
  const reported = new Set<number>()
  for (const { from, to, own, all } of gaps.values()) {
    if ([...found.setAside].some((number) => from < number && number < to)) continue
    const file = to === END ? undefined : unreadable.find(({ number }) => from < number && number < to)
    const irregular = [...found.irregular].find((number) => from < number && number < to)
    const number = file?.number ?? irregular ?? from + 1
    const isEnd = file === undefined && irregular === undefined && (to === END || to === from + 1)
    for (const each of unreadable)
      if (from < each.number && each.number < to && to !== END) reported.add(each.number)
    const reason = isEnd ? END_MISSING : irregular === undefined ? MISSING : 'it is not a regular file'
    damage.reportFile({
      path: isEnd ? folder : segmentPath(folder, number),
      offset: 0,
      end: file?.ends.fileBytes ?? 0,
      records: Math.min(own, all ?? own),
      reason: file === undefined ? reason : reasonOf(file),
    })
  }
  const unknown = new Set<number>()
  for (const { number, path, ends } of unreadable) {
    const isTold = reported.has(number) || told.get(number) === needing
    if (isTold || !init.isNeeded(undefined, number, ends.fileBytes)) continue
    unknown.add(number)
    damage.reportFile({
      path,
      offset: 0,
      end: ends.fileBytes,
      records: undefined,
      reason: reasonOf({ ends }),
    })
  }
  reportOpen(init, unknown)
}

/** Upper end of the gap after the last segment. */
const END = Number.POSITIVE_INFINITY
const MISSING = 'the file is missing'
const END_MISSING =
  'what was written last is missing, unless it was delivered and deleted while positions could not be stored'

function reasonOf({ ends }: Pick<SegmentFile, 'ends'>): string {
  return ends.failure === undefined
    ? 'the header of the file is damaged'
    : `the disk cannot read the header of the file: ${ends.failure.message}`
}

/** Calls `visit` for each place at which segments may be missing that the output has not passed, with the number of its records there. */
function eachStep(
  { segments, passedOf, totalOf }: MissingInit,
  output: string,
  { position }: OutputState,
  visit: (step: Gap) => void,
): void {
  const passed = passedOf(output)
  let from = position.segment - 1
  let own = passed?.own
  let all = passed?.before
  for (const segment of segments.all.slice(segments.indexFrom(position.segment))) {
    const before = segment.beforeOf(output)
    if (before === undefined) continue
    if (own !== undefined && segment.number > position.segment)
      visit({
        from,
        to: segment.number,
        own: Math.max(0, before - own),
        all: all === undefined ? undefined : Math.max(0, segment.head.before - all),
      })
    own = segment.throughOf(output)
    all = segment.records === undefined ? undefined : segment.head.before + segment.records
    from = segment.number
  }
  const total = totalOf(output)
  if (own !== undefined && total.own > own) {
    const missing = all === undefined ? undefined : Math.max(0, total.before - all)
    visit({ from, to: END, own: total.own - own, all: missing })
  }
}

function merge(gaps: Map<number, Gap>, step: Gap): void {
  const known = gaps.get(step.to)
  if (known === undefined) {
    gaps.set(step.to, { ...step })
    return
  }
  known.from = Math.min(known.from, step.from)
  known.own += step.own
  if (known.all !== undefined && step.all !== undefined) known.all = Math.max(known.all, step.all)
  else known.all = undefined
}

/**
 * Reports once for each missing file that an output had chunks before its position there: no number includes
 * them. What is after the last file was never on the disk. `reported`: files of which that is said already.
 */
function reportOpen(
  { folder, found, segments, unreadable, states, damage }: MissingInit,
  reported: Set<number>,
): void {
  const last = segments.all.at(-1)?.number ?? 0
  for (const { open } of states.values())
    for (const { segment, offset } of open) {
      if (segment >= last || segments.get(segment) !== undefined) continue
      if (found.setAside.has(segment) || reported.has(segment)) continue
      reported.add(segment)
      const path = segmentPath(folder, segment)
      const file = unreadable.find(({ number }) => number === segment)
      const reason = file === undefined ? MISSING : reasonOf(file)
      damage.reportFile({ path, offset, end: offset, records: undefined, reason })
    }
}
