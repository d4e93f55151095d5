import { dirname, join } from 'node:path'
import { ShipperError } from '../../../core/error.ts'
import type { LateDelivery, OutputContext } from '../../../core/plugin.ts'
import { FsFailure, makeDirectories } from '../../../lib/fs/file-system.ts'
import { Journal } from './journal.ts'
import { KeptRows } from './kept-rows.ts'
import { LastRun } from './last-run.ts'
import { leftFolders, warnOfLeft } from './left-folders.ts'

const FOLDER_MODE = 0o700

type StateContext = Pick<OutputContext, 'log' | 'clock'> & { readonly late: Pick<LateDelivery, 'settling'> }

/** What is known about the objects at one destination: those that are being made, and those that exist. */
export class DestinationState {
  readonly journal: Journal
  readonly lastRun: LastRun
  readonly kept: KeptRows
  #isOpen = false

  constructor(journal: Journal, { log, clock, late }: StateContext) {
    const rows = {
      remove: (id: number) => {
        if (this.lastRun.forget(id)) journal.remove(id)
      },
      isPassed: (id: number) => this.lastRun.isPassed(id),
    }
    this.journal = journal
    this.kept = new KeptRows(rows, clock, late)
    this.lastRun = new LastRun(journal, log, this.kept)
  }

  /** Reads what the last run left. Throws E_OUTPUT_WRITE when that is not possible; the next call tries it again. */
  open(): void {
    if (this.#isOpen) return
    this.lastRun.open()
    this.#isOpen = true
  }

  close(): void {
    this.kept.close()
  }
}

interface Taken {
  readonly state: DestinationState
  readonly lock: { release(): void } | undefined
}

/** A folder that outputs of this process use. */
interface SharedFolder {
  users: number
  readonly taken: Promise<Taken>
}

const shared = new Map<string, SharedFolder>()

/**
 * The folder of the state of a destination, with a lock: two agents in one folder would end each other's uploads. The lock is next to
 * the folder, so that it outlives one that is removed.
 *
 * All outputs of this process with that destination share it, so that it does not matter which of them has made an object: outputs may
 * be swapped, removed or joined between two runs.
 */
export class StateFolder {
  readonly state: DestinationState
  readonly #path: string
  readonly #lock: Taken['lock']

  private constructor(path: string, { state, lock }: Taken) {
    this.#path = path
    this.state = state
    this.#lock = lock
  }

  /** Rejects with E_OUTPUT_WRITE when another agent uses the folder, or when it cannot be locked. */
  static async take(
    parent: string,
    name: string,
    destination: string,
    ctx: StateContext & Pick<OutputContext, 'takeLock'>,
  ): Promise<StateFolder> {
    const path = join(parent, name)
    let folder = shared.get(path)
    if (folder === undefined) {
      if (![...shared.keys()].some((other) => dirname(other) === parent))
        warnOfLeft(leftFolders(parent), ctx.log)
      folder = { users: 0, taken: takeFolder(parent, path, destination, ctx) }
      shared.set(path, folder)
    }
    folder.users++
    try {
      return new StateFolder(path, await folder.taken)
    } catch (error) {
      leave(path)
      throw lockError(path, error)
    }
  }

  release(): void {
    if (!leave(this.#path)) return
    this.state.close()
    this.#lock?.release()
  }
}

/** Returns true when no output uses the folder any more. */
function leave(path: string): boolean {
  const folder = shared.get(path)
  if (folder === undefined || --folder.users > 0) return false
  shared.delete(path)
  return true
}

async function takeFolder(
  parent: string,
  path: string,
  destination: string,
  ctx: StateContext & Pick<OutputContext, 'takeLock'>,
): Promise<Taken> {
  makeFolder(parent)
  const lock = await ctx.takeLock?.(path)
  return { state: new DestinationState(new Journal(path, ctx.log, destination), ctx), lock }
}

function makeFolder(path: string): void {
  const made = makeDirectories(path, FOLDER_MODE)
  if (made instanceof FsFailure)
    throw new ShipperError('E_OUTPUT_WRITE', `cannot create ${path}: ${made.message}`)
}

function lockError(path: string, error: unknown): unknown {
  if (!(error instanceof ShipperError)) return error
  const isLocked = error.code === 'E_STORE_LOCKED'
  const { pid } = error.details
  const who = pid === undefined ? 'another agent' : `another agent (pid ${pid})`
  const reason = isLocked ? `it is in use by ${who}` : error.message
  return new ShipperError('E_OUTPUT_WRITE', `cannot use the state of objects in ${path}: ${reason}`, {
    hint: isLocked
      ? 'stop the other agent, or give this one a folder of its own for DB or storage.path'
      : 'let this user write to the folder of the offset database',
    cause: error,
  })
}
