import type { BigIntStats } from 'node:fs'
import { dirname, join } from 'node:path'
import { FsFailure, isMissing, lstat, namesInLater } from '../../../../lib/fs/file-system.ts'
import { append } from '../groups.ts'
import { type Sibling, siblingAt } from './siblings.ts'

/** Time after which other work gets its turn. */
const TURN_MS = 5
/** Number of entries examined between two looks at the clock. */
const ENTRIES_PER_LOOK = 64
/** Limits of one search, for directories that others fill. */
const MAX_ENTRIES = 500_000
const MAX_DIRECTORIES = 2000

/** A file that is known and has to be found. */
interface MissingFile {
  /** As stored: signed. */
  inode: bigint
  /** Directories in which the file was or may be. Those within and beside them are searched too. */
  directories: readonly string[]
  /** True when the file with this inode is the missing one. */
  isIt(sibling: Sibling): boolean
  /**
   * Called once, with the file, or with undefined when it was found in none of the directories. `isComplete`: all that is
   * in them could be examined.
   */
  settle(found: Sibling | undefined, isComplete: boolean): void
}

/**
 * Finds files by their identity, whatever their names are now: in their directory, in those within it, and
 * in those beside it, as logrotate's olddir may be. Runs in turns of some milliseconds, as a directory may
 * have any number of entries.
 */
export class IdentitySearch {
  #missing: MissingFile[] = []
  #isRunning = false
  #isStopped = false

  /** True while a file that was added has not been settled. */
  get isPending(): boolean {
    return this.#isRunning || this.#missing.length > 0
  }

  add(file: MissingFile): void {
    this.#missing.push(file)
  }

  stop(): void {
    this.#isStopped = true
  }

  /**
   * Searches for the files added so far and settles each. Does nothing while a search runs. Returns true
   * when all are settled.
   */
  async run(): Promise<boolean> {
    if (this.#isRunning) return false
    this.#isRunning = true
    try {
      while (this.#missing.length > 0 && !this.#isStopped) {
        const missing = new Set(this.#missing)
        this.#missing = []
        const isComplete = await this.#search(missing)
        if (this.#isStopped) return false
        await this.#giveUp(missing, isComplete)
      }
      return !this.#isStopped
    } finally {
      this.#isRunning = false
    }
  }

  /** Settles the files that were not found. */
  async #giveUp(missing: Set<MissingFile>, isComplete: boolean): Promise<void> {
    let turnEndMs = performance.now() + TURN_MS
    for (const file of missing) {
      file.settle(undefined, isComplete)
      if (performance.now() < turnEndMs) continue
      await nextTurn()
      if (this.#isStopped) return
      turnEndMs = performance.now() + TURN_MS
    }
  }

  /**
   * Settles the files that it finds, and removes them from `missing`. Returns false when something could not be
   * examined, or was renamed after its directory was read: one of the others may be there.
   */
  async #search(missing: Set<MissingFile>): Promise<boolean> {
    const byInode = new Map<bigint, MissingFile[]>()
    for (const file of missing) append(byInode, file.inode, file)
    let entries = 0
    let isComplete = true
    let turnEndMs = performance.now() + TURN_MS
    const queue = new DirectoryQueue([...missing].flatMap((file) => file.directories))
    for (let next = queue.take(); next !== undefined; next = queue.take()) {
      const found = await namesInLater(next.directory)
      if (this.#isStopped) return false
      if (found instanceof FsFailure) {
        isComplete &&= isMissing(found)
        continue
      }
      // Converting the names to strings may have taken long.
      await nextTurn()
      turnEndMs = performance.now() + TURN_MS
      for (const name of found) {
        if (++entries > MAX_ENTRIES) return isComplete
        const path = join(next.directory, name)
        const stat = lstat(path)
        if (stat instanceof FsFailure) isComplete = false
        else if (stat.isDirectory()) queue.addWithin(path, next)
        else if (stat.isFile()) examine(path, stat, byInode, missing)
        if (entries % ENTRIES_PER_LOOK !== 0 || performance.now() < turnEndMs) continue
        await nextTurn()
        if (this.#isStopped) return false
        turnEndMs = performance.now() + TURN_MS
      }
      if (missing.size === 0) break
    }
    return isComplete
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Settles the missing file that is at the path, if it is one. */
function examine(
  path: string,
  stat: BigIntStats,
  byInode: Map<bigint, MissingFile[]>,
  missing: Set<MissingFile>,
): void {
  for (const file of byInode.get(BigInt.asIntN(64, stat.ino)) ?? []) {
    if (!missing.has(file)) continue
    const sibling = siblingAt(path, stat)
    if (!file.isIt(sibling)) continue
    missing.delete(file)
    file.settle(sibling, true)
  }
}

/**
 * home: where a file was · within: a directory in a home · parent: that of a home · beside: a directory in
 * a parent.
 */
type Place = 'home' | 'within' | 'parent' | 'beside'

interface QueuedDirectory {
  directory: string
  place: Place
}

/**
 * The directories to search, each once: first those in which files were, then those within and those beside
 * them.
 */
class DirectoryQueue {
  readonly #seen = new Set<string>()
  readonly #queues: Record<Place, QueuedDirectory[]> = { home: [], within: [], parent: [], beside: [] }

  constructor(homes: readonly string[]) {
    for (const home of homes) this.#add(home, 'home')
    // Most of the machine is beside /var/log: only a deeper parent belongs to one program.
    for (const home of homes) if (dirname(dirname(home)) !== '/') this.#add(dirname(home), 'parent')
  }

  take(): QueuedDirectory | undefined {
    const { home, within, parent, beside } = this.#queues
    return home.shift() ?? within.shift() ?? parent.shift() ?? beside.shift()
  }

  /** Adds a directory that was found in another one. */
  addWithin(directory: string, { place }: QueuedDirectory): void {
    if (place === 'home') this.#add(directory, 'within')
    else if (place === 'parent') this.#add(directory, 'beside')
  }

  #add(directory: string, place: Place): void {
    if (this.#seen.has(directory) || this.#seen.size >= MAX_DIRECTORIES) return
    this.#seen.add(directory)
    this.#queues[place].push({ directory, place })
  }
}
