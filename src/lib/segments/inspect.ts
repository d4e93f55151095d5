import { basename, dirname } from 'node:path'
import type { Logger } from '../../core/services.ts'
import { sleepSync } from '../async/sleep-sync.ts'
import { FsFailure, namesIn, readWhole } from '../fs/file-system.ts'
import { add, backlogIn } from './backlog.ts'
import { chooseFiles, type SegmentFile } from './choose-files.ts'
import { DamageReport } from './damage.ts'
import { ENTRY, EntryReader, NOTHING } from './entry-reader.ts'
import { bufferError } from './failure.ts'
import { type FolderContent, listFolder } from './folder.ts'
import { OpenFiles } from './open-files.ts'
import { reportMissing } from './report-missing.ts'
import { scan } from './scan-segment.ts'
import { DAMAGED_SUFFIX, type Region, Segment, SegmentList, Table } from './segment.ts'
import { type Ends, readEnds } from './segment-ends.ts'
import { decodeState, NO_STATE, STATE_FILE_BYTES, type Written } from './state-file.ts'
import type { Backlog, Damage, OutputState } from './types.ts'

/** What is in the folder of a log. */
export interface InspectedBuffer {
  readonly folder: string
  readonly segments: readonly InspectedSegment[]
  /** What waits for each output; those for which nothing waits are left out. */
  readonly outputs: readonly InspectedOutput[]
  /** Records of segments that are not there. */
  readonly missing: readonly Damage[]
  /** Names of damaged segments that were set aside. */
  readonly setAside: readonly string[]
  /** What the folder has besides a log. */
  readonly notes: readonly string[]
}

export interface InspectedSegment {
  readonly name: string
  /** Size of the file. */
  readonly bytes: number
  /** What waits in it, by the name of the output. */
  readonly waiting: ReadonlyMap<string, Backlog>
  readonly damage: readonly Region[]
  /** Version of the format, if it is one of a newer program. */
  readonly newer?: number
}

export interface InspectedOutput extends Readonly<Backlog> {
  readonly name: string
  /** Time at which the first chunk that waits was written. */
  readonly oldestMs: number | undefined
}

/** A segment while it is inspected; `found` is undefined for one whose entries cannot be found. */
interface Inspection {
  readonly found: Segment | undefined
  readonly result: InspectedSegment
}

/** State of each output, and what was written before its position. */
type States = ReadonlyMap<string, OutputState & Written>

/**
 * Reads what is in the folder of a log: ends of segments and states, and the heads of entries where no summary has them. `checksAll`: all
 * heads, and the checksums of all records. Takes no lock and writes nothing: another process may have the log open, and what it
 * writes at the end, or deletes, meanwhile is no damage. Throws E_BUFFER when the folder cannot be read.
 */
export function inspectBuffer(folder: string, checksAll: boolean): InspectedBuffer {
  const notes: string[] = []
  const names = namesIn(folder)
  if (names instanceof FsFailure) throw bufferError('list the files in', folder, names)
  const content = listFolder(folder, noteTo(notes))
  const { numbers, stateFiles } = content
  // States come first: what settles in the meantime is shown as waiting, and never the other way round.
  const states = readStates(folder, stateFiles)
  const files = new OpenFiles(folder)
  try {
    const reader = new EntryReader(files)
    const inspections: Inspection[] = []
    const segmentFiles = filesOf(folder, numbers, notes)
    const last = segmentFiles.at(-1)
    for (const file of segmentFiles) {
      const isLast = file === last
      const inspection = inspectSegment({ file, isLast, states, reader, files, checksAll })
      if (inspection !== undefined) inspections.push(inspection)
    }
    const segments = inspections.map(({ result }) => result)
    const outputs = outputsOf(inspections, states, reader)
    const setAside = names.filter((name) => name.endsWith(DAMAGED_SUFFIX)).sort()
    // What was deleted meanwhile is in states that were stored before.
    const missing = missingOf(folder, content, inspections, readStates(folder, stateFiles))
    return { folder, segments, outputs, missing, setAside, notes }
  } finally {
    files.closeAll()
  }
}

/** Returns the files to be inspected, in the order of the segments that they are. Copies of them are noted. */
function filesOf(folder: string, numbers: readonly number[], notes: string[]): SegmentFile[] {
  const { chosen, copies, unreadable, newer } = chooseFiles(folder, numbers, false)
  for (const { path, head } of copies)
    notes.push(`${path} has the number ${head.number} of another segment, and is not read`)
  const order = ({ ends, number }: SegmentFile): number => ends.head?.number ?? number
  return [...chosen, ...unreadable, ...newer].sort((a, b) => order(a) - order(b))
}

function noteTo(notes: string[]): Logger {
  return { error() {}, warn: (message) => void notes.push(message), info() {}, debug() {} }
}

/** Returns the states by the names of the outputs. An output whose state cannot be read counts as one that has received nothing. */
function readStates(folder: string, names: readonly string[]): States {
  const states = new Map<string, OutputState & Written>()
  for (const name of names) {
    const content = readWhole(`${folder}/${name}`, STATE_FILE_BYTES)
    if (content instanceof FsFailure) continue
    const { output, state, written, isDamaged } = decodeState(content)
    if (output !== undefined && state !== undefined)
      states.set(output, { ...state, passed: isDamaged ? undefined : written.passed, total: written.total })
  }
  return states
}

/** Returns the records of segments that are not there, or have no header. */
function missingOf(
  folder: string,
  found: FolderContent,
  inspections: readonly Inspection[],
  states: States,
): Damage[] {
  const missing: Damage[] = []
  const segments = new SegmentList()
  for (const { found: segment } of inspections) if (segment !== undefined) segments.all.push(segment)
  reportMissing({
    folder,
    found,
    segments,
    unreadable: [],
    states,
    passedOf: (output) => states.get(output)?.passed,
    totalOf: (output) => (states.get(output) ?? NO_STATE.written).total,
    isNeeded: () => false,
    damage: new DamageReport((each) => void missing.push(each)),
  })
  return missing
}

interface InspectInit {
  file: SegmentFile
  isLast: boolean
  states: States
  reader: EntryReader
  files: OpenFiles
  checksAll: boolean
}

/** Time that a process gets to complete what it is writing at the end of the last segment. */
const WRITE_MS = 100

/**
 * Inspects a segment; undefined when it is gone, or just being created. What seems damaged at the end of the
 * last one may be a write under way: only what is still so after a while is damage.
 */
function inspectSegment(init: InspectInit): Inspection | undefined {
  const first = inspectOnce(init)
  if (!init.isLast || first === undefined || first.result.damage.length === 0) return first
  sleepSync(WRITE_MS)
  const second = inspectOnce(init)
  if (second === undefined) return undefined
  const offsets = new Set(first.result.damage.map(({ offset }) => offset))
  const damage = second.result.damage.filter(({ offset }) => offsets.has(offset))
  return { found: second.found, result: { ...second.result, damage } }
}

function inspectOnce({
  file,
  isLast,
  states,
  reader,
  files,
  checksAll,
}: InspectInit): Inspection | undefined {
  const { path } = file
  const ends = readEnds(dirname(path), path)
  if (ends === undefined) return undefined
  const { fileBytes, head, newer } = ends
  const result = { name: basename(path), bytes: fileBytes, waiting: new Map<string, Backlog>(), damage: [] }
  if (newer !== undefined) return { found: undefined, result: { ...result, newer } }
  if (head === undefined) {
    const reason = 'the header of the file is damaged'
    const damage = [{ offset: 0, end: fileBytes, records: undefined, reason }]
    return { found: undefined, result: { ...result, damage } }
  }
  const segment = new Segment(head, new Table(head.table), path)
  applyEnds(segment, ends, reader, isLast)
  const damage = ends.footer === undefined || checksAll ? [...reader.regionsOf(segment)] : []
  if (checksAll) damage.push(...damagedRecords(segment, reader))
  damage.sort((a, b) => a.offset - b.offset)
  const waiting = waitingIn(segment, states, reader)
  files.close(segment)
  reader.forget(segment)
  return segment.isMissing ? undefined : { found: segment, result: { ...result, waiting, damage } }
}

/** Sets the end of the entries and their counts: as the footer says, or as the entries themselves. */
function applyEnds(segment: Segment, ends: Ends, reader: EntryReader, isLast: boolean): void {
  const { fileBytes, footer } = ends
  segment.fileBytes = fileBytes
  if (footer === undefined) {
    segment.records = undefined
    scan({ segment, reader, fileBytes, isLast, seals: false })
    return
  }
  segment.end = footer.end
  segment.records = footer.records
  for (const [output, total] of footer.totals.entries()) segment.totals.set(output, total)
}

/** Calls `visit` for each entry that can be read; `reader` has its head. */
function eachEntry(segment: Segment, reader: EntryReader, visit: (at: number, next: number) => void): void {
  for (let at = segment.first; at < segment.end; ) {
    const found = reader.load(segment, at, segment.end)
    if (found === NOTHING) {
      at = reader.search(segment, at, segment.end)
      if (at < 0) return
      continue
    }
    const { next } = reader
    if (found === ENTRY) visit(at, next)
    at = next
  }
}

const BLOCK_BYTES = 65_536

/** Returns the entries whose records are damaged. */
function damagedRecords(segment: Segment, reader: EntryReader): Region[] {
  const damage: Region[] = []
  const buf = Buffer.allocUnsafe(BLOCK_BYTES)
  eachEntry(segment, reader, (offset, end) => {
    if (reader.isDataWhole(segment, buf)) return
    damage.push({ offset, end, records: reader.head.count, reason: 'the records of a chunk are damaged' })
  })
  return damage
}

function waitingIn(segment: Segment, states: States, reader: EntryReader): Map<string, Backlog> {
  const waiting = new Map<string, Backlog>()
  for (const name of segment.table.names) {
    const total = segment.totalOf(name)
    const backlog =
      total === undefined ? undefined : backlogOf(segment, name, total, states.get(name), reader)
    if (backlog !== undefined && backlog.chunks > 0) waiting.set(name, backlog)
  }
  return waiting
}

function backlogOf(
  segment: Segment,
  name: string,
  total: Backlog,
  state: OutputState | undefined,
  reader: EntryReader,
): Backlog {
  if (state === undefined || state.position.segment < segment.number) return { ...total }
  const { position, open } = state
  const isWithin = position.segment === segment.number && position.offset < segment.end
  const sum = isWithin
    ? backlogIn(reader, segment, name, Math.max(segment.first, position.offset))
    : { chunks: 0, records: 0, bytes: 0 }
  for (const at of open)
    if (at.segment === segment.number) add(sum, backlogIn(reader, segment, name, at.offset, 1))
  return sum
}

function outputsOf(
  inspections: readonly Inspection[],
  states: States,
  reader: EntryReader,
): InspectedOutput[] {
  const sums = new Map<string, { sum: Backlog; oldestMs: number | undefined }>()
  for (const { found, result } of inspections)
    for (const [name, backlog] of result.waiting) {
      const known = sums.get(name)
      if (known !== undefined) add(known.sum, backlog)
      else if (found !== undefined)
        sums.set(name, { sum: { ...backlog }, oldestMs: oldestIn(found, name, states.get(name), reader) })
    }
  return [...sums].map(([name, { sum, oldestMs }]) => ({ name, ...sum, oldestMs }))
}

/** Returns the time of the first chunk of the segment that waits for the output. */
function oldestIn(
  segment: Segment,
  name: string,
  state: OutputState | undefined,
  reader: EntryReader,
): number | undefined {
  const index = segment.table.indexOf(name) as number
  const own = (at: { segment: number }): boolean => at.segment === segment.number
  const open = new Set(state?.open.filter(own).map(({ offset }) => offset))
  const isFull = state === undefined || state.position.segment < segment.number
  const from = isFull ? segment.first : own(state.position) ? state.position.offset : segment.end
  let oldestMs: number | undefined
  eachEntry(segment, reader, (at) => {
    if (oldestMs === undefined && (at >= from || open.has(at)) && reader.isFor(index))
      oldestMs = reader.head.storedMs
  })
  return oldestMs
}
