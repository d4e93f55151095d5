import { ShipperError } from '../../core/error.ts'
import type { Logger } from '../../core/services.ts'
import { FsFailure, isForeignLink, remove, stat } from '../fs/file-system.ts'
import { DamageReport, setAside } from './damage.ts'
import { EntryReader } from './entry-reader.ts'
import { bufferError } from './failure.ts'
import { listFolder } from './folder.ts'
import { FolderLock, type TakeLock } from './folder-lock.ts'
import { loadSegments } from './load-segments.ts'
import { loadStates } from './load-states.ts'
import { makeFolder } from './make-folder.ts'
import { OpenFiles } from './open-files.ts'
import { OutputStates } from './output-states.ts'
import { PassedRecords } from './passed-records.ts'
import { permissionWarning } from './permissions.ts'
import { reportMissing } from './report-missing.ts'
import { type SegmentList, Table } from './segment.ts'
import { fitsHeader, MAX_NAME_BYTES } from './segment-codec.ts'
import { FileSegmentLog } from './segment-log.ts'
import { SegmentWriter } from './segment-writer.ts'
import type { Passed } from './state-file.ts'
import type { Damage, SegmentLog } from './types.ts'

const DEFAULT_SEGMENT_BYTES = 16 << 20
/** Number of outputs: a route has 16 bits. */
const MAX_OUTPUTS = 65_535

export interface SegmentLogOptions {
  folder: string
  /** Names of the outputs that chunks are for. */
  outputs: readonly string[]
  /**
   * Makes this process the only one that uses the folder, with a file whose path begins with `path`. Throws E_STORE_LOCKED, which becomes
   * E_BUFFER_LOCKED, with `pid` in its details if it is known.
   */
  takeLock: TakeLock
  log: Logger
  /** Called once for each damaged part that an output needs, when it is found: also before the log is opened. */
  onDamage(damage: Damage): void
  /** Called once when another process may have used the folder: from then on the log takes nothing, and has to be opened anew. */
  onLost?(error: ShipperError): void
  /** Whether damaged segments are deleted when they have been read, and not kept under another name. */
  deletesDamaged: boolean
  /** Size from which a segment is full. Default: 16 MB. */
  segmentBytes?: number
}

/**
 * Opens the log in a folder, which is created if it does not exist. Throws E_BUFFER_LOCKED when another process uses it, and E_BUFFER when
 * it cannot be used: retryable if the disk may be the reason.
 */
export function openSegmentLog(options: SegmentLogOptions): SegmentLog {
  const { folder, log } = options
  checkOutputs(options)
  prepareFolder(folder, log)
  const lock = new FolderLock(folder, options.takeLock)
  const files = new OpenFiles(folder)
  try {
    const reader = new EntryReader(files)
    const damage = new DamageReport(options.onDamage)
    const found = listFolder(folder, log)
    const table = new Table(options.outputs)
    const { deletesDamaged } = options
    const init = { folder, found, files, reader, log, damage }
    const loaded = loadSegments({ ...init, table })
    const { segments } = loaded
    const states = loadStates({ ...init, segments, outputs: options.outputs })
    loaded.reportDamage(states.isNeeded)
    const { unreadable } = loaded
    reportMissing({ ...init, ...states, segments, unreadable, states: states.opened })
    for (const { path, ends } of unreadable) {
      // The disk may be able to read it later.
      if (ends.failure !== undefined) continue
      // What cannot be moved is looked at again by the next run.
      if (deletesDamaged) remove(path)
      else setAside(folder, path, log)
    }
    const passed = [...states.opened.keys()].map((name) =>
      Math.max(states.passedOf(name)?.before ?? 0, states.totalOf(name).before),
    )
    const outputStates = new OutputStates(folder, states.files, log, (output, at) => ({
      passed: counts.before(output, at),
      total: writer.syncedOf(output),
    }))
    files.retriesAtOnce = false
    const writer: SegmentWriter = new SegmentWriter({
      folder,
      log,
      mayRestore: () => {
        if (lock.state === 'replaced') throw lock.lostError()
      },
      onRemoved: () => {
        lock.ensure()
        outputStates.restore()
      },
      table,
      segments,
      files,
      reader,
      segmentBytes: options.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
      number: Math.max(found.highest, states.highest, segments.all.at(-1)?.number ?? 0) + 1,
      records: Math.max(loaded.records, ...passed),
      recordsOf: options.outputs.map((name) =>
        recordsOf(segments, name, states.passedOf(name), states.totalOf(name).own),
      ),
    })
    const counts: PassedRecords = new PassedRecords({ segments, reader, total: writer.written })
    return new FileSegmentLog({
      folder,
      segments,
      files,
      reader,
      writer,
      states: outputStates,
      named: new Set(options.outputs),
      opened: states.opened,
      pinned: states.pinned,
      unknownOutputs: states.unknownOutputs,
      damage,
      unread: unreadable.filter(({ ends }) => ends.failure !== undefined),
      deletesDamaged,
      log,
      lock,
      onLost: (error) => options.onLost?.(error),
    })
  } catch (error) {
    files.closeAll()
    lock.release()
    throw error
  }
}

/** Returns the number of records that are known to have been written for an output. */
function recordsOf(segments: SegmentList, output: string, passed: Passed | undefined, total: number): number {
  return segments.all.reduce(
    (max, segment) =>
      Math.max(max, (segment.beforeOf(output) ?? 0) + (segment.totalOf(output)?.records ?? 0)),
    Math.max(passed?.own ?? 0, total),
  )
}

function checkOutputs({ outputs, folder }: SegmentLogOptions): void {
  const long = outputs.find((name) => Buffer.byteLength(name) > MAX_NAME_BYTES)
  if (long !== undefined)
    throw new ShipperError(
      'E_BUFFER',
      `the name of the output ${long.slice(0, 40)}... is longer than ${MAX_NAME_BYTES} bytes`,
      {
        hint: 'give the output a shorter Alias',
      },
    )
  if (outputs.length > MAX_OUTPUTS || !fitsHeader(outputs))
    throw new ShipperError(
      'E_BUFFER',
      `the buffer ${folder} is for ${outputs.length} outputs, which are too many`,
    )
}

/**
 * Creates the folder. An existing one may be a volume of a container, whose permissions only its owner can
 * change: if others may write there, a warning says so.
 */
function prepareFolder(folder: string, log: Logger): void {
  const refused = (reason: string): ShipperError =>
    new ShipperError('E_BUFFER', `the buffer ${folder} cannot be used: ${reason}`, { details: { folder } })
  if (isForeignLink(folder)) throw refused('it is a link that belongs to another user')
  const found = stat(folder)
  if (!(found instanceof FsFailure)) {
    if (!found.isDirectory()) throw refused('it is not a folder')
    const warning = permissionWarning(folder)
    if (warning !== undefined) log.warn(warning)
    return
  }
  if (found.code === 'ENOTDIR') throw refused(found.message)
  const failure = makeFolder(folder)
  if (failure !== undefined) throw bufferError('create', folder, failure)
}
