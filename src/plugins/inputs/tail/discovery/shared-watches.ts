import type { FSWatcher } from 'node:fs'
import { basename, join } from 'node:path'
import { FsFailure, isMissing, lstat, stat, watchDirectory } from '../../../../lib/fs/file-system.ts'

/** Receives what happens in a directory. */
export interface FolderListener {
  /**
   * Called when something happened to the entry `name`, or, without a name, to the directory. `renamed`: the
   * entry may be another file now.
   */
  changed(folder: string, name: string | undefined, renamed: boolean): void
  /** Called when the watch has ended: the directory was deleted, renamed or replaced, or the watch failed. */
  ended(folder: string, reason: string): void
}

/**
 * Properties that distinguish a directory from a later one with the same path, and perhaps the same inode
 * number.
 */
interface FolderIdentity {
  device: bigint
  inode: bigint
  /** 0 on file systems without birth times, where the deletion event distinguishes them. */
  bornNs: bigint
}

interface SharedWatch {
  watcher: FSWatcher
  /** Last part of its path. */
  name: string
  identity: FolderIdentity
  listeners: Set<FolderListener>
}

/**
 * Watches of the process, shared by all inputs. In bun, all watchers of a path hang on the first one: a
 * watcher for a recreated directory reports nothing while another input still has one for the deleted
 * directory.
 */
const watches = new Map<string, SharedWatch>()

/** Watches a directory. Returns a failure when it cannot be watched. */
export function startWatching(folder: string, listener: FolderListener): FsFailure | undefined {
  checkWatch(folder)
  const known = watches.get(folder)
  if (known !== undefined) {
    known.listeners.add(listener)
    return undefined
  }
  // Taken before the watch begins: if the directory is replaced in between, the next check finds a
  // difference.
  const identity = identityOf(folder)
  if (identity instanceof FsFailure) return identity
  const watcher = watchDirectory(folder, (event, name) => dispatch(folder, event === 'rename', name))
  if (watcher instanceof FsFailure) return watcher
  watcher.on('error', (error) => end(folder, error.message))
  watches.set(folder, { watcher, name: basename(folder), identity, listeners: new Set([listener]) })
  return undefined
}

export function stopWatching(folder: string, listener: FolderListener): void {
  const watch = watches.get(folder)
  watch?.listeners.delete(listener)
  if (watch === undefined || watch.listeners.size > 0) return
  watch.watcher.close()
  watches.delete(folder)
}

/** Ends the watch of a directory if its path is now missing or leads to another directory. */
export function checkWatch(folder: string): void {
  const watch = watches.get(folder)
  if (watch === undefined) return
  const now = identityOf(folder)
  if (now instanceof FsFailure) {
    // A directory that cannot be examined is not missing.
    if (isMissing(now)) end(folder, now.message)
    return
  }
  const { device, inode, bornNs } = watch.identity
  if (now.device !== device || now.inode !== inode || now.bornNs !== bornNs)
    end(folder, 'another directory is at its path')
}

function dispatch(folder: string, renamed: boolean, name: string | null): void {
  // inotify reports an event of the directory itself under its own name, as if it were an entry in it.
  if (name === watches.get(folder)?.name && isMissing(lstat(join(folder, name)))) {
    // Either the directory was deleted, or an entry with its name was. Ending a valid watch is harmless, as
    // it is made again; keeping a dead one would miss events.
    if (renamed) end(folder, 'it was deleted')
    else tell(folder, undefined, false)
    return
  }
  tell(folder, name ?? undefined, renamed)
  // Deleting a directory causes no event as long as a file in it is held open.
  if (renamed) checkSoon(folder)
}

/** Directories to be checked once all events of this turn of the event loop are known: there may be very many. */
const unchecked = new Set<string>()

function checkSoon(folder: string): void {
  if (unchecked.size === 0)
    setImmediate(() => {
      const folders = [...unchecked]
      unchecked.clear()
      for (const one of folders) checkWatch(one)
    })
  unchecked.add(folder)
}

function tell(folder: string, name: string | undefined, renamed: boolean): void {
  for (const listener of watches.get(folder)?.listeners ?? []) listener.changed(folder, name, renamed)
}

function end(folder: string, reason: string): void {
  const watch = watches.get(folder)
  if (watch === undefined) return
  watches.delete(folder)
  watch.watcher.close()
  for (const listener of watch.listeners) listener.ended(folder, reason)
}

function identityOf(folder: string): FolderIdentity | FsFailure {
  const found = stat(folder)
  if (found instanceof FsFailure) return found
  return { device: found.dev, inode: found.ino, bornNs: found.birthtimeNs }
}
