import type { BigIntStats } from 'node:fs'
import { entriesIn, FsFailure, namesIn, stat } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import { TICK_MS } from '../file/fingerprint.ts'
import { append } from '../groups.ts'
import { differInDigitsOnly, isRotatedName, liveNamesOf, maskDigits } from './names.ts'

/**
 * After this time another change of a directory has another timestamp, even on file systems with coarse
 * clocks.
 */
const SETTLED_MS = 2000

/** Up to this many lookups in a directory cost less than an index of its names. */
const FEW_LOOKUPS = 50

/** The names in directories, each of which is read once: for lookups of many files in one directory. */
export class DirectoryNames {
  /** Time in milliseconds before which no directory was read. A file changed later may have another name. */
  readonly readSinceMs = Date.now() - TICK_MS
  readonly #byDirectory = new Map<string, DirectoryIndex>()

  /** Returns the names in `directory` that rotation may have made of `live`. */
  rotatedFrom(directory: string, live: string): string[] {
    return this.#indexOf(directory).rotatedFrom(live)
  }

  /** Returns the names in `directory` that differ from `name` only in digits. */
  differingInDigits(directory: string, name: string): string[] {
    return this.#indexOf(directory).differingInDigits(name)
  }

  /** Returns the names of the directories within `directory`. */
  directoriesIn(directory: string): string[] {
    return this.#indexOf(directory).directoriesAt(directory)
  }

  #indexOf(directory: string): DirectoryIndex {
    const known = this.#byDirectory.get(directory)
    if (known !== undefined) return known
    const index = listOf(directory)
    this.#byDirectory.set(directory, index)
    return index
  }
}

/** Returns the names in `directory`, as it is now, that rotation may have made of `live`. */
export function rotatedIn(directory: string, live: string): string[] {
  return listOf(directory).rotatedFromOne(live)
}

/**
 * Returns the names of the files to which a link may lead in turn, and of those rotated from its old target
 * `before`.
 */
export function inTurn(directory: string, before: string, names: DirectoryNames | undefined): string[] {
  if (names !== undefined)
    return [...names.differingInDigits(directory, before), ...names.rotatedFrom(directory, before)]
  const { names: all } = listOf(directory)
  return all.filter((name) => differInDigitsOnly(name, before) || isRotatedName(name, before))
}

/** Returns the names of the directories within `directory`, as it is now. */
export function directoriesIn(directory: string): string[] {
  const before = stat(directory)
  const known = before instanceof FsFailure ? undefined : knownList(directory, before)
  return (known ?? new DirectoryIndex([])).directoriesAt(directory)
}

/**
 * The names in a directory. Indexes of the names from which they may have been made are built when first
 * used.
 */
class DirectoryIndex {
  readonly names: string[]
  #byLive: Map<string, string[]> | undefined
  #byMask: Map<string, string[]> | undefined
  #lookups = 0
  #directories: string[] | undefined

  constructor(names: string[]) {
    this.names = names
  }

  rotatedFrom(live: string): string[] {
    this.#byLive ??= group(this.names, liveNamesOf)
    return this.#byLive.get(live) ?? []
  }

  /** Does the same without an index, as long as there are few lookups. */
  rotatedFromOne(live: string): string[] {
    if (this.#byLive === undefined && ++this.#lookups <= FEW_LOOKUPS)
      return this.names.filter((name) => isRotatedName(name, live))
    return this.rotatedFrom(live)
  }

  differingInDigits(name: string): string[] {
    this.#byMask ??= group(this.names, (one) => [maskDigits(one)])
    return (this.#byMask.get(maskDigits(name)) ?? []).filter((one) => differInDigitsOnly(one, name))
  }

  /** Returns the names of the directories within this one, whose path is `path`. */
  directoriesAt(path: string): string[] {
    if (this.#directories === undefined) {
      const entries = entriesIn(path)
      if (entries instanceof FsFailure) return []
      this.#directories = entries.filter((one) => one.isDirectory()).map(({ name }) => name)
    }
    return this.#directories
  }
}

function group(names: string[], keysOf: (name: string) => Iterable<string>): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const name of names) {
    for (const key of keysOf(name)) append(groups, key, name)
  }
  return groups
}

/**
 * The names read last, for the many events at one time when all logs of a directory are rotated. May be
 * collected at any time.
 */
let listed: { directory: string; key: string; index: WeakRef<DirectoryIndex> } | undefined

/**
 * Returns the names in a directory; none when it was deleted or cannot be read, which the search for Path
 * reports. The names are read again if the modification time of the directory has changed, or was recent.
 */
function listOf(directory: string): DirectoryIndex {
  const before = stat(directory)
  if (before instanceof FsFailure) return new DirectoryIndex([])
  const known = knownList(directory, before)
  if (known !== undefined) return known
  const names = namesIn(directory)
  if (names instanceof FsFailure) return new DirectoryIndex([])
  const index = new DirectoryIndex(names)
  const isSettled = Date.now() - millisecondsOf(before.mtimeNs) > SETTLED_MS
  listed = isSettled ? { directory, key: changeKey(before), index: new WeakRef(index) } : undefined
  return index
}

function knownList(directory: string, properties: BigIntStats): DirectoryIndex | undefined {
  const isKnown = listed?.directory === directory && listed.key === changeKey(properties)
  return isKnown ? listed?.index.deref() : undefined
}

function changeKey({ dev, ino, mtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${mtimeNs}`
}
