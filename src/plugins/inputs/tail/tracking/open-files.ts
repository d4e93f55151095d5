import type { BigIntStats } from 'node:fs'
import { dirname } from 'node:path'
import type { OffsetRow, SkippedFile } from '../../../../core/offset-store.ts'
import type { Clock, Logger } from '../../../../core/services.ts'
import {
  close,
  FsFailure,
  isMissing,
  type OpenedFile,
  stat as statOf,
} from '../../../../lib/fs/file-system.ts'
import {
  isReached,
  LINK_CHANGED,
  LINK_REFUSED,
  type LinkRule,
  openFollowing,
  refusalOf,
} from '../../../../lib/fs/links.ts'
import type { StringMatcher } from '../../../../lib/regex/string-matcher.ts'
import type { TailCounters } from '../counters.ts'
import { type ByteSource, PlainSource } from '../file/byte-source.ts'
import { COMPRESSED, compressedFailure, isGzipName } from '../file/compression.ts'
import { hasMarkedContent } from '../file/content-mark.ts'
import {
  Descriptor,
  type DescriptorEvents,
  type DescriptorOwner,
  isOutOfDescriptors,
} from '../file/descriptor.ts'
import { descriptorBudget } from '../file/descriptor-budget.ts'
import { EntryEncoder, type EntryFormat, hasFileFields, NO_NAMES } from '../file/entry-encoder.ts'
import { FileHandle } from '../file/file-handle.ts'
import { headOf, TICK_MS } from '../file/fingerprint.ts'
import { isPlainContent } from '../file/gzip-members.ts'
import { GzipSource } from '../file/gzip-source.ts'
import { FileIdentity, identityKey } from '../file/identity.ts'
import type { Truncation } from '../file/read-cursor.ts'
import { rowForFile, StoredRow } from '../file/stored-row.ts'
import { expandTag } from '../file/tag.ts'
import { TailFile } from '../file/tail-file.ts'
import { gzipEvents } from './gzip-events.ts'
import { firstTarget, lastKernelPathOf, linkTarget, mayBeLink } from './link-target.ts'
import type { Positions } from './positions.ts'
import type { ReadErrors } from './read-errors.ts'
import { AT_HEAD, type Start, StartOffset, type StartOffsetOptions } from './start-offset.ts'

interface OpenFilesOptions extends StartOffsetOptions {
  tag: string
  tagRegex: StringMatcher | undefined
  format: EntryFormat
  /** Files not modified for this long are not opened; 0: all are. */
  ignoreOlderMs: number
  /** Returns which links of a path are followed. */
  linkRule: (path: string) => LinkRule
  /** Agent and input: two inputs that follow one file make chunks with different ids. */
  origin: string
  /** See `TailFileInit`. */
  placeOrigin?: string | undefined
  /** Claims and returns the row of a closed rotated file, if the file at this descriptor is the one. */
  takeClosed: (stat: BigIntStats, fd: number, path: string) => OffsetRow | undefined
  readErrors: ReadErrors
  clock: Clock
  /** See `Positions.storeMark`. */
  storeMark: (file: TailFile) => boolean
  /** Called when a content gets another source, see `Joiner.renameSource`. */
  onSourceLeft?: ((before: string, after: string) => void) | undefined
  onSettled: (file: TailFile, bytes: number) => void
  onTruncated: (file: TailFile, truncation: Truncation) => void
  /** The file is read from its start, as it was truncated since it was skipped. `isReported`: that is counted and logged. */
  onSkippedTruncated: (file: TailFile, before: SkippedFile, isReported: boolean) => void
  /** More of a compressed file has been inflated. */
  onMore: (file: TailFile) => void
  /** The file was deleted while its descriptor was released. */
  onGone: (file: TailFile) => void
  /** See `InputContext.leftGarbage`. */
  leftGarbage?: ((bytes: number) => void) | undefined
  /** Returns a path at which a file that has left its path may be now. */
  findRotated: (file: DescriptorOwner) => string | undefined
}

const NO_BYTES = Buffer.alloc(0)
/** Objects that opening a file leaves: properties in BigInts, for the path, each link and the descriptor, and texts. */
const OPENING_GARBAGE_BYTES = 8192

/** The open files by identity and by path. Opens files at the offset from which they are read. */
export class OpenFiles {
  readonly byKey = new Map<string, TailFile>()
  /** Each path that resolves to an open file: its name, and for a link also the real path. */
  readonly byPath = new Map<string, TailFile>()
  /** Paths that are links, or go through one, and what they resolved to last. */
  readonly #targets = new Map<string, string>()
  /** The reverse of `#targets`. */
  readonly #links = new Map<string, Set<string>>()
  readonly #options: Pick<
    OpenFilesOptions,
    | 'tag'
    | 'tagRegex'
    | 'format'
    | 'ignoreOlderMs'
    | 'origin'
    | 'placeOrigin'
    | 'storeMark'
    | 'onSourceLeft'
    | 'leftGarbage'
  >
  readonly #positions: Positions
  readonly #linkRule: OpenFilesOptions['linkRule']
  readonly #takeClosed: OpenFilesOptions['takeClosed']
  readonly #readErrors: ReadErrors
  readonly #startOffset: StartOffset
  /** Encoder of all files, when entries do not name their file. */
  readonly #sharedEncoder: EntryEncoder | undefined
  /** File that was opened last, if it was reached through no link. */
  #openedDirectly: TailFile | undefined
  /** True once a descriptor was released, which is logged. */
  #hasReleased = false
  readonly #counters: TailCounters
  readonly #log: Logger
  readonly #clock: Clock
  readonly #onSettled: (file: TailFile, bytes: number) => void
  readonly #onTruncated: (file: TailFile, truncation: Truncation) => void
  readonly #onSkippedTruncated: OpenFilesOptions['onSkippedTruncated']
  readonly #onMore: (file: TailFile) => void

  readonly #descriptors: DescriptorEvents
  readonly #onGone: (file: TailFile) => void

  constructor(options: OpenFilesOptions) {
    this.#descriptors = { find: options.findRotated, onReleased: () => this.#recordReleased() }
    this.#options = options
    this.#onGone = options.onGone
    this.#positions = options.positions
    this.#linkRule = options.linkRule
    this.#takeClosed = options.takeClosed
    this.#readErrors = options.readErrors
    this.#startOffset = new StartOffset(options)
    this.#sharedEncoder = hasFileFields(options.format)
      ? undefined
      : new EntryEncoder(options.format, NO_NAMES)
    this.#counters = options.counters
    this.#log = options.log
    this.#clock = options.clock
    this.#onSettled = options.onSettled
    this.#onTruncated = options.onTruncated
    this.#onSkippedTruncated = options.onSkippedTruncated
    this.#onMore = options.onMore
  }

  /**
   * Returns the file that a path resolves to, opening it if it is not open; undefined when there is no file
   * or it cannot be read. `isFirstScan`: the path was found by the scan at the start.
   */
  open(path: string, isFirstScan: boolean): { file: TailFile; isNew: boolean } | undefined {
    const stat = statOf(path)
    if (stat instanceof FsFailure) {
      if (isMissing(stat)) return this.#readErrors.recordMissing(path)
      this.#readErrors.record(path, stat)
      return undefined
    }
    if (!stat.isFile()) return undefined
    const known = this.#openFileOf(stat)
    if (known !== undefined) {
      // A link to a file that is open under another name must be allowed as well.
      const refusal = this.byPath.get(path) === known ? undefined : this.refusalOf(path)
      if (refusal !== undefined) {
        this.#readErrors.record(path, refusal)
        return undefined
      }
      this.#readErrors.clear(path)
      return { file: known, isNew: false }
    }
    const file = this.#isTooOld(Number(stat.mtimeMs)) ? undefined : this.#openNew(path, isFirstScan)
    if (file instanceof FsFailure) this.#readErrors.record(path, file)
    if (file === undefined || file instanceof FsFailure) {
      this.#skip(stat, path, isFirstScan, file)
      return undefined
    }
    this.#readErrors.clear(path)
    return { file, isNew: true }
  }

  /** Returns why Follow_Symlinks forbids to follow the links of a path; undefined if it does not. */
  refusalOf(path: string): FsFailure | undefined {
    return refusalOf(path, this.#linkRule(path))
  }

  /** Returns the open file that a path resolves to. */
  openFileAt(path: string): TailFile | undefined {
    const stat = statOf(path)
    return stat instanceof FsFailure ? undefined : this.#openFileOf(stat)
  }

  /**
   * Returns the file with these properties. One whose descriptor was released does not keep its inode: if that
   * has been used again, the file is gone.
   */
  #openFileOf(stat: BigIntStats): TailFile | undefined {
    const file = this.byKey.get(identityKey(stat.dev, stat.ino))
    if (!file?.handle.descriptor.isReplacedBy(stat)) return file
    this.#onGone(file)
    return undefined
  }

  /**
   * Opens a file that has left the path `openedAs`, which determines its tag. Without a row it is read from
   * its start. Returns undefined when it cannot be opened, or when the path now has a file other than that of
   * `key`.
   */
  openRotated(path: string, key: string, openedAs: string, row: OffsetRow | undefined): TailFile | undefined {
    const file = this.#openNew(path, false, { key, openedAs, row })
    if (!(file instanceof FsFailure)) return file
    this.#readErrors.record(path, file)
    return undefined
  }

  /** Remembers a file that cannot be opened yet or is too old, with the start offset that it has now. */
  #skip(stat: BigIntStats, path: string, isFirstScan: boolean, failure: FsFailure | undefined): void {
    const { skipped } = this.#positions
    const known = skipped.find(stat)
    if (known !== undefined && failure !== undefined) this.recordSize(known, Number(stat.size))
    if (known !== undefined || this.#positions.find(stat.dev, stat.ino) !== undefined) return
    // What a refused link leads to would be found, and read, under its own name.
    const isLinkFailure = failure?.code === LINK_REFUSED || failure?.code === LINK_CHANGED
    if (isLinkFailure || !isReached(path, this.#linkRule(path), stat)) return
    const offset = this.#startOffset.forSkipped(stat, path, isFirstScan)
    // A file that is not remembered is read from its start if it appears at a matching path later.
    const mayOpenLater = failure !== undefined && failure.code !== COMPRESSED
    const canOpen = failure === undefined || failure.code === COMPRESSED
    if (offset > 0 || mayOpenLater) skipped.add(path, stat, offset, canOpen)
  }

  /** Takes note of the size of a file that cannot be opened; counts and logs what a truncation took away. */
  recordSize(skipped: SkippedFile, size: number): void {
    const truncated = this.#positions.skipped.recordSize(skipped, size)
    if (truncated === undefined) return
    const { lost } = truncated
    this.#counters.add('files_truncated')
    this.#counters.add('lost_bytes', lost, 'truncated')
    const text = `${skipped.path} was truncated while it could not be read: it will be read from its start`
    if (lost === 0) this.#log.warn(text, { size })
    else
      this.#log.error(`${text}; ${lost} bytes were truncated before they were read`, {
        code: 'E_TAIL_TRUNCATED',
        size,
        lost_bytes: lost,
      })
  }

  /** Records that `path` resolves to `file`; returns the directory in which events of its appends occur. */
  bind(path: string, file: TailFile): string {
    this.byPath.set(path, file)
    const isDirect = this.#openedDirectly === file && file.path === path
    this.#openedDirectly = undefined
    const target = isDirect ? path : targetOf(file, path)
    file.rename(path, target)
    if (target !== path) this.byPath.set(target, file)
    this.#recordTarget(path, target)
    return dirname(target)
  }

  /** Returns the links that resolve to a path, also while there is no file at it, as during a rotation. */
  linksTo(path: string): Iterable<string> | undefined {
    return this.#links.get(path)
  }

  /** Records that the path is no longer a link. */
  forgetLink(path: string): void {
    this.#recordTarget(path, path)
  }

  /** Records what `path` resolves to; `target` is `path` itself if it is not a link. */
  #recordTarget(path: string, target: string): void {
    const before = this.#targets.get(path)
    if (before === target) return
    if (before !== undefined) {
      const links = this.#links.get(before)
      links?.delete(path)
      if (links?.size === 0) this.#links.delete(before)
      this.#targets.delete(path)
    }
    if (target === path) return
    this.#targets.set(path, target)
    this.#links.set(target, (this.#links.get(target) ?? new Set()).add(path))
  }

  /** Removes all paths of the file. */
  unbind(file: TailFile): void {
    for (const path of this.pathsOf(file)) this.byPath.delete(path)
  }

  pathsOf(file: TailFile): string[] {
    const paths: string[] = []
    for (const [path, f] of this.byPath) if (f === file) paths.push(path)
    return paths
  }

  closeAll(): void {
    // Cleared first: else `close` would search all paths once per file.
    this.byPath.clear()
    for (const file of [...this.byKey.values()]) this.close(file)
  }

  close(file: TailFile): void {
    file.close()
    this.byKey.delete(file.identity.key)
    this.unbind(file)
    this.#counters.add('files_closed')
    this.#log.debug(`${file.path} is closed`, {
      inode: String(file.identity.inode),
      read: file.cursor.offset,
      acked: file.acks.position,
    })
  }

  /**
   * Returns the open files of which nothing was known, if this is not the first run: they are new, or their
   * row has no fingerprint. What was in them before may be in rotated siblings now.
   */
  createdSinceLastScan(): TailFile[] {
    return [...this.byKey.values()].filter(
      ({ stored, identity }) =>
        stored.hasNoFingerprint &&
        (stored.id !== undefined || this.#positions.createdSinceLastScan(identity.birthMs)),
    )
  }

  /**
   * Returns the directories of all paths of open files and of the targets of links: events of appends only
   * occur there.
   */
  folders(): Set<string> {
    const folders = new Set<string>()
    for (const path of this.byPath.keys()) folders.add(dirname(path))
    for (const path of this.#links.keys()) folders.add(dirname(path))
    return folders
  }

  #openNew(
    path: string,
    isFirstScan: boolean,
    rotated?: { key: string; openedAs: string; row: OffsetRow | undefined },
  ): TailFile | FsFailure | undefined {
    const opened = this.#openRegular(path)
    if (opened instanceof FsFailure) return opened
    const { fd, stat, isDirect = false } = opened
    const key = identityKey(stat.dev, stat.ino)
    const isOther = rotated !== undefined && key !== rotated.key
    const known = this.#openFileOf(stat)
    if (isOther || known !== undefined) {
      close(fd)
      return isOther ? undefined : known
    }
    const size = Number(stat.size)
    const head = headOf(fd, size)
    const compressed = compressedFailure(head)
    if (compressed !== undefined) {
      close(fd)
      return compressed
    }
    const row =
      rotated === undefined
        ? (rowForFile(this.#positions.find(stat.dev, stat.ino), stat) ?? this.#takeClosed(stat, fd, path))
        : rotated.row
    const isMissed = rotated !== undefined && row === undefined && !this.#positions.skipped.has(stat)
    const start = isMissed ? AT_HEAD : this.#startOffset.forFile(row, fd, stat, path, isFirstScan)
    const { format, origin, placeOrigin, storeMark, onSourceLeft, tag, tagRegex } = this.#options
    // `start.row` is the row only if it is this file's: that of a reused inode says nothing about this file.
    const openedAs = start.row?.openedAs ?? rotated?.openedAs ?? path
    const target = isDirect ? path : firstTarget(path)
    const identity = new FileIdentity(stat, openedAs, expandTag(tag, openedAs, tagRegex), target)
    const nowMs = this.#clock.nowMs()
    const descriptor = new Descriptor(fd, this.#descriptors)
    const handle = new FileHandle(descriptor, this.#source(descriptor, path, start, size, key))
    const file: TailFile = new TailFile({
      path,
      identity,
      handle,
      stored: new StoredRow(start.row ?? start.known, start.offset, nowMs),
      encoder: this.#sharedEncoder ?? new EntryEncoder(format, { path: openedAs, id: identity.id }),
      offset: start.offset,
      size: handle.isCompressed ? start.offset : size,
      isSkipping: start.isSkipping,
      stat,
      // Of a file of which something was known, the start was found by what it had after that.
      head:
        start.row === undefined && start.known === undefined && start.truncated === undefined
          ? head
          : NO_BYTES,
      openedMs: nowMs,
      // A copy of a skipped file may have been made before that was opened.
      contentSinceMs: Math.max(
        identity.birthMs,
        (start.known === undefined ? nowMs : this.#positions.lastScanMs) - TICK_MS,
      ),
      origin,
      placeOrigin,
      storeMark,
      onSourceLeft,
      onSettled: this.#onSettled,
      onTruncated: this.#onTruncated,
    })
    if (!handle.isCompressed) file.cursor.loadLastBytes(file.handle)
    if (start.row !== undefined) {
      this.#positions.claim(start.row)
      if (!hasMarkedContent(start.row, handle, size)) file.stored.leavePlace()
    }
    // From now on the agent is responsible for this file, even if it crashes before it reads any of it.
    this.#positions.adopt(file, start.row)
    this.byKey.set(key, file)
    this.#openedDirectly = isDirect ? file : undefined
    if (start.truncated !== undefined) this.#onSkippedTruncated(file, start.truncated, isFirstScan)
    this.#counters.add('files_opened')
    this.#options.leftGarbage?.(OPENING_GARBAGE_BYTES)
    this.#log.debug(`${path} is followed`, {
      tag: file.tag,
      inode: String(identity.inode),
      size,
      from: start.offset,
    })
    return file
  }

  #openRegular(path: string): OpenedFile | FsFailure {
    if (!descriptorBudget.makeRoom())
      return new FsFailure(
        'EMFILE',
        'the limit of open files is used up by files that were rotated or deleted',
      )
    const rule = this.#linkRule(path)
    const opened = openFollowing(path, rule)
    return isOutOfDescriptors(opened) && descriptorBudget.lower() ? openFollowing(path, rule) : opened
  }

  #recordReleased(): void {
    this.#counters.add('descriptors_released')
    if (this.#hasReleased) return
    this.#hasReleased = true
    const { processLimit, max } = descriptorBudget
    this.#log.warn(
      `more files are followed than may be open: of a limit of ${processLimit} open files, ${max} are used for them, and files at their end are closed until they grow`,
      {
        hint: 'raise the limit of open files (LimitNOFILE, ulimit -n); a file that is deleted while it is closed loses what was written to it since',
      },
    )
  }

  /** A .gz is inflated asynchronously, so that its file is in `byKey` before an event concerns it. */
  #source(descriptor: Descriptor, path: string, start: Start, size: number, key: string): ByteSource {
    if (!isGzipName(path) || isPlainContent(descriptor.fd)) return new PlainSource(descriptor)
    const file = (): TailFile => this.byKey.get(key) as TailFile
    const events = gzipEvents(file, this.#onMore, this.#counters, this.#log)
    return new GzipSource(
      descriptor,
      { memberAt: 0, ...start.gzip, offset: start.offset },
      size,
      this.#clock,
      events,
    )
  }

  #isTooOld(mtimeMs: number): boolean {
    const { ignoreOlderMs } = this.#options
    return ignoreOlderMs > 0 && this.#clock.nowMs() - mtimeMs > ignoreOlderMs
  }
}

/**
 * Returns the path of the file itself, even if `path` is a link that was switched or removed after the file was opened, and the
 * file deleted: what the link led to in between is found by the names that are like this one.
 */
function targetOf(file: TailFile, path: string): string {
  // The kernel's name of a file that was reached through no link is its path; to resolve the path takes three calls.
  const name = lastKernelPathOf(file.handle.fd)
  if (name === path) return path
  const target = linkTarget(path)
  const found = statOf(target)
  const isIt = !(found instanceof FsFailure) && identityKey(found.dev, found.ino) === file.identity.key
  // Another file has taken the place of the one that was opened by this path.
  const isReplaced = target === path && !mayBeLink(path)
  return isIt || isReplaced ? target : (name ?? target)
}
