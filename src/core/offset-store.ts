/** Where an input reads from after a restart; see src/store for the schema and the promises. */
export interface OffsetStore {
  /** All rows of this database, newest id last. */
  rows(): OffsetRow[]
  /** Writes every change in one transaction; throws E_STORE_* and keeps nothing half-done. Fills in `id` of new rows. */
  write(changes: OffsetChanges): void
  /**
   * Takes this database for the position of one journal and gives the stored one; undefined: there is none. Throws
   * E_STORE_LOCKED when another input of this agent has it: fluent-bit's table holds a single cursor.
   */
  claimCursor(): string | undefined
  close(): void
  readonly path: string | undefined
  /** The database was damaged and rows may be missing: files without a row are to be read from their start. */
  readonly damaged: boolean
  /**
   * When an input with these paths last looked for all of its files, in a run before this one, in milliseconds: what was
   * created since then and has no row was seen by nobody. Where that is not stored, when the database was last written;
   * undefined: it is new.
   */
  lastScanMs(paths: string): number | undefined
  /** When a run before this one last wrote to it, by the clock of the file system; undefined: it is new. */
  readonly lastWriteMs: number | undefined
}

export interface OffsetChanges {
  upsert: OffsetRow[]
  remove: OffsetRow[]
  /** Together with the rows of what was found. */
  scanned?: { paths: string; ms: number } | undefined
  /** The new position in the journal, of the input that has claimed it. */
  cursor?: string
}

export interface OffsetOptions {
  sync: 'extra' | 'full' | 'normal' | 'off'
  locking: boolean
  journalMode: string
  /**
   * Who the rows are of, the same at every start, where several inputs share the database: each goes on from its own,
   * and from those of nobody.
   */
  owner?: string
}

/** A row of fluent-bit's in_tail_files and of our second table; numbers that may pass 2^53 are bigint. */
export interface OffsetRow {
  id: number | undefined
  name: string
  offset: number
  inode: bigint
  /** Unix seconds. */
  created: number
  rotated: boolean
  /** XXH3-64 of the last `markerSize` (at most 32) bytes before `offset`; signed. 0 and 0: no check. */
  marker: bigint
  markerSize: number
  /** Ours, from here on; absent (undefined) in a database written by fluent-bit. The path it had when it was opened: the tag is made of it. */
  openedAs: string | undefined
  device: bigint | undefined
  /** Hash and length of the first bytes of the file, which tell it from another one that got its inode. */
  fingerprint: string | undefined
  fingerprintSize: number | undefined
  /** Decompressed position, for .gz. */
  streamOffset: number | undefined
  /** True: the agent was within a line that is too long and is being skipped. */
  skipping: boolean | undefined
}
