import { ShipperError } from '../core/error.ts'
import type { BufferPlan, Plan } from '../core/plan.ts'
import type { Logger } from '../core/services.ts'
import { close, createFile } from '../lib/fs/file-system.ts'
import { openSegmentLog } from '../lib/segments/open-log.ts'
import type { Damage, SegmentLog } from '../lib/segments/types.ts'
import { lockPath, takeLock } from '../store/agent-lock.ts'
import { loadSqlite, type OpenDatabase } from '../store/driver.ts'
import { movedOutputs, readTargets, targetsOf, writeTargets } from './buffer-targets.ts'

/** Opens the buffer on disk, which one process at a time may use. Warns of outputs that now send elsewhere. */
export async function openBuffer(
  plan: Plan,
  { folder, deletesDamaged }: BufferPlan,
  outputs: readonly string[],
  log: Logger,
  onDamage: (damage: Damage) => void,
  onLost: (error: ShipperError) => void,
): Promise<SegmentLog> {
  const open = await loadSqlite()
  const segments = openSegmentLog({
    folder,
    outputs,
    deletesDamaged,
    log,
    onDamage,
    onLost,
    takeLock: (path) => lockIn(open, folder, path),
  })
  checkTargets(plan, segments, log)
  return segments
}

/** Takes the lock of the buffer. Its file is for this user only, and an error is one of the buffer, not of a database. */
function lockIn(open: OpenDatabase, folder: string, path: string): { release(): void } {
  const file = lockPath(path)
  // Closed before anything locks it; a file that exists is not opened, as closing it would release the locks of this process.
  const made = createFile(file, 0o600)
  if (typeof made === 'number') close(made)
  try {
    return takeLock(open, path)
  } catch (error) {
    const hint = error instanceof ShipperError ? LOCK_HINTS[error.code] : undefined
    if (!(error instanceof ShipperError) || hint === undefined || error.details.sqlite === undefined)
      throw error
    const reason = error.message.replace(`the database ${file}`, file)
    throw new ShipperError('E_BUFFER', `the buffer ${folder} cannot be locked: ${reason}`, {
      hint,
      retryable: error.retryable,
      details: { folder },
      cause: error,
    })
  }
}

const NO_ACCESS =
  'make the folder and its files writable for this user, or choose another one with storage.path'
const LOCK_HINTS: Record<string, string> = {
  E_STORE_READONLY: NO_ACCESS,
  E_STORE_UNREADABLE: NO_ACCESS,
  E_STORE_FULL: 'free space on its disk',
}

function checkTargets(plan: Plan, segments: SegmentLog, log: Logger): void {
  const { folder } = segments
  const read = readTargets(folder)
  const last = read instanceof Map ? read : new Map<string, string>()
  if ('reason' in read && read.reason !== undefined)
    log.warn(`${read.reason}; it is not known whether outputs send elsewhere than in the last run`)
  const waiting = (name: string): number => {
    const state = segments.stateOf(name) ?? { position: segments.start, open: [] }
    return segments.backlogOf(name, state).records
  }
  for (const warning of movedOutputs(plan, last, waiting)) log.warn(warning)
  const failure = writeTargets(folder, targetsOf(plan, segments.unknownOutputs.keys(), last), last)
  if (failure !== undefined)
    log.warn(`cannot store in the buffer ${folder} where outputs send to: ${failure.message}`)
}
