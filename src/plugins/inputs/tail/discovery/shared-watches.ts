import type { FSWatcher } from 'node:fs'
import { basename, join } from 'node:path'
import { FsFailure, isMissing, lstat, stat, watchDirectory } from '../../../../lib/fs/file-system.ts'

/** Told what happens in a directory. */
export interface FolderListener {
  /** Something happened to this entry, or, without a name, to the directory; `renamed`: it may be another file now. */
  changed(folder: string, name: string | undefined, renamed: boolean): void
  /** The watch is over: the directory was deleted, renamed away or replaced, or the watch failed. */
  ended(folder: string, reason: string): void
}

/** What tells a directory from the one that has its path, and perhaps its inode number, later. */
interface FolderIdentity {
  device: bigint
  inode: bigint
  /** 0 on file systems without times of birth: there the event of the deletion tells them apart. */
  bornNs: bigint
}

interface SharedWatch {
  watcher: FSWatcher
  identity: FolderIdentity
  listeners: Set<FolderListener>
}

/**
 * The watches of the process. Inputs share them because bun does: all its watchers of a path hang on the first one, so that
 * one which is made for a new directory reports nothing while another input still has one for the directory before.
 */
const watches = new Map<string, SharedWatch>()

/** Watches a directory; a failure means that it is not watched. */
export function startWatching(folder: string, listener: FolderListener): FsFailure | undefined {
  checkWatch(folder)
  const known = watches.get(folder)
  if (known !== undefined) {
    known.listeners.add(listener)
    return undefined
  }
  // Looked at before: if it is replaced in between, the next check finds that they differ.
  const identity = identityOf(folder)
  if (identity instanceof FsFailure) return identity
  const watcher = watchDirectory(folder, (event, name) => dispatch(folder, event === 'rename', name))
  if (watcher instanceof FsFailure) return watcher
  watcher.on('error', (error) => end(folder, error.message))
  watches.set(folder, { watcher, identity, listeners: new Set([listener]) })
  return undefined
}

export function stopWatching(folder: string, listener: FolderListener): void {
  const watch = watches.get(folder)
  watch?.listeners.delete(listener)
  if (watch === undefined || watch.listeners.size > 0) return
  watch.watcher.close()
  watches.delete(folder)
}

/** Ends the watch of a directory if another one, or none, is at its path now. */
export function checkWatch(folder: string): void {
  const watch = watches.get(folder)
  if (watch === undefined) return
  const now = identityOf(folder)
  if (now instanceof FsFailure) {
    // What cannot be looked at is not gone.
    if (isMissing(now)) end(folder, now.message)
    return
  }
  const { device, inode, bornNs } = watch.identity
  if (now.device !== device || now.inode !== inode || now.bornNs !== bornNs)
    end(folder, 'another directory is at its path')
}

function dispatch(folder: string, renamed: boolean, name: string | null): void {
  // What happens to the directory itself has its own name, as if it were an entry in it.
  if (name === basename(folder) && isMissing(lstat(join(folder, name)))) {
    // Its deletion, or that of such an entry: a watch too many is made again, one too few would be blind.
    if (renamed) end(folder, 'it was deleted')
    else tell(folder, undefined, false)
    return
  }
  tell(folder, name ?? undefined, renamed)
  // A directory with a file that is held open is deleted without an event until the file is closed.
  if (renamed) checkWatch(folder)
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
