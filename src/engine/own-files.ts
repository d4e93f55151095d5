import { basename, dirname, join, resolve } from 'node:path'
import { deadLettersOf, filtersOf, type Plan } from '../core/plan.ts'
import { FsFailure, realPath } from '../lib/fs/file-system.ts'
import { deadLetterFolderOf } from './state-folder.ts'

/** Names in the folder of the database under which outputs and filters keep something by default. */
const STATE_NAMES = [/^dead-letters\./, /\.pods(?:\.new)?$/]

/**
 * The files that the agent itself keeps or depends on: databases with what is next to them, the log, dead letters, the buffer
 * on disk and the configuration. A sender chooses the tag of its records, and so must not choose one of these as the file of a tag: it
 * would destroy positions, or write a configuration for the next start.
 */
export class OwnFiles {
  /** Canonical paths; those of `#kept` have further files next to them, such as `pos.db-wal` and `agent.log.1`. */
  readonly #kept: string[] = []
  readonly #read: string[] = []
  readonly #stateFolder: string | undefined
  readonly #bufferFolder: string | undefined

  constructor(plan: Plan) {
    const { inputs, outputs, parsers, service, buffer } = plan
    for (const { spec, options } of inputs) this.#keep(spec.statePath?.(options as never))
    const folder = deadLetterFolderOf(plan)
    this.#stateFolder = folder === undefined ? undefined : canonical(folder)
    this.#bufferFolder = buffer === undefined ? undefined : canonical(buffer.folder)
    this.#keep(service.logFile)
    for (const { common } of outputs) this.#keep(common.deadLetterFile)
    for (const filter of filtersOf(plan)) this.#keep(deadLettersOf(filter)?.deadLetterFile)
    const files = [...inputs, ...filtersOf(plan), ...outputs, ...parsers].map(({ location }) => location.file)
    this.#read = [...new Set(files)].map(canonical)
  }

  #keep(path: string | undefined): void {
    if (path !== undefined) this.#kept.push(canonical(path))
  }

  /** Returns true when the path, which may not exist yet, is that of one of these files. */
  has(path: string): boolean {
    const file = canonical(path)
    if (this.#read.includes(file)) return true
    if (dirname(file) === this.#stateFolder && STATE_NAMES.some((name) => name.test(basename(file))))
      return true
    if (dirname(file) === this.#bufferFolder) return true
    return this.#kept.some((own) => file === own || file.startsWith(`${own}-`) || file.startsWith(`${own}.`))
  }
}

/** Returns the path without links; of a file that does not exist yet, that of its directory with its name. */
function canonical(path: string): string {
  const found = realPath(path)
  if (!(found instanceof FsFailure)) return found
  const directory = realPath(dirname(resolve(path)))
  return directory instanceof FsFailure ? resolve(path) : join(directory, basename(path))
}
