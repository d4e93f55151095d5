import { join, resolve } from 'node:path'
import { defaultFileName } from '../../lib/dead-letters/files.ts'
import type { DeadLetterPlace } from './dead-letters.ts'
import { DeadLetterFile } from './file.ts'

/** The dead-letter files of an agent. Outputs and filters that name the same file share it, with the limit of the first. */
export class DeadLetterFiles {
  readonly #files = new Map<string, DeadLetterFile>()

  /** Returns the place for the output or filter; `named` is its Dead_Letter_File. Opens nothing. */
  placeOf(
    output: string,
    named: string | undefined,
    limitBytes: number,
    stateFolder: string | undefined,
  ): DeadLetterPlace {
    const option = named?.trim() === '' ? undefined : named
    if (option !== undefined && OFF.has(option.trim().toLowerCase())) return 'off'
    if (option === undefined && stateFolder === undefined) return 'none'
    const path = resolve(option ?? join(stateFolder as string, defaultFileName(output)))
    const known = this.#files.get(path)
    if (known !== undefined) return known
    const file = new DeadLetterFile(path, limitBytes)
    this.#files.set(path, file)
    return file
  }
}

const OFF = new Set(['off', 'false', 'no'])
