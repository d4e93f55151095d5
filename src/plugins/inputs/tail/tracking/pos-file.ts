import { resolve } from 'node:path'
import { ShipperError } from '../../../../core/error.ts'
import type { OffsetRow, OffsetStore, SkippedFile } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, readWholeText, stat as statOf } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import { TICK_MS } from '../file/fingerprint.ts'

interface SeedOptions {
  /** File of fluentd's positions. */
  file: string
  store: OffsetStore
  /** Entries of Path. */
  patterns: readonly string[]
  /** True for a path that this input follows. */
  isFollowed: (path: string) => boolean
  log: Logger
}

/** An entry is a path, the offset and the inode in hexadecimal. An editor may have left blanks or a CR at its end. */
const ENTRY = /^([^\t\0]+)\t([0-9a-fA-F]{1,16})\t([0-9a-fA-F]{1,16})[ \t\r]*$/
const BYTE_ORDER_MARK = '\ufeff'
/** Number of unreadable lines that a message names. */
const MAX_NAMED_LINES = 10
/** Offset of a file that fluentd does not follow any more. */
const UNWATCHED = 0xffff_ffff_ffff_ffffn
const MAX_FILE_BYTES = 256_000_000
/** Pattern that no input has: a database that has a scan of it answers with the time of its last write. */
const NO_PATTERN = '\0'

/**
 * Takes the positions over that fluentd has left in a pos_file, which is only read: once, when the database has neither a
 * position nor a scan of this input. All rows are written in one transaction with a note that it was done, so that a crash leaves
 * all or nothing. Later changes of the pos_file are not seen.
 *
 * A row is like one that fluent-bit has written: the file is found by its inode, and a file that was rotated, truncated or replaced
 * since then is treated as after any downtime. Until the first scan of this input is stored, the time of the last write to the
 * pos_file is that of the last scan: a file that was created later is new. Returns the store to use.
 */
export function seedFromPosFile(options: SeedOptions): OffsetStore {
  const { file, store, patterns, isFollowed } = options
  const key = `pos_file ${resolve(file)}`
  const seededMs = store.lastScanMs(NO_PATTERN) === undefined ? store.lastScanMs(key) : undefined
  if (seededMs !== undefined) {
    const isScanned = patterns.some((pattern) => store.lastScanMs(pattern) !== undefined)
    return isScanned ? store : seenAt(store, seededMs, patterns)
  }
  const isUsed = store.rows().some(({ name, openedAs }) => isFollowed(openedAs ?? name))
  return isUsed ? store : seed(options, key)
}

function seed({ file, store, patterns, isFollowed, log }: SeedOptions, key: string): OffsetStore {
  const stat = statOf(file)
  if (stat instanceof FsFailure && isMissing(stat)) return store
  const text = stat instanceof FsFailure ? stat : readWholeText(file, MAX_FILE_BYTES)
  if (stat instanceof FsFailure || text instanceof FsFailure) {
    const { message } = (stat instanceof FsFailure ? stat : text) as FsFailure
    throw new ShipperError(
      'E_STORE_UNREADABLE',
      `cannot read the positions of fluentd in ${file}: ${message}`,
      {
        hint: 'let this user read the file, or leave Pos_File_Seed out: files are then read as at a first start',
      },
    )
  }
  const writtenMs = millisecondsOf(stat.mtimeNs)
  const { entries, unreadable } = readEntries(text)
  checkReadable(file, entries.length, unreadable, log)
  const rows = rowsOf(entries, writtenMs).filter(({ name }) => isFollowed(name))
  // Whole milliseconds are stored. The clock of the file system is coarse, and fluentd makes an entry when it finds a file: one
  // without an entry that was made in the moment of the last write is new.
  const ms = Math.floor(writtenMs) - TICK_MS
  store.write({ upsert: rows, remove: [], scanned: { patterns: [key], ms } })
  log.info(
    `took over ${rows.length === 1 ? '1 position' : `${rows.length} positions`} from ${file}, which is not written`,
  )
  return seenAt(store, ms, patterns)
}

interface Entry {
  path: string
  offset: bigint
  inode: bigint
}

/** Returns the entries, and the numbers of the lines that are none; empty lines are neither. */
function readEntries(text: string): { entries: Entry[]; unreadable: number[] } {
  const entries: Entry[] = []
  const unreadable: number[] = []
  const lines = (text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text).split('\n')
  for (const [i, line] of lines.entries()) {
    const [, path, offset = '', inode = ''] = ENTRY.exec(line) ?? []
    if (path !== undefined)
      entries.push({ path: resolve(path), offset: BigInt(`0x${offset}`), inode: BigInt(`0x${inode}`) })
    else if (line.trim() !== '') unreadable.push(i + 1)
  }
  return { entries, unreadable }
}

/** Warns of lines that cannot be read. Throws E_STORE_UNREADABLE when none can: it is another file, or converted. */
function checkReadable(file: string, entries: number, unreadable: readonly number[], log: Logger): void {
  if (unreadable.length === 0) return
  if (entries === 0)
    throw new ShipperError('E_STORE_UNREADABLE', `no line of ${file} is a position of fluentd`, {
      hint:
        'correct it: a line is the path of a file, a tab, the offset, a tab and the inode, both in hexadecimal, in UTF-8; or ' +
        'remove it: files are then read as at a first start',
    })
  const named = unreadable.slice(0, MAX_NAMED_LINES).join(', ')
  const lines = unreadable.length === 1 ? `line ${named}` : `${unreadable.length} lines`
  const which = unreadable.length === 1 ? '' : `: ${named}${unreadable.length > MAX_NAMED_LINES ? ', …' : ''}`
  log.warn(
    `cannot read ${lines} of the positions of fluentd in ${file}${which}; a file without a position is read as at a first start: from ` +
      'its end, so that lines which fluentd had not read are skipped, or with Read_from_Head from its beginning, so that lines ' +
      'which it had read are sent again',
    {
      hint: 'to use them, stop, correct these lines, remove DB, which has the positions of all of its inputs, and start again',
    },
  )
}

/** Returns the rows of the entries; of several entries for a path the last counts. */
function rowsOf(entries: readonly Entry[], writtenMs: number): OffsetRow[] {
  const rows = new Map<string, OffsetRow>()
  for (const { path, offset, inode } of entries) {
    const row = rowOf(path, offset, inode, writtenMs)
    rows.delete(path)
    if (row !== undefined) rows.set(path, row)
  }
  return [...rows.values()]
}

/**
 * Returns undefined for an entry without a position: of a file that is not followed any more, was not opened yet, or whose inode
 * belongs to a later file by now, which the entry cannot be about.
 */
function rowOf(path: string, offset: bigint, inode: bigint, writtenMs: number): OffsetRow | undefined {
  if (offset === UNWATCHED || inode === 0n || offset > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  const stat = statOf(path)
  const isReused =
    !(stat instanceof FsFailure) && stat.ino === inode && millisecondsOf(stat.birthtimeNs) > writtenMs
  if (isReused) return undefined
  return {
    id: undefined,
    name: path,
    offset: Number(offset),
    inode: BigInt.asIntN(64, inode),
    created: Math.floor(writtenMs / 1000),
    rotated: false,
    marker: 0n,
    markerSize: 0,
    openedAs: path,
    device: undefined,
    fingerprint: undefined,
    fingerprintSize: undefined,
    streamOffset: undefined,
    skipping: undefined,
  }
}

/** Returns the store as one whose last scan of the patterns was at `ms`. */
function seenAt(store: OffsetStore, ms: number, patterns: readonly string[]): OffsetStore {
  return {
    rows: () => store.rows(),
    write: (changes) => store.write(changes),
    claimCursor: () => store.claimCursor(),
    finishedBoots: () => store.finishedBoots(),
    close: () => store.close(),
    path: store.path,
    get damaged() {
      return store.damaged
    },
    lastScanMs: (pattern) => (patterns.includes(pattern) ? ms : undefined),
    skippedFiles: (): SkippedFile[] | undefined => undefined,
    lastWriteMs: ms,
  }
}
