export interface WatchEvents {
  /** Something happened to this path; `renamed`: it may be another file now. */
  pathChanged: (path: string, renamed: boolean) => void
  /** A directory changed in an unknown way. */
  unknownChange: () => void
}

/** Reports changes in directories. Its events are only hints; the reconcile pass reads the actual state. */
export interface FolderWatch {
  /**
   * Watches exactly these directories from now on. True when one of them was not watched before and may have
   * new files.
   */
  set(folders: Iterable<string>): boolean
  /** Does the same step by step. */
  setSteps(folders: Iterable<string>): Generator<void, boolean>
  close(): Promise<void>
}
