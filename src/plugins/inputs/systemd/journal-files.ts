import type { Dirent } from 'node:fs'
import { access, constants, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../../core/error.ts'

const DEFAULT_DIRECTORIES = ['/var/log/journal', '/run/log/journal']
const JOURNAL_FILE = /\.journal~?$/
/** Directories and files that are looked at. */
const MAX_DIRECTORIES = 100
const MAX_FILES = 10_000
/** Unreadable files that are named. */
const MAX_NAMED = 10

/** The files of a journal, as far as what journalctl does not say about them matters. */
export class JournalFiles {
  readonly #roots: readonly string[]

  constructor(path: string | undefined) {
    this.#roots = path === undefined ? DEFAULT_DIRECTORIES : [path]
  }

  /** Returns the paths of all files, in the directories and, as journalctl, one level below. */
  async paths(): Promise<string[]> {
    const found: string[] = []
    const directories = [...this.#roots]
    for (const [i, directory] of directories.entries()) {
      for (const entry of await entriesOf(directory)) {
        const path = join(directory, entry.name)
        if (JOURNAL_FILE.test(entry.name)) found.push(path)
        else if (i < this.#roots.length && entry.isDirectory()) directories.push(path)
      }
      if (i >= MAX_DIRECTORIES || found.length >= MAX_FILES) break
    }
    return found.toSorted()
  }

  /** Calls `complain` for files without read permission, which journalctl leaves out without a word. */
  async reportUnreadable(complain: (line: string) => void): Promise<void> {
    let named = 0
    for (const path of await this.paths()) {
      if (named >= MAX_NAMED) return
      const code = await access(path, constants.R_OK).then(() => '', systemCode)
      if (code !== 'EACCES' && code !== 'EPERM') continue
      named++
      complain(`Journal file ${path} cannot be read (${code}), ignoring file.`)
    }
  }
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true })
  } catch {
    // journalctl says what is wrong with it.
    return []
  }
}
