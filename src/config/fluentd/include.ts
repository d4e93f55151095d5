import { globSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { SourceLocation } from '../../core/error.ts'
import { FsFailure, readWhole, realPath, stat } from '../../lib/fs/file-system.ts'
import { problem, warn } from '../config-tree.ts'
import { warnOfEncoding } from '../encoding.ts'
import type { Environment } from '../variables.ts'
import type { Element } from './element.ts'
import { type LocalDiagnostics, readElements } from './syntax.ts'

const GLOB = /[*?[{]/
const LOCAL = /^file:\/\//
const REMOTE = /^[a-z][a-z0-9+.-]+:\/\//i
const MAX_FILE_BYTES = 16_000_000
const MAX_FILES = 1000

/**
 * Reads a file with those that it includes. `@include` may stand within a section, and a file may be included several times, as
 * a <buffer> for each output; but not within itself.
 */
export class IncludedFiles {
  readonly #env: Environment
  readonly #diagnostics: LocalDiagnostics
  #files = 0

  constructor(env: Environment, diagnostics: LocalDiagnostics) {
    this.#env = env
    this.#diagnostics = diagnostics
  }

  /** Reads a text into `element`; `within` are the files that are being read. */
  read(file: string, text: string, element: Element, within: readonly string[]): void {
    const real = realPath(file)
    const open = [...within, real instanceof FsFailure ? file : real]
    readElements(file, text, element, this.#env, this.#diagnostics, (pattern, location, into) =>
      this.#include(pattern, location, into, file, open),
    )
  }

  #include(
    pattern: string,
    location: SourceLocation,
    into: Element,
    from: string,
    within: readonly string[],
  ): void {
    const file = pattern.replace(LOCAL, '')
    if (REMOTE.test(file)) {
      const hint = 'download it when the agent is installed, and include the file'
      this.#problem(
        `cannot include ${withoutPassword(pattern)}: files are not read from the network`,
        location,
        hint,
      )
      return
    }
    const path = isAbsolute(file) ? file : join(dirname(from), file)
    const files = GLOB.test(path) ? globSync(path).sort() : [path]
    if (files.length === 0) warn(this.#diagnostics, `no file matches ${path}`, location)
    for (const one of files) this.#readFile(one, location, into, within)
  }

  #readFile(file: string, location: SourceLocation, into: Element, within: readonly string[]): void {
    const real = realPath(file)
    if (!(real instanceof FsFailure) && within.includes(real)) {
      this.#problem(`${file} includes itself`, location, 'remove this line')
      return
    }
    if (++this.#files > MAX_FILES) {
      if (this.#files === MAX_FILES + 1)
        this.#problem(`more than ${MAX_FILES} files are included`, location, '')
      return
    }
    const found = stat(file)
    if (!(found instanceof FsFailure) && found.isFIFO()) {
      this.#problem(`cannot read ${file}: it is a pipe, not a regular file`, location, 'name a regular file')
      return
    }
    const bytes = readWhole(file, MAX_FILE_BYTES)
    const reason =
      bytes instanceof FsFailure ? bytes.message : bytes.includes(0) ? 'it is not text' : undefined
    if (bytes instanceof FsFailure || reason !== undefined) {
      this.#problem(`cannot read ${file}: ${reason}`, location)
      return
    }
    warnOfEncoding(file, bytes, this.#diagnostics)
    this.read(file, bytes.toString('utf8'), into, within)
  }

  #problem(message: string, location: SourceLocation, hint?: string): void {
    this.#diagnostics.problems.push(problem('E_CONFIG_UNREADABLE', message, location, hint))
  }
}

const PASSWORD = /\/\/[^/@]*@/

function withoutPassword(url: string): string {
  return url.replace(PASSWORD, '//******@')
}
