import type { BigIntStats } from 'node:fs'
import { dirname } from 'node:path'
import { close, FsFailure, isMissing, lstat, type OpenedFile, openFile, readLink } from './file-system.ts'

/**
 * Which symbolic links are followed: all, none, or those whose owner may decide where they lead: root, or the
 * owner of the target.
 */
export type LinkRule = 'on' | 'same_owner' | 'off'

/** Code of a path that goes through a link which the rule does not allow. */
export const LINK_REFUSED = 'LINK_REFUSED'
/** Code of a path whose links changed whenever it was opened, so that the rule could not be applied. */
export const LINK_CHANGED = 'LINK_CHANGED'

/** Links on the way to a file, as the kernel counts them. */
const MAX_LINKS = 40
/** A path that is renamed or switched while it is opened is tried again. */
const MAX_ATTEMPTS = 3

/** A path without links, and what is there. */
interface Place {
  path: string
  stat: BigIntStats
}

/**
 * Opens a regular file, like `openFile`, if the rule allows all links on the way to it, those in its
 * directories included. The path must be absolute and normalized.
 *
 * Whoever may write to a directory can switch links between a check and the open call. So the file is opened
 * first, and accepted only if the links, as they are now, lead to the path that the kernel has for the open
 * file. A file whose path the kernel gives unchanged was reached through no link at all.
 */
export function openFollowing(path: string, rule: LinkRule): OpenedFile | FsFailure {
  if (rule === 'on') return openFile(path)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const opened = openFile(path)
    if (opened instanceof FsFailure) return opened
    const name = readLink(`/proc/self/fd/${opened.fd}`)
    if (name === path) {
      opened.isDirect = true
      return opened
    }
    const place = follow(path, rule)
    if (!(place instanceof FsFailure) && isPlaceOf(opened, name, place)) return opened
    close(opened.fd)
    if (place instanceof FsFailure && !isChanged(place)) return place
  }
  return new FsFailure(LINK_CHANGED, 'the links in its path change while it is opened')
}

/**
 * Returns why the rule does not allow a path, or why its links cannot be examined; undefined if it is allowed. A link that
 * is switched meanwhile is followed again.
 */
export function refusalOf(path: string, rule: LinkRule): FsFailure | undefined {
  if (rule === 'on') return undefined
  let place = follow(path, rule)
  for (let attempt = 2; attempt <= MAX_ATTEMPTS && isChanged(place); attempt++) place = follow(path, rule)
  return place instanceof FsFailure && !isMissing(place) ? place : undefined
}

function isChanged(place: Place | FsFailure): boolean {
  return place instanceof FsFailure && place.code === LINK_CHANGED
}

/**
 * True when what `stat` described was at the path and reached through allowed links only, as far as that can be
 * told of a file that may be gone by now, or may not be opened: of one that can, the open file tells. Otherwise
 * only root and the owner of the file may be able to change the directories on the way to it.
 */
export function isReached(path: string, rule: LinkRule, stat: BigIntStats): boolean {
  if (rule === 'on') return true
  const opened = openFollowing(path, rule)
  if (!(opened instanceof FsFailure)) {
    close(opened.fd)
    return opened.stat.dev === stat.dev && opened.stat.ino === stat.ino
  }
  if (opened.code === LINK_REFUSED || opened.code === LINK_CHANGED) return false
  for (let at = dirname(path); ; at = dirname(at)) {
    const found = lstat(at)
    if (found instanceof FsFailure || (found.uid !== 0n && found.uid !== stat.uid)) return false
    const isOpenToAll = found.isDirectory() && (found.mode & 0o1002n) === 0o002n
    if (isOpenToAll) return false
    if (at === '/') return true
  }
}

/** Without /proc, only device and inode can be compared. */
function isPlaceOf({ stat }: OpenedFile, name: string | FsFailure, place: Place): boolean {
  if (stat.dev !== place.stat.dev || stat.ino !== place.stat.ino) return false
  return name instanceof FsFailure || name === place.path
}

/** Follows the links of a path one by one, as the kernel does, and applies the rule to each. */
function follow(path: string, rule: LinkRule): Place | FsFailure {
  let links = 0
  const walk = (from: string, parts: readonly string[]): Place | FsFailure => {
    let at = from
    let stat: BigIntStats | undefined
    for (const part of parts) {
      if (part === '' || part === '.') continue
      if (part === '..') {
        // `at` has no links, so that its parent is the one in its text.
        at = dirname(at)
        stat = undefined
        continue
      }
      const next = at === '/' ? `/${part}` : `${at}/${part}`
      const found = lstat(next)
      if (found instanceof FsFailure) return found
      let place: Place | FsFailure = { path: next, stat: found }
      if (found.isSymbolicLink()) {
        if (rule === 'off') return new FsFailure(LINK_REFUSED, `${next} is a link`)
        if (++links > MAX_LINKS) return new FsFailure('ELOOP', 'too many symbolic links in its path')
        const target = targetOf(next, found)
        if (target instanceof FsFailure) return target
        place = walk(target.startsWith('/') ? '/' : at, target.split('/'))
        if (place instanceof FsFailure) return place
        // What the whole chain leads to counts: each link in it could be switched by its own owner.
        if (found.uid !== 0n && found.uid !== place.stat.uid) return refused(next, found, place)
      }
      ;({ path: at, stat } = place)
    }
    const last = stat ?? lstat(at)
    return last instanceof FsFailure ? last : { path: at, stat: last }
  }
  return walk('/', path.split('/'))
}

/**
 * Returns the text of the link that was found. A link that was switched meanwhile has another inode, and one
 * that was moved away and back has another change time.
 */
function targetOf(link: string, found: BigIntStats): string | FsFailure {
  const target = readLink(link)
  if (target instanceof FsFailure) return target
  const now = lstat(link)
  if (now instanceof FsFailure) return now
  const isSame = now.dev === found.dev && now.ino === found.ino && now.ctimeNs === found.ctimeNs
  return isSame ? target : new FsFailure(LINK_CHANGED, `the link ${link} changes`)
}

function refused(link: string, { uid }: BigIntStats, { path, stat }: Place): FsFailure {
  return new FsFailure(
    LINK_REFUSED,
    `the link ${link} of user ${uid} leads to ${path}, which belongs to user ${stat.uid}`,
  )
}
