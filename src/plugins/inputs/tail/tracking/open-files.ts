import { closeSync, fstatSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { type ByteSource, EmptySource, GzipSource, PlainSource } from '../file/byte-source.ts'
import { EntryEncoder, type FileNames, hasFileFields, NO_NAMES } from '../file/entry-encoder.ts'
import { fileId, isBlank, loadLastBytes, rowForFile, TICK_MS } from '../file/fingerprint.ts'
import { expandTag } from '../file/tag.ts'
import { identityKey, TailFile } from '../file/tail-file.ts'
import type { OpenRecords } from '../multiline/open-records.ts'
import { targetOf } from '../rotation/siblings.ts'
import type { ReadErrors } from './read-errors.ts'
import { AT_HEAD, type Start, StartOffset, type StartOffsetOptions } from './start-offset.ts'

interface OpenFilesOptions extends StartOffsetOptions {
  tag: string
  tagRegex: RegExp | undefined
  format: ConstructorParameters<typeof EntryEncoder>[0]
  ignoreOlderMs: number
  /** Agent and input: two inputs that follow one file make chunks of their own. */
  origin: string
  trouble: ReadErrors
  nowMs: () => number
  /** What holds the open groups of a file, when lines are joined. */
  groupsOf: ((names: FileNames) => OpenRecords) | undefined
  onSettled: (file: TailFile, bytes: number) => void
  /** More of a compressed file has been inflated. */
  onMore: (file: TailFile) => void
}

/** The open files, by identity and by path; opens them where they are to be read from. */
export class OpenFiles {
  readonly byKey = new Map<string, TailFile>()
  /** Every path that leads to a file: its name, and the real path of a link. */
  readonly byPath = new Map<string, TailFile>()
  /** Paths that are links, or lead through one, and where they led last. */
  readonly #targets = new Map<string, string>()
  readonly #links = new Map<string, Set<string>>()
  readonly #o: OpenFilesOptions
  readonly #starts: StartOffset
  readonly #shared: EntryEncoder | undefined

  constructor(options: OpenFilesOptions) {
    this.#o = options
    this.#starts = new StartOffset(options)
    this.#shared = hasFileFields(options.format) ? undefined : new EntryEncoder(options.format, NO_NAMES)
  }

  /**
   * The file that a path leads to: the one that is followed already, or newly opened; undefined when there is none that
   * can be read. `first`: found by the first search.
   */
  open(path: string, first: boolean): { file: TailFile; isNew: boolean } | undefined {
    try {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
      if (!stat?.isFile()) return this.#o.trouble.recordMissing(path)
      const known = this.byKey.get(identityKey(stat.dev, stat.ino))
      if (known !== undefined) return { file: known, isNew: false }
      if (this.#tooOld(Number(stat.mtimeMs))) return undefined
      const file = this.#openNew(path, first)
      this.#o.trouble.clear(path)
      return file === undefined ? undefined : { file, isNew: true }
    } catch (error) {
      this.#o.trouble.record(path, error)
      return undefined
    }
  }

  /** The file that a path leads to, if it is followed already. */
  followed(path: string): TailFile | undefined {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat === undefined ? undefined : this.byKey.get(identityKey(stat.dev, stat.ino))
  }

  /** Opens a file that is not at its own path any more (rotated while we were away); its tag is that of `openedAs`. */
  openRotated(path: string, openedAs: string, row: OffsetRow | undefined): TailFile | undefined {
    try {
      return this.#openNew(path, false, { openedAs, row })
    } catch (error) {
      this.#o.trouble.record(path, error)
      return undefined
    }
  }

  /** `path` leads to `file` now; returns the folder where its appends are seen. */
  bind(path: string, file: TailFile): string {
    this.byPath.set(path, file)
    file.path = path
    const real = targetOf(path)
    if (real !== path) this.byPath.set(real, file)
    this.#leads(path, real)
    return dirname(real)
  }

  /** The links that lead to a path, also while there is nothing at it, as in a rotation. */
  linksTo(path: string): Iterable<string> | undefined {
    return this.#links.get(path)
  }

  /** The path is no link any more. */
  forgetLink(path: string): void {
    this.#leads(path, path)
  }

  #leads(path: string, real: string): void {
    const before = this.#targets.get(path)
    if (before === real) return
    if (before !== undefined) {
      const links = this.#links.get(before)
      links?.delete(path)
      if (links?.size === 0) this.#links.delete(before)
      this.#targets.delete(path)
    }
    if (real === path) return
    this.#targets.set(path, real)
    this.#links.set(real, (this.#links.get(real) ?? new Set()).add(path))
  }

  /** No path leads to the file any more. */
  unbind(file: TailFile): void {
    for (const path of this.pathsOf(file)) this.byPath.delete(path)
  }

  pathsOf(file: TailFile): string[] {
    const paths: string[] = []
    for (const [path, f] of this.byPath) if (f === file) paths.push(path)
    return paths
  }

  /** Without a search for its paths in all of them for each. */
  closeAll(): void {
    this.byPath.clear()
    for (const file of [...this.byKey.values()]) this.close(file)
  }

  close(file: TailFile): void {
    if (file.fd >= 0) file.source.close()
    file.fd = -1
    file.state = 'closed'
    this.byKey.delete(file.key)
    this.unbind(file)
    this.#o.counters.add('files_closed')
    this.#o.log.debug(`${file.path} is closed`, {
      inode: String(file.inode),
      read: file.offset,
      acked: file.acked,
    })
  }

  /** Files of which nothing was known, in a run that is not the first: what was in them may stand beside them by now. */
  createdSinceLastScan(): TailFile[] {
    const { positions } = this.#o
    return [...this.byKey.values()].filter(
      (f) => f.blank && (f.rowId !== undefined || positions.createdSinceLastScan(f.bornMs)),
    )
  }

  /** Folders of all paths that lead to files, real paths of links included: appends are only seen there. */
  folders(): Set<string> {
    const folders = new Set<string>()
    for (const path of this.byPath.keys()) folders.add(dirname(path))
    for (const path of this.#links.keys()) folders.add(dirname(path))
    return folders
  }

  #openNew(
    path: string,
    first: boolean,
    rotated?: { openedAs: string; row: OffsetRow | undefined },
  ): TailFile | undefined {
    const fd = openSync(path, 'r')
    const stat = fstatSync(fd, { bigint: true })
    const key = identityKey(stat.dev, stat.ino)
    if (!stat.isFile() || this.byKey.has(key)) {
      closeSync(fd)
      return this.byKey.get(key)
    }
    const size = Number(stat.size)
    const name = rotated?.openedAs ?? path
    const row =
      rotated === undefined ? rowForFile(this.#o.positions.find(stat.dev, stat.ino), stat) : rotated.row
    const unseen = rotated !== undefined && row === undefined
    const start = unseen ? AT_HEAD : this.#starts.forFile(row, fd, stat, path, first)
    // Of a row that is this file's: one that was left for another file (its inode was reused) says nothing about this.
    const openedAs = start.row?.openedAs ?? name
    const bornMs = Number(stat.birthtimeNs) / 1e6
    const names = { path: openedAs, id: fileId(stat) }
    let made: TailFile | undefined
    const source = this.#source(fd, path, start, () => made)
    const file = new TailFile({
      path,
      openedAs,
      fd,
      source,
      compressedBytes: path.endsWith('.gz') ? size : undefined,
      device: stat.dev,
      inode: stat.ino,
      bornMs,
      sinceMs: Math.max(bornMs, this.#o.nowMs() - TICK_MS),
      size: path.endsWith('.gz') ? start.offset : size,
      offset: start.offset,
      skipping: start.skipping,
      tag: expandTag(this.#o.tag, openedAs, this.#o.tagRegex),
      writer: this.#shared ?? new EntryEncoder(this.#o.format, names),
      origin: this.#o.origin,
      onSettled: this.#o.onSettled,
    })
    made = file
    file.groups = this.#o.groupsOf?.(names)
    this.#adopt(file, start.row)
    this.byKey.set(key, file)
    this.#o.counters.add('files_opened')
    this.#o.log.debug(`${path} is followed`, { tag: file.tag, size, from: file.offset })
    return file
  }

  #adopt(file: TailFile, row: OffsetRow | undefined): void {
    if (!file.compressed) loadLastBytes(file)
    file.created = row?.created ?? Math.floor(this.#o.nowMs() / 1000)
    file.activeMs = this.#o.nowMs()
    file.blank = row === undefined || isBlank(row)
    if (row !== undefined) {
      this.#o.positions.claim(row)
      file.rowId = row.id
      if (file.acked === row.offset) {
        file.fingerprint = row.fingerprint
        file.fingerprintSize = row.fingerprintSize ?? 0
      }
    }
    // From now on the agent is responsible for this file, also if nothing of it is read before a crash.
    this.#o.positions.adopt(file)
  }

  #source(fd: number, path: string, start: Start, file: () => TailFile | undefined): ByteSource {
    if (!path.endsWith('.gz')) return new PlainSource(fd)
    if (start.done) return new EmptySource(fd)
    const announce = () => {
      const made = file()
      if (made !== undefined) this.#o.onMore(made)
    }
    return new GzipSource(fd, start.offset, announce, (error) => {
      this.#o.counters.add('gzip_errors')
      this.#o.log.error(`${path} is damaged or cut off: ${error.message}; what comes before is sent`)
    })
  }

  #tooOld(mtimeMs: number): boolean {
    return this.#o.ignoreOlderMs > 0 && this.#o.nowMs() - mtimeMs > this.#o.ignoreOlderMs
  }
}
