import { ShipperError } from '../../core/error.ts'
import type { Logger } from '../../core/services.ts'
import { remove } from '../fs/file-system.ts'
import { chooseFiles, type SegmentFile } from './choose-files.ts'
import type { DamageReport } from './damage.ts'
import type { EntryReader } from './entry-reader.ts'
import type { FolderContent } from './folder.ts'
import type { OpenFiles } from './open-files.ts'
import { scan } from './scan-segment.ts'
import { Segment, SegmentList, Table } from './segment.ts'
import type { Footer, SegmentHead } from './segment-codec.ts'

interface LoadInit {
  folder: string
  found: FolderContent
  files: OpenFiles
  reader: EntryReader
  /** Table of the segments that this run writes. */
  table: Table
  damage: DamageReport
  log: Logger
}

interface LoadedSegments {
  segments: SegmentList
  /** Files of which neither header nor footer can be read. */
  unreadable: readonly SegmentFile[]
  /** Number of records that were written to the log. */
  records: number
  /** Reports the damaged parts of segments that an output needs. */
  reportDamage(isNeeded: IsNeeded): void
}

/** True when an output of the table may need what is before `end` of a segment. */
export type IsNeeded = (table: readonly string[] | undefined, segment: number, end: number) => boolean

/** Reads header and footer of each segment, and all of those without a footer: the last one of a process that was killed. */
export function loadSegments(init: LoadInit): LoadedSegments {
  const { folder, found, log } = init
  const { chosen, copies, unreadable, newer } = chooseFiles(folder, found.numbers, true)
  const [foreign] = newer
  if (foreign !== undefined) throw newerError(foreign)
  const segments = new SegmentList()
  const tables: Table[] = [init.table]
  for (const { head, path, ends } of chosen) {
    const segment = new Segment(head, tableOf(tables, head), path)
    segments.all.push(segment)
    segment.fileBytes = ends.fileBytes
    if (ends.footer !== undefined) applyFooter(segment, ends.footer)
  }
  for (const { path, head } of copies) log.warn(copyText(path, head, segments))
  const last = segments.all.at(-1)?.number ?? 0
  for (const { head, ends } of chosen) if (ends.footer === undefined) scanOpen(init, segments, head, last)
  const final = segments.all.at(-1)
  return {
    segments,
    unreadable,
    records: final === undefined ? 0 : final.head.before + (final.records ?? final.readRecords),
    reportDamage: (isNeeded) => {
      for (const segment of segments.all)
        for (const region of segment.regions ?? [])
          if (isNeeded(segment.table.names, segment.number, region.end)) init.damage.report(segment, region)
    },
  }
}

function copyText(path: string, { number, seed }: SegmentHead, segments: SegmentList): string {
  const isSame = segments.get(number)?.head.seed === seed
  return isSame
    ? `${path} is a copy of segment ${number}, and is not read`
    : `${path} has the number ${number} of another segment, and is not read: it belongs to another buffer`
}

/** Reads the entries of a segment without a footer. The last one is removed when it has none. */
function scanOpen({ reader, files }: LoadInit, segments: SegmentList, head: SegmentHead, last: number): void {
  const segment = segments.get(head.number) as Segment
  const next = segments.get(segment.number + 1)
  const records = next === undefined ? undefined : next.head.before - head.before
  segment.records = records === undefined || records < 0 ? undefined : records
  scan({ segment, reader, fileBytes: segment.fileBytes, isLast: segment.number === last, seals: true })
  if (segment.end !== segment.first || segment.number !== last || segment.failures > 0) return
  files.close(segment)
  if (remove(segment.path) === undefined) segments.delete(segment)
}

function applyFooter(segment: Segment, { end, records, totals }: Footer): void {
  segment.end = end
  segment.records = records
  totals.forEach((total, i) => {
    if (total.chunks > 0) segment.totals.set(i, total)
  })
}

/** Returns a table with the names of the segment: segments of one run share it. */
function tableOf(tables: Table[], { table }: SegmentHead): Table {
  const known = tables.findLast((each) => each.hasNames(table))
  if (known !== undefined) return known
  const made = new Table(table)
  tables.push(made)
  return made
}

function newerError({ path, ends }: SegmentFile): ShipperError {
  return new ShipperError(
    'E_BUFFER',
    `${path} was written by a newer version of shipper (format ${ends.newer})`,
    {
      hint: 'run that version until the buffer is empty, or move the file to another folder and let that version read it there',
    },
  )
}
