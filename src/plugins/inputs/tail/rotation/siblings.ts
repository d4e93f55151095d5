import type { BigIntStats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { FsFailure, isMissing, lstat, stat } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import { isGzipName } from '../file/compression.ts'
import { TICK_MS } from '../file/fingerprint.ts'
import { identityKey } from '../file/identity.ts'
import { linkTarget } from '../tracking/link-target.ts'
import { type DirectoryNames, inTurn, rotatedIn } from './directory-names.ts'
import { compareDatesOfNames, isUnreadableFormat, maskDigits, uncompressedName } from './names.ts'

/** Maximum number of attempts to find files while a rotation changes their names. */
export const MAX_ATTEMPTS = 5

/** A file whose name rotation may have made from that of a followed file: `x.log.1` from `x.log`. */
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
  /** Other directories: those in which rotated files were found, or to which the link led before. */
  directories?: Iterable<string>
  /** Target of the link before it was switched: names that differ from it only in digits count too. */
  targetBefore?: string | undefined
}

/**
 * Returns the siblings of a path, the oldest first. For a link, as in /var/log/containers, they are those
 * of its target. `names`: listings, which may be out of date.
 */
export function siblingsOf(link: string, scope: SiblingScope = {}, names?: DirectoryNames): Sibling[] {
  let found = findSiblings(link, scope, names)
  // A file that was renamed or compressed since the directory was read has a name that was not in the list.
  for (let attempt = 1; found.isOutOfDate && attempt <= MAX_ATTEMPTS; attempt++) {
    const before = found.siblings
    found = findSiblings(link, scope, undefined)
    if (haveSameFiles(found.siblings, before)) break
  }
  const plain = new Set(found.siblings.keys())
  return inOrder([...found.siblings.values()].filter((s) => isReadable(s, plain)))
}

function haveSameFiles(a: Map<string, Sibling>, b: Map<string, Sibling>): boolean {
  return a.size === b.size && [...a].every(([path, { key }]) => b.get(path)?.key === key)
}

/** Returns the siblings of a path in one directory, the oldest first. */
export function siblingsIn(directory: string, path: string): Sibling[] {
  return siblingsOf(path, { directories: [directory] }).filter((s) => dirname(s.path) === directory)
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
  const listedMs = names?.readSinceMs ?? Date.now() - TICK_MS
  const add = (candidate: string): void => {
    const properties = stat(candidate)
    if (properties instanceof FsFailure) {
      isOutOfDate ||= isMissing(properties) && isMissing(lstat(candidate))
      return
    }
    if (candidate === path || !properties.isFile()) return
    // The file may have got its name after the directory was read, and the one that had it another name.
    isOutOfDate ||= millisecondsOf(properties.ctimeNs) >= listedMs
    siblings.set(candidate, siblingAt(candidate, properties))
  }
  const { targetBefore } = scope
  for (const directory of new Set([dirname(path), ...(scope.directories ?? [])])) {
    const rotated = names?.rotatedFrom(directory, live) ?? rotatedIn(directory, live)
    const others = targetBefore === undefined ? [] : inTurn(directory, basename(targetBefore), names)
    for (const name of [...rotated, ...others]) add(join(directory, name))
  }
  // The former target may have been rotated, too, before the link was switched.
  if (targetBefore !== undefined && !isMissing(stat(targetBefore))) add(targetBefore)
  return { siblings, isOutOfDate }
}

/**
 * Returns the time at which the file was created, or, where the file system has no birth time, last
 * changed.
 */
export function appearedMs({ birthMs, mtimeMs }: Sibling): number {
  return birthMs > 0 ? birthMs : mtimeMs
}

/**
 * Returns the earliest time at which the content of a sibling was new. The birth of a .gz is that of its
 * compression, but gzip preserves the modification time.
 */
export function contentMs(sibling: Sibling): number {
  return isGzipName(sibling.path) ? sibling.mtimeMs : appearedMs(sibling)
}

/** True when the sibling is no longer at its path: it was renamed, compressed or deleted. */
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
    mtimeMs: millisecondsOf(properties.mtimeNs),
    birthMs: millisecondsOf(properties.birthtimeNs),
  }
}

/**
 * False for a .gz that may be incomplete, as its plain file still exists, and for other formats than gzip.
 */
function isReadable({ path }: Sibling, all: Set<string>): boolean {
  if (isUnreadableFormat(path)) return false
  return !isGzipName(path) || !all.has(path.slice(0, -'.gz'.length))
}

/**
 * True when a rotated file of the path was compressed in a format that cannot be read, after the file of
 * the row was found: it may be that file.
 */
export function hasUnreadableCopy(link: string, { created }: { created: number }): boolean {
  const path = linkTarget(link)
  return rotatedIn(dirname(path), basename(path)).some((name) => {
    const properties = isUnreadableFormat(name) ? stat(join(dirname(path), name)) : undefined
    if (properties === undefined || properties instanceof FsFailure) return false
    return appearedMs(siblingAt(name, properties)) >= created * 1000
  })
}

/** True when the path has siblings. */
export function hasSiblings(link: string, names: DirectoryNames): boolean {
  const path = linkTarget(link)
  return names.rotatedFrom(dirname(path), basename(path)).length > 0
}

/**
 * Sorts siblings by the dates in their names, or else by their times. For two rotations within a clock
 * tick, the best guess is the birth, then the number. The birth of a .gz does not count, as all files of a
 * log may be compressed at once, the newest first.
 */
function inOrder(siblings: Sibling[]): Sibling[] {
  let isAscending: boolean | undefined
  const compareInTick = (a: Sibling, b: Sibling): number => {
    isAscending ??= haveAscendingNumbers(siblings)
    return isAscending ? compareNumbers(a, b) : compareNumbers(b, a)
  }
  const compareTimes = (a: Sibling, b: Sibling): number =>
    a.mtimeMs - b.mtimeMs || (isGzipName(a.path) || isGzipName(b.path) ? 0 : a.birthMs - b.birthMs)
  return siblings.sort(
    (a, b) =>
      compareDatesOfNames(basename(a.path), basename(b.path)) || compareTimes(a, b) || compareInTick(a, b),
  )
}

/**
 * True when later files have greater numbers, as those of log4j2 by default, and not smaller ones, as
 * logrotate.
 */
function haveAscendingNumbers(siblings: readonly Sibling[]): boolean {
  const byTime = siblings.toSorted((a, b) => a.mtimeMs - b.mtimeMs)
  let ascents = 0
  for (const [i, later] of byTime.entries()) {
    const earlier = byTime[i - 1]
    if (earlier === undefined || later.mtimeMs - earlier.mtimeMs <= TICK_MS) continue
    if (maskDigits(basename(later.path)) !== maskDigits(basename(earlier.path))) continue
    ascents += Math.sign(compareNumbers(later, earlier))
  }
  return ascents > 0
}

/** Compares the numbers of two names that differ in nothing else, except the suffix of a compression. */
function compareNumbers(a: Sibling, b: Sibling): number {
  const [x, y] = [uncompressedName(a.path), uncompressedName(b.path)]
  return x.length - y.length || (x < y ? -1 : 1)
}
