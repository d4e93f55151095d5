import type { BigIntStats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { entriesIn, FsFailure, isMissing, lstat, namesIn, stat } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from '../file/compression.ts'
import { TICK_MS } from '../file/fingerprint.ts'
import { identityKey } from '../file/identity.ts'
import { append } from '../groups.ts'
import { linkTarget } from '../tracking/link-target.ts'
import {
  compareDatesOfNames,
  differInDigitsOnly,
  isRotatedName,
  isUnreadableFormat,
  liveNamesOf,
  maskDigits,
} from './names.ts'

/** Attempts to find files whose names change meanwhile, because a rotation goes on. */
export const MAX_ATTEMPTS = 5

/** A directory that was changed this long ago has another time once it is changed again, also on file systems of coarse clocks. */
const SETTLED_MS = 2000

/** Up to this many lookups among the names of a directory cost less than an index of them. */
const FEW_LOOKUPS = 50

/** A file that rotation may have made of a followed one, by its name: `x.log.1` of `x.log`. */
export interface Sibling {
  path: string
  /** Identity key: device and inode. */
  key: string
  device: bigint
  inode: bigint
  size: number
  mtimeMs: number
  /** Time of creation in milliseconds; 0 where the file system has none. */
  birthMs: number
}

/** Where the siblings of a path are looked for. */
export interface SiblingScope {
  /** Directories besides that of the file: where rotated files of it were found, or where its link led before. */
  directories?: Iterable<string>
  /** Target of the link before it was switched: names that differ from it in digits only count too. */
  targetBefore?: string | undefined
}

/** The names of directories, each read once: for lookups of many files of one directory. */
export class DirectoryNames {
  readonly #byDirectory = new Map<string, DirectoryIndex>()

  /** Returns the names in `directory` that rotation may have made of `live`. */
  rotatedFrom(directory: string, live: string): string[] {
    return this.#indexOf(directory).rotatedFrom(live)
  }

  /** Returns the names in `directory` that differ from `name` in digits only. */
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

/** The names of a directory, with an index by what they were made of; built when it is asked first. */
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

  /** Returns the same, without an index as long as only few ask. */
  rotatedFromOne(live: string): string[] {
    if (this.#byLive === undefined && ++this.#lookups <= FEW_LOOKUPS)
      return this.names.filter((name) => isRotatedName(name, live))
    return this.rotatedFrom(live)
  }

  differingInDigits(name: string): string[] {
    this.#byMask ??= group(this.names, (one) => [maskDigits(one)])
    return (this.#byMask.get(maskDigits(name)) ?? []).filter((one) => differInDigitsOnly(one, name))
  }

  /** Returns the names of the directories within the directory, which is at `path`. */
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
 * Returns the siblings of a path, the oldest first. For a link, as in /var/log/containers, they are those of its
 * target. `names`: listings that may be out of date.
 */
export function siblingsOf(link: string, scope: SiblingScope = {}, names?: DirectoryNames): Sibling[] {
  let found = findSiblings(link, scope, names)
  // What was renamed or compressed since the directory was read has a name that was not among these.
  for (let attempt = 1; found.isOutOfDate && attempt <= MAX_ATTEMPTS; attempt++) {
    const before = found.siblings
    found = findSiblings(link, scope, undefined)
    if (haveSameFiles(found.siblings, before)) break
  }
  const plain = new Set(found.siblings.keys())
  return [...found.siblings.values()].filter((s) => isReadable(s, plain)).sort(compareAges)
}

function haveSameFiles(a: Map<string, Sibling>, b: Map<string, Sibling>): boolean {
  return a.size === b.size && [...a].every(([path, { key }]) => b.get(path)?.key === key)
}

function findSiblings(
  link: string,
  scope: SiblingScope,
  names: DirectoryNames | undefined,
): { siblings: Map<string, Sibling>; isOutOfDate: boolean } {
  const path = linkTarget(link)
  const live = basename(path)
  const siblings = new Map<string, Sibling>()
  let isOutOfDate = false
  const listedMs = Date.now() - TICK_MS
  const add = (candidate: string): void => {
    const properties = stat(candidate)
    if (properties instanceof FsFailure) {
      isOutOfDate ||= isMissing(properties) && isMissing(lstat(candidate))
      return
    }
    if (candidate === path || !properties.isFile()) return
    // It may have got its name since the directory was read, and the file that had it another one.
    isOutOfDate ||= names === undefined && Number(properties.ctimeNs) / 1e6 >= listedMs
    siblings.set(candidate, siblingAt(candidate, properties))
  }
  const { targetBefore } = scope
  for (const directory of new Set([dirname(path), ...(scope.directories ?? [])])) {
    const rotated = names?.rotatedFrom(directory, live) ?? rotatedIn(directory, live)
    const others = targetBefore === undefined ? [] : inTurn(directory, basename(targetBefore), names)
    for (const name of [...rotated, ...others]) add(join(directory, name))
  }
  return { siblings, isOutOfDate }
}

/** Returns the names of files to which a link may have pointed in turn, and those rotated from the one it pointed to before. */
function inTurn(directory: string, before: string, names: DirectoryNames | undefined): string[] {
  if (names !== undefined)
    return [...names.differingInDigits(directory, before), ...names.rotatedFrom(directory, before)]
  const { names: all } = listOf(directory)
  return all.filter((name) => differInDigitsOnly(name, before) || isRotatedName(name, before))
}

/** Returns when the file came to be, as far as its file system tells: the birth, or else the last change. */
export function appearedMs({ birthMs, mtimeMs }: Sibling): number {
  return birthMs > 0 ? birthMs : mtimeMs
}

/**
 * Returns the time since which the content of a sibling may be new. A file may be compressed at any time: the birth of a
 * .gz says nothing, but gzip keeps the time at which the content was complete.
 */
export function contentMs(sibling: Sibling): number {
  return isGzipName(sibling.path) ? sibling.mtimeMs : appearedMs(sibling)
}

/** True when the sibling is not at its path any more: it was renamed, compressed or deleted, and another file may be there. */
export function hasMoved({ path, key }: Sibling): boolean {
  const found = stat(path)
  return found instanceof FsFailure ? isMissing(found) : identityKey(found.dev, found.ino) !== key
}

/** True when the sibling has the inode of a row; another file may have had it before. */
export function isSameInode({ inode }: Pick<OffsetRow, 'inode'>, sibling: Sibling): boolean {
  return BigInt.asIntN(64, sibling.inode) === inode
}

/** Returns the file at a path, which has these properties. */
export function siblingAt(path: string, properties: BigIntStats): Sibling {
  return {
    path,
    key: identityKey(properties.dev, properties.ino),
    device: properties.dev,
    inode: properties.ino,
    size: Number(properties.size),
    mtimeMs: Number(properties.mtimeNs) / 1e6,
    birthMs: Number(properties.birthtimeNs) / 1e6,
  }
}

/** False while a file is being compressed, when both exist and the copy may not be complete, and for other formats than gzip. */
function isReadable({ path }: Sibling, all: Set<string>): boolean {
  if (isUnreadableFormat(path)) return false
  return !isGzipName(path) || !all.has(path.slice(0, -'.gz'.length))
}

/**
 * True when a rotated file of the path was compressed, in a format that cannot be read, after the row's file was found: it may be
 * that file.
 */
export function hasUnreadableCopy(link: string, { created }: { created: number }): boolean {
  const path = linkTarget(link)
  return rotatedIn(dirname(path), basename(path)).some((name) => {
    const properties = isUnreadableFormat(name) ? stat(join(dirname(path), name)) : undefined
    if (properties === undefined || properties instanceof FsFailure) return false
    return appearedMs(siblingAt(name, properties)) >= created * 1000
  })
}

/** Returns the paths that have siblings. */
export function pathsWithSiblings(links: readonly string[], names: DirectoryNames): string[] {
  return links.filter((link) => {
    const path = linkTarget(link)
    return names.rotatedFrom(dirname(path), basename(path)).length > 0
  })
}

/** Compares the age of two siblings by the dates in their names, else by their times. */
function compareAges(a: Sibling, b: Sibling): number {
  return compareDatesOfNames(basename(a.path), basename(b.path)) || compareTimes(a, b)
}

/**
 * Compares times; for two rotations within a clock tick births, and then logrotate's numbers, are the best guess. The birth of a .gz is
 * that of its compression: all of a log may be compressed at once, the latest first.
 */
function compareTimes(a: Sibling, b: Sibling): number {
  const isGzip = isGzipName(a.path) || isGzipName(b.path)
  const older = a.mtimeMs - b.mtimeMs || (isGzip ? 0 : a.birthMs - b.birthMs)
  return older || b.path.length - a.path.length || (a.path < b.path ? 1 : -1)
}

function rotatedIn(directory: string, live: string): string[] {
  return listOf(directory).rotatedFromOne(live)
}

/** The names read last. Collected when memory is: what counts are the events of one moment, as when all logs of a directory are rotated. */
let listed: { directory: string; key: string; index: WeakRef<DirectoryIndex> } | undefined

/**
 * Returns the names in a directory; none when it was deleted or cannot be read, which the search for Path reports. They are read again
 * only if the directory has changed since, by its time of change, or was changed but a moment before.
 */
function listOf(directory: string): DirectoryIndex {
  const before = stat(directory)
  if (before instanceof FsFailure) return new DirectoryIndex([])
  const known = knownList(directory, before)
  if (known !== undefined) return known
  const names = namesIn(directory)
  if (names instanceof FsFailure) return new DirectoryIndex([])
  const index = new DirectoryIndex(names)
  const isSettled = Date.now() - Number(before.mtimeNs) / 1e6 > SETTLED_MS
  listed = isSettled ? { directory, key: changeKey(before), index: new WeakRef(index) } : undefined
  return index
}

/** Returns the names of the directories within a directory. */
export function directoriesIn(directory: string): string[] {
  const before = stat(directory)
  const known = before instanceof FsFailure ? undefined : knownList(directory, before)
  return (known ?? new DirectoryIndex([])).directoriesAt(directory)
}

function knownList(directory: string, properties: BigIntStats): DirectoryIndex | undefined {
  const isKnown = listed?.directory === directory && listed.key === changeKey(properties)
  return isKnown ? listed?.index.deref() : undefined
}

function changeKey({ dev, ino, mtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${mtimeNs}`
}
