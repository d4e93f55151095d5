import { existsSync, globSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import type { SourceLocation } from '../core/error.ts'
import { FsFailure, readWhole, stat } from '../lib/fs/file-system.ts'
import { ClassicText, type LineBudget, MAX_LINES } from './classic.ts'
import {
  emptyTree,
  type Property,
  problem,
  type Section,
  type SectionOrigin,
  type Tree,
  warn,
} from './config-tree.ts'
import { warnOfEncoding } from './encoding.ts'
import { type ConfigFormat, formatOf } from './format.ts'
import { type Environment, expand, lookupIn, unsetWarning } from './variables.ts'

const GLOB = /[*?[{]/
const OWN_PARSERS =
  'if it is fluent-bit’s own parsers file, remove this line: parsers with the same names are built in'
/** Names of the parsers files in fluent-bit's image, and folders in which it and its packages have them. */
const IMAGE_NAME = /^parsers(?:_(?:ambassador|cinder|extra|java|mult|multiline|openstack))?\.conf$/i
const IMAGE_FOLDER = /(?:^|\/)(?:fluent-?bit|td-agent-bit)\//i
const MAX_FILE_BYTES = 16_000_000
const FEWER = 'include fewer files'
/** Maximum number of files that are read with the main one, and of files within each other; both are more than fluent-bit reads. */
const MAX_FILES = 1000
const MAX_DEPTH = 100

/**
 * Reads a configuration file and the files it includes. `format` is that of the main file; undefined: see `formatOf`. Problems
 * are recorded in the tree.
 */
export async function readConfig(
  file: string,
  env: Environment,
  origin: SectionOrigin = 'main',
  format?: ConfigFormat,
): Promise<Tree> {
  const tree = emptyTree()
  await new ConfigFiles(file, origin, tree, env).read(file, undefined, format)
  return tree
}

/**
 * Reads every Parsers_File of the tree. A path in a file is relative to the folder of the main configuration file, one
 * from the command line to the working folder; when there is no such file, the other folder is tried.
 */
export async function readParsersFiles(
  tree: Tree,
  mainFile: string | undefined,
  env: Environment,
): Promise<Tree[]> {
  const trees = new Map<string, Tree>()
  for (const section of tree.sections) {
    const folders = ['', mainFile === undefined ? '' : dirname(mainFile)]
    if (section.origin !== 'flags') folders.reverse()
    for (const property of parsersFiles(section)) {
      const paths = isAbsolute(property.value)
        ? [property.value]
        : folders.map((folder) => join(folder, property.value))
      const file = paths.find((path) => existsSync(path)) ?? (paths[0] as string)
      if (!trees.has(file)) trees.set(file, await readParsersFile(file, property, env))
    }
  }
  return [...trees.values()]
}

function parsersFiles({ name, properties }: Section): Property[] {
  if (name.toLowerCase() !== 'service') return []
  return properties.filter(
    (property) => property.key.toLowerCase() === 'parsers_file' && property.value !== '',
  )
}

/** Reads a Parsers_File. When it cannot be read, the location of the problem is the line that names it. */
async function readParsersFile(file: string, property: Property, env: Environment): Promise<Tree> {
  if (isOfImage(property.value) && !existsSync(file)) {
    const tree = emptyTree()
    const message = `${property.value} does not exist: the built-in parsers are used instead of this file of fluent-bit’s image`
    warn(tree, message, property.valueLocation)
    return tree
  }
  const read = await readConfig(file, env, 'parsers')
  read.problems = read.problems.map((p) =>
    p.location === undefined ? problem(p.code, p.message, property.valueLocation, OWN_PARSERS) : p,
  )
  return read
}

/** Returns true for a path that names a parsers file which comes with fluent-bit. */
function isOfImage(path: string): boolean {
  // Those of Windows are named with backslashes.
  const unix = path.replaceAll('\\', '/')
  return IMAGE_NAME.test(basename(unix)) || IMAGE_FOLDER.test(unix)
}

class ConfigFiles {
  readonly #main: string
  readonly #origin: SectionOrigin
  readonly #tree: Tree
  readonly #env: Environment
  /** Files read, by identity; the value is true while the file is read. */
  readonly #seen = new Map<string, boolean>()
  readonly #budget: LineBudget = { lines: MAX_LINES }
  #depth = 0

  constructor(main: string, origin: SectionOrigin, tree: Tree, env: Environment) {
    this.#main = main
    this.#origin = origin
    this.#tree = tree
    this.#env = env
  }

  /**
   * Reads a file, unless it was read before under this or another name. `from` is the location of its @INCLUDE, `format` its
   * format if that is known without its text. `isNamed` is false for a file that a pattern matched: only a file that is named
   * can include itself by mistake.
   */
  async read(
    file: string,
    from: SourceLocation | undefined,
    format?: ConfigFormat,
    isNamed = true,
  ): Promise<void> {
    const found = stat(file)
    if (found instanceof FsFailure) return this.#readOnce(file, from, format)
    const identity = `${found.dev}:${found.ino}`
    const isBeingRead = this.#seen.get(identity)
    if (isBeingRead === true && isNamed)
      this.#unreadable(file, 'it includes itself', from, 'remove this line')
    if (isBeingRead !== undefined) return
    if (this.#seen.size >= MAX_FILES)
      return this.#unreadable(file, `more than ${MAX_FILES} files`, from, FEWER)
    if (this.#depth >= MAX_DEPTH)
      return this.#unreadable(file, `more than ${MAX_DEPTH} files include each other`, from, FEWER)
    if (from !== undefined && found.isFIFO())
      return this.#unreadable(file, 'it is a pipe, not a regular file', from, 'name a regular file')
    this.#seen.set(identity, true)
    this.#depth++
    await this.#readOnce(file, from, format)
    this.#depth--
    this.#seen.set(identity, false)
  }

  async #readOnce(
    file: string,
    from: SourceLocation | undefined,
    format: ConfigFormat | undefined,
  ): Promise<void> {
    const bytes = readWhole(file, MAX_FILE_BYTES)
    if (bytes instanceof FsFailure) return this.#unreadable(file, bytes.message, from)
    const text = bytes.toString('utf8')
    if (text.includes('\0'))
      return this.#unreadable(file, 'it is not text', from, 'name a configuration file')
    warnOfEncoding(file, bytes, this.#tree)
    await this.#readText(file, text, format ?? formatOf(file, text))
  }

  #unreadable(file: string, reason: string, from: SourceLocation | undefined, hint?: string): void {
    this.#tree.problems.push(problem('E_CONFIG_UNREADABLE', `cannot read ${file}: ${reason}`, from, hint))
  }

  /** Loads the reader of a format and reads the text: an agent pays only for the formats that its files have. */
  async #readText(file: string, text: string, format: ConfigFormat): Promise<void> {
    const include = (pattern: string, location: SourceLocation): Promise<void> =>
      this.#include(pattern, location, format, file)
    if (format === 'classic')
      return new ClassicText(file, this.#origin, this.#tree, include, this.#budget).read(text)
    const read =
      format === 'yaml'
        ? (await import('./yaml/yaml-text.ts')).readYaml
        : (await import('./fluentd/fluentd-text.ts')).readFluentd
    await read(file, text, this.#origin, this.#tree, include, this.#env)
  }

  /**
   * Reads the files that match a path or pattern. As in fluent-bit a path is relative to the main file in classic format, also in
   * an included file; in YAML and in fluentd to the file that names it. One that does not exist there is relative to the working
   * folder.
   */
  async #include(
    pattern: string,
    location: SourceLocation,
    format: ConfigFormat,
    includer: string,
  ): Promise<void> {
    const expanded = expand(pattern, lookupIn(this.#tree, this.#env), (name) => {
      warn(this.#tree, unsetWarning(name), location)
    })
    const base = format === 'classic' ? this.#main : includer
    const path = isAbsolute(expanded) ? expanded : join(dirname(base), expanded)
    const file = !existsSync(path) && existsSync(expanded) ? expanded : path
    const isPattern = GLOB.test(expanded) && !existsSync(path)
    const files = isPattern ? globSync(path).sort() : [file]
    if (files.length === 0) warn(this.#tree, `no file matches ${path}`, location)
    for (const file of files) await this.read(file, location, undefined, !isPattern)
  }
}
