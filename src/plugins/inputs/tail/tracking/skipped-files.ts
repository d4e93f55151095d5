import type { BigIntStats } from 'node:fs'
import type { OffsetRow, SkippedFile } from '../../../../core/offset-store.ts'
import { close, FsFailure, openFile } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from '../file/compression.ts'
import {
  FINGERPRINT_BYTES,
  fingerprintOf,
  MARKER_BYTES,
  markerAt,
  markerOf,
  peek,
} from '../file/fingerprint.ts'
import { identityKey, storedKey } from '../file/identity.ts'
import type { KnownContent } from '../file/rotation-state.ts'

/**
 * Maximum number of files remembered; beyond that the oldest is forgotten, and is later read like a new file.
 */
const MAX_FILES = 20_000

/**
 * Files that a scan found but did not open, because they were unreadable or too old. Each has its start offset at that
 * time: when it is opened later, what was written since is read, but not what existed before the agent did. Its content
 * at that time shows whether it is still the same.
 */
export class SkippedFiles {
  readonly #files = new Map<string, SkippedFile>()
  /** The files by the path at which they were found; several where one was replaced. */
  readonly #byPath = new Map<string, Set<SkippedFile>>()
  /** Greatest size seen in this run, of files that could not be opened. */
  readonly #sizes = new WeakMap<SkippedFile, number>()
  #isChanged = false

  /** `stored`: the files that the previous run skipped. */
  constructor(stored: readonly SkippedFile[]) {
    for (const file of stored) this.#set(file)
  }

  /** All files, if they changed since the last write. */
  get changed(): SkippedFile[] | undefined {
    return this.#isChanged ? [...this.#files.values()] : undefined
  }

  recordWritten(): void {
    this.#isChanged = false
  }

  /**
   * Schedules the list to be written with the next commit even if it is empty, as that records that a scan
   * was made.
   */
  recordScan(): void {
    this.#isChanged = true
  }

  has(stat: BigIntStats): boolean {
    return this.find(stat) !== undefined
  }

  /** Returns the files that have not been opened yet. */
  all(): SkippedFile[] {
    return [...this.#files.values()]
  }

  /** Returns the files that were found at this path and not opened since. */
  at(path: string): Iterable<SkippedFile> {
    return this.#byPath.get(path) ?? []
  }

  /** Remembers a file, to be read from `offset` once it can be opened. `canOpen`: it is not followed although it can be now. */
  add(path: string, stat: BigIntStats, offset: number, canOpen: boolean): void {
    const first = this.#files.size >= MAX_FILES ? this.#files.values().next().value : undefined
    if (first !== undefined) this.remove(first)
    this.#set({
      path,
      device: BigInt.asIntN(64, stat.dev),
      inode: BigInt.asIntN(64, stat.ino),
      birthMs: birthOf(stat),
      offset,
      ...(canOpen ? contentBefore(offset, path, stat) : {}),
    })
    this.#isChanged = true
  }

  /** Puts back a file that was removed and has not been found yet. */
  restore(file: SkippedFile): void {
    this.#set(file)
    this.#isChanged = true
  }

  /** Forgets a file that is open, is gone, or has a row now. */
  remove(file: SkippedFile): void {
    if (this.#files.get(storedKey(file)) !== file) return
    this.#files.delete(storedKey(file))
    const beside = this.#byPath.get(file.path)
    beside?.delete(file)
    if (beside?.size === 0) this.#byPath.delete(file.path)
    this.#isChanged = true
  }

  #set(file: SkippedFile): void {
    const before = this.#files.get(storedKey(file))
    if (before !== undefined) this.remove(before)
    this.#files.set(storedKey(file), file)
    const beside = this.#byPath.get(file.path)
    if (beside === undefined) this.#byPath.set(file.path, new Set([file]))
    else beside.add(file)
  }

  /** Greatest size that the file was seen to have since it was found. */
  sizeOf(file: SkippedFile): number {
    return Math.max(file.offset, this.#sizes.get(file) ?? 0)
  }

  /**
   * Records the size that a file has now while it cannot be opened. If it was truncated, all of it is read later; returns how many bytes
   * of before were neither read nor meant to be skipped. A file of which the content is known is compared once it is opened.
   */
  recordSize(file: SkippedFile, size: number): { lost: number } | undefined {
    const before = this.sizeOf(file)
    if (size >= before || file.fingerprint !== undefined) {
      this.#sizes.set(file, Math.max(size, before))
      return undefined
    }
    const lost = before - file.offset
    const { marker, markerSize, ...rest } = file
    const restarted = { ...rest, offset: 0 }
    this.#set(restarted)
    this.#sizes.set(restarted, size)
    this.#isChanged = true
    return { lost }
  }

  /** Returns what is remembered of the file; undefined for one that was not skipped. */
  find(stat: BigIntStats): SkippedFile | undefined {
    if (this.#files.size === 0) return undefined
    const file = this.#files.get(storedKey({ device: stat.dev, inode: stat.ino }))
    // Another file reuses the inode.
    return file === undefined || file.birthMs !== birthOf(stat) ? undefined : file
  }
}

/** Returns the row that a skipped file would have if it had been followed to the offset from which it is to be read. */
export function rowOfSkipped(file: SkippedFile): OffsetRow {
  const { path, inode, device, birthMs, offset } = file
  return {
    id: undefined,
    name: path,
    offset,
    inode,
    created: Math.floor(birthMs / 1000),
    rotated: false,
    marker: file.marker ?? 0n,
    markerSize: file.markerSize ?? 0,
    openedAs: path,
    device,
    fingerprint: file.fingerprint,
    fingerprintSize: file.fingerprintSize,
    streamOffset: undefined,
    skipping: undefined,
    birthMs,
  }
}

/** Returns what a skipped file had, by which a copy of it is recognized; undefined when that is not known. */
export function contentOfSkipped(file: SkippedFile): KnownContent | undefined {
  const { offset, marker = 0n, markerSize = 0, fingerprint, fingerprintSize } = file
  if (fingerprint === undefined) return undefined
  return { offset, marker, markerSize, fingerprint, fingerprintSize }
}

type Content = Pick<SkippedFile, 'marker' | 'markerSize' | 'fingerprint' | 'fingerprintSize'>

/**
 * Returns the marks of the first `offset` bytes of the file, as a row has them: of a .gz there is no fingerprint of the bytes on disk.
 * None when another file is at the path by now, or it cannot be read, which is reported once it has to be.
 */
function contentBefore(offset: number, path: string, stat: BigIntStats): Content {
  if (offset === 0) return {}
  const opened = openFile(path)
  if (opened instanceof FsFailure) return {}
  const { fd, stat: found } = opened
  try {
    if (identityKey(found.dev, found.ino) !== identityKey(stat.dev, stat.ino)) return {}
    if (isGzipName(path)) return markerAt(fd, offset)
    const head = peek(fd, 0, Math.min(FINGERPRINT_BYTES, offset))
    if (head === undefined) return {}
    const known = { fingerprint: fingerprintOf(head), fingerprintSize: head.length }
    const isAll = head.length === offset
    return { ...known, ...(isAll ? markerOf(head.subarray(-MARKER_BYTES)) : markerAt(fd, offset)) }
  } finally {
    close(fd)
  }
}

/** Returns the birth of a file as its row has it, in whole milliseconds. */
export function birthOf(stat: BigIntStats): number {
  return Number(stat.birthtimeNs / 1_000_000n)
}
