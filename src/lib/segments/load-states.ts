import { join } from 'node:path'
import type { Logger } from '../../core/services.ts'
import { FsFailure, remove } from '../fs/file-system.ts'
import { add, backlogIn } from './backlog.ts'
import type { EntryReader } from './entry-reader.ts'
import { bufferError } from './failure.ts'
import type { FolderContent } from './folder.ts'
import { isPast } from './position.ts'
import type { Segment, SegmentList } from './segment.ts'
import {
  NO_STATE,
  type Passed,
  type ReadState,
  readStateFile,
  StateFile,
  stateFileName,
} from './state-file.ts'
import type { Backlog, OutputState, Position } from './types.ts'

interface LoadInit {
  folder: string
  found: FolderContent
  reader: EntryReader
  segments: SegmentList
  /** Names of the outputs that the log is opened with. */
  outputs: readonly string[]
  log: Logger
}

/** State of an output that has received nothing yet. */
const BEGIN: OutputState = { position: { segment: 0, offset: 0 }, open: [] }

interface LoadedStates {
  files: ReadonlyMap<string, StateFile>
  /** What was on disk at the end of the last run, as far as the state of the output says. */
  totalOf(output: string): Passed
  /** What was written before the position of an output, if that is known. */
  passedOf(output: string): Passed | undefined
  /** State of each named output that has one, or chunks. */
  opened: ReadonlyMap<string, OutputState>
  /** Segments that an output which is no longer named needs. */
  pinned: ReadonlySet<Segment>
  unknownOutputs: ReadonlyMap<string, Backlog>
  /** Highest number of a segment in a state. */
  highest: number
  /** True when an output of the table may need what is before `end` of a segment. */
  isNeeded(table: readonly string[] | undefined, segment: number, end: number): boolean
}

/**
 * Reads the states of all outputs that are named or have chunks. An output whose state is lost counts as one
 * that has received nothing yet.
 */
export function loadStates(init: LoadInit): LoadedStates {
  const { folder, segments, outputs, log } = init
  const read = readAll(init)
  const inLog = new Set<string>()
  for (const segment of segments.all)
    for (const name of segment.table.names) if (segment.totalOf(name) !== undefined) inLog.add(name)
  const files = new Map<string, StateFile>()
  const opened = new Map<string, OutputState>()
  const passed = new Map<string, Passed | undefined>()
  const totals = new Map<string, Passed>()
  for (const output of new Set([...outputs, ...inLog])) {
    const found = read.get(stateFileName(output))
    const own = found?.output === output ? found : undefined
    files.set(output, new StateFile(folder, output, own))
    const isLost = own === undefined && found !== undefined
    if (isLost && inLog.has(output))
      log.warn(
        `the position of the output ${output} in the buffer ${folder} is damaged: everything there for it is sent again`,
      )
    const state = own?.state ?? (inLog.has(output) || isLost ? BEGIN : undefined)
    if (state !== undefined) opened.set(output, state)
    // Instead of a damaged slot an older one is taken, from before what was deleted since.
    passed.set(output, own?.isDamaged === true ? undefined : own?.written.passed)
    totals.set(output, (own ?? NO_STATE).written.total)
  }
  const known = new Set(outputs)
  const unknown = [...inLog].filter((name) => !known.has(name))
  const { pinned, unknownOutputs } = pins(init, unknown, (name) => opened.get(name) ?? BEGIN)
  removeUnneeded(folder, read, new Set([...outputs, ...unknownOutputs.keys()]))
  for (const name of unknown) if (!unknownOutputs.has(name)) files.delete(name)
  const needs = (output: string, segment: number, end: number): boolean =>
    (known.has(output) || inLog.has(output)) && !isPast(opened.get(output), segment, end)
  return {
    files,
    opened: new Map([...opened].filter(([name]) => known.has(name))),
    totalOf: (output) => totals.get(output) ?? NO_STATE.written.total,
    passedOf: (output) => passed.get(output),
    pinned,
    unknownOutputs,
    highest: Math.max(0, ...[...read.values()].map(highestOf)),
    isNeeded: (table, segment, end) => (table ?? outputs).some((output) => needs(output, segment, end)),
  }
}

function highestOf({ state }: ReadState): number {
  if (state === undefined) return 0
  return state.open.reduce((max, { segment }) => Math.max(max, segment), state.position.segment)
}

/** Reads all state files. */
function readAll({ folder, found, log }: LoadInit): Map<string, ReadState> {
  const states = new Map<string, ReadState>()
  for (const name of found.stateFiles) {
    const path = join(folder, name)
    let state = readStateFile(path)
    for (let i = 1; i < MAX_TRIES && isTransient(state); i++) state = readStateFile(path)
    if (state instanceof FsFailure) {
      if (state.code !== 'EIO') throw bufferError(`read ${path} in`, folder, state)
      log.warn(`${path} cannot be read: ${state.message}`)
      states.set(name, { ...NO_STATE, isDamaged: true })
    } else if (state.state !== undefined || state.isDamaged) states.set(name, state)
  }
  return states
}

const MAX_TRIES = 3

function isTransient(state: ReadState | FsFailure): boolean {
  return state instanceof FsFailure && state.code === 'EIO'
}

/** Returns what is needed by outputs that are no longer named. */
function pins(
  { segments, reader }: LoadInit,
  unknown: readonly string[],
  stateOf: (output: string) => OutputState,
): { pinned: Set<Segment>; unknownOutputs: Map<string, Backlog> } {
  const pinned = new Set<Segment>()
  const unknownOutputs = new Map<string, Backlog>()
  for (const output of unknown) {
    const { position, open } = stateOf(output)
    const sum: Backlog = { chunks: 0, records: 0, bytes: 0 }
    for (const segment of segments.all) {
      const has = needIn(reader, segment, output, position, open)
      if (has.chunks === 0) continue
      pinned.add(segment)
      add(sum, has)
    }
    if (sum.chunks === 0) continue
    unknownOutputs.set(output, sum)
  }
  return { pinned, unknownOutputs }
}

function needIn(
  reader: EntryReader,
  segment: Segment,
  output: string,
  position: Position,
  open: readonly Position[],
): Backlog {
  const none: Backlog = { chunks: 0, records: 0, bytes: 0 }
  const total = segment.totalOf(output)
  if (total === undefined) return none
  if (segment.number > position.segment) return total
  const sum =
    segment.number === position.segment
      ? backlogIn(reader, segment, output, Math.max(position.offset, segment.first))
      : none
  for (const at of open) {
    if (at.segment !== segment.number || (at.offset >= position.offset && at.segment === position.segment))
      continue
    add(sum, backlogIn(reader, segment, output, at.offset, 1))
  }
  return sum
}

/** Removes states of outputs that are not named and need nothing. A file that is not known to be a state is left alone. */
function removeUnneeded(
  folder: string,
  read: ReadonlyMap<string, ReadState>,
  needed: ReadonlySet<string>,
): void {
  for (const [name, { output }] of read)
    if (output !== undefined && name === stateFileName(output) && !needed.has(output))
      remove(join(folder, name))
}
