/**
 * A store of the positions from which an input continues after a restart; see src/store for the schema and
 * the promises.
 */
export interface OffsetStore {
  /** Returns all rows of this database, newest id last. */
  rows(): OffsetRow[]
  /**
   * Writes all changes in one transaction and sets `id` of new rows. When it throws E_STORE_*, nothing was
   * written.
   */
  write(changes: OffsetChanges): void
  /**
   * Claims this database for the position of one journal and returns the stored cursor, or undefined when
   * there is none. Throws E_STORE_LOCKED when another input of this agent has claimed it: fluent-bit's table
   * has room for one cursor.
   */
  claimCursor(): string | undefined
  /**
   * Returns the boots that the claimed cursor has left: read to their ends. Undefined when the database has no
   * list of them, as one written by fluent-bit or an older version.
   */
  finishedBoots(): string[] | undefined
  /**
   * Returns the position of the owner (OffsetOptions) in a source that is no file; undefined when there is none. For an
   * input that keeps its position this way and not in rows. A store without a database has none of these methods.
   */
  position?(): StoredPosition | undefined
  /**
   * Returns the resourceVersions of the Kubernetes events that fluent-bit has sent with this database; undefined when it has
   * not used it for that.
   */
  sentEvents?(): number[] | undefined
  close(): void
  readonly path: string | undefined
  /**
   * True when the database was damaged and rows may be missing: files without a row are then read from the
   * start.
   */
  readonly damaged: boolean
  /**
   * Returns when an input of an earlier run last scanned for all files of this pattern, in Unix milliseconds;
   * undefined if none did. A file that appeared since then and has no row is new to the agent. A database
   * without any stored scan, such as fluent-bit's, returns the time of its last write.
   */
  lastScanMs(pattern: string): number | undefined
  /**
   * Returns the files that scans of this Path found but did not open. If Path has changed, returns those of
   * every Path that shares a pattern with it. Undefined when the database has no such list, as one written by
   * fluent-bit or an older version.
   */
  skippedFiles(paths: string): SkippedFile[] | undefined
  /**
   * Time of the last write by an earlier run, by the clock of the file system; undefined when the database is
   * new.
   */
  readonly lastWriteMs: number | undefined
}

export interface OffsetChanges {
  upsert: OffsetRow[]
  remove: OffsetRow[]
  /** Time of a scan for all files of these patterns; written together with the rows of the files found. */
  scanned?: { patterns: readonly string[]; ms: number } | undefined
  /** Complete list of files that were found but not opened; replaces the stored list of this Path. */
  skipped?: { paths: string; files: readonly SkippedFile[] } | undefined
  /** Rows whose content has got another mark, and whose position is not written. */
  marks?: readonly PlaceRow[] | undefined
  /** New position in the journal; only from the input that has claimed the cursor. */
  cursor?: string
  /** Boots that this cursor has left; replaces the stored list, and is written together with the cursor. */
  finishedBoots?: readonly string[] | undefined
  /** New position of the owner; see OffsetStore.position. */
  position?: PositionChange | undefined
}

/** A position in a source that is no file, in the terms of the input. */
export interface StoredPosition {
  /** At most 1,000 characters. */
  value: string
  /** What is acknowledged beyond `value`, one item of at most 200 characters each. */
  marks: string[]
}

export interface PositionChange {
  value: string
  add?: readonly string[]
  remove?: readonly string[] | 'all'
}

export interface OffsetOptions {
  sync: 'extra' | 'full' | 'normal' | 'off'
  locking: boolean
  journalMode: string
  /**
   * Owner of the rows, where several inputs share the database; the same at every start. Each input continues
   * from its own rows and from unowned ones.
   */
  owner?: string
}

/**
 * By what a content is known again of which records were handed to outputs: a file that is smaller, or has other bytes before `size`,
 * has another content. Of a .gz, size and bytes are those on disk.
 */
export interface ContentMark {
  /** Not less than the end of what was handed out. */
  size: number
  /** Hash of the `hashed` bytes before `size`. */
  hash: string
  hashed: number
}

/** The columns of a row that have the name of its content. */
export type PlaceRow = Pick<OffsetRow, 'id' | 'inode' | 'created' | 'placeId' | 'placeMark'>

/** A row of fluent-bit's in_tail_files and of our second table; numbers that may exceed 2^53 are bigint. */
export interface OffsetRow {
  id: number | undefined
  name: string
  offset: number
  inode: bigint
  /** Unix seconds. */
  created: number
  rotated: boolean
  /**
   * XXH3-64 of the last `markerSize` (at most 32) bytes before `offset`, signed. 0, with a size of 0: no
   * check.
   */
  marker: bigint
  markerSize: number
  // The fields below are in our second table: undefined in a database written by fluent-bit.
  /** Path of the file when it was opened; the tag is derived from it. */
  openedAs: string | undefined
  device: bigint | undefined
  /**
   * Hash of the first `fingerprintSize` bytes, which distinguishes the file from another one that got its
   * inode.
   */
  fingerprint: string | undefined
  fingerprintSize: number | undefined
  /** Name of the content in the places of its records, where an output wants these; see core/places.ts. */
  placeId?: string | undefined
  /** What the content of that name had when records of it were last handed to outputs; undefined: none was. */
  placeMark?: ContentMark | undefined
  /** Position in the decompressed data, for .gz. */
  streamOffset: number | undefined
  /** True when the position is within an oversized line that is being skipped. */
  skipping: boolean | undefined
  /** Path of the file itself when `name` is a link to it. */
  target?: string | undefined
  /**
   * Birth time in milliseconds, where the file system has one. A file that reuses the inode has another one. Older
   * versions stored it only of a .gz, and of a row without information about the content.
   */
  birthMs?: number | undefined
  /** Last size seen, if it is larger than `offset`: tells how much is lost when the file is missing. */
  size?: number | undefined
  /**
   * Unix seconds at which a rotated file was closed after it was read to its end; only late lines may follow.
   */
  closedAt?: number | undefined
}

/**
 * A file that a scan found but did not open, because it was unreadable or too old. Marker and fingerprint are those of
 * a row with its offset. It has none if it could not be opened, or was stored by an earlier version.
 */
export interface SkippedFile
  extends Partial<Pick<OffsetRow, 'marker' | 'markerSize' | 'fingerprint' | 'fingerprintSize'>> {
  /** Path at which the file was found. */
  path: string
  device: bigint
  inode: bigint
  /**
   * Birth time in milliseconds, which distinguishes the file from a later one with its inode; 0 when unknown.
   */
  birthMs: number
  /** Offset from which the file is read once it can be opened. */
  offset: number
}

/** Suffix of the lock file next to a database. */
export const LOCK_SUFFIX = '.lock'
/** Suffixes of the files that the lock, SQLite and a recovery keep next to a database. */
export const COMPANION_SUFFIXES: readonly string[] = [
  LOCK_SUFFIX,
  '-wal',
  '-shm',
  '-journal',
  '.new',
  '.recovered',
]
