import { basename } from 'node:path'
import type { TailFile } from '../file/tail-file.ts'
import { append } from '../groups.ts'
import { liveNamesOf } from '../rotation/names.ts'
import type { OpenFiles } from '../tracking/open-files.ts'

interface Groups {
  /** By the inode as rows have it: signed. */
  byInode: Map<bigint, TailFile[]>
  /** By each name of which rotation may have made that of the file. */
  byLiveName: Map<string, TailFile[]>
}

/** Finds open files by inode or by name. The index is built when it is first used. */
export class OpenFileIndex {
  readonly #files: OpenFiles
  #groups: Groups | undefined

  constructor(files: OpenFiles) {
    this.#files = files
  }

  /** Adds a file that was opened since. */
  add(file: TailFile): void {
    if (this.#groups !== undefined) addTo(this.#groups, file)
  }

  /** Frees the index. */
  clear(): void {
    this.#groups = undefined
  }

  /** Returns the files with the inode of a row. */
  withInode(inode: bigint): TailFile[] {
    return this.#stillOpen(this.#built().byInode.get(inode))
  }

  /** Returns the files whose names rotation may have made of `live`. */
  madeFrom(live: string): TailFile[] {
    return this.#stillOpen(this.#built().byLiveName.get(live))
  }

  #built(): Groups {
    if (this.#groups !== undefined) return this.#groups
    const groups: Groups = { byInode: new Map(), byLiveName: new Map() }
    for (const file of this.#files.byKey.values()) addTo(groups, file)
    this.#groups = groups
    return groups
  }

  #stillOpen(files: TailFile[] = []): TailFile[] {
    return files.filter((file) => this.#files.byKey.get(file.identity.key) === file)
  }
}

function addTo({ byInode, byLiveName }: Groups, file: TailFile): void {
  append(byInode, BigInt.asIntN(64, file.identity.inode), file)
  for (const live of liveNamesOf(basename(file.target))) append(byLiveName, live, file)
}
