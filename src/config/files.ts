import { existsSync, globSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { SourceLocation } from '../core/error.ts'
import { FsFailure, readWholeText, stat } from '../lib/fs/file-system.ts'
import { ClassicText } from './classic.ts'
import {
  emptyTree,
  type Property,
  problem,
  type Section,
  type SectionOrigin,
  type Tree,
  warn,
} from './config-tree.ts'
import { type Environment, expand, lookupIn, unsetWarning } from './variables.ts'

const GLOB = /[*?[{]/
const OWN_PARSERS =
  'if it is fluent-bit’s own parsers file, remove this line: parsers with the same names are built in'
const BOM = /^\uFEFF/
const MAX_FILE_BYTES = 16_000_000
const MAX_SNIFFED_LINES = 1000
const YAML_NAME = /\.ya?ml$/i
const YAML_START = /^(?:---|%YAML|[a-z_]+:(?:\s|$))/
const FLUENTD_START = /^<\/?[a-z]+/

/** Reads a configuration file and the files it includes; see `formatOf`. Problems are recorded in the tree. */
export function readConfig(file: string, env: Environment, origin: SectionOrigin = 'main'): Tree {
  const tree = emptyTree()
  new ConfigFiles(file, origin, tree, env).read(file, undefined)
  return tree
}

/**
 * Reads every Parsers_File of the tree. A path in a file is relative to the folder of the main configuration file, one
 * from the command line to the working folder; when there is no such file, the other folder is tried.
 */
export function readParsersFiles(tree: Tree, mainFile: string | undefined, env: Environment): Tree[] {
  const trees = new Map<string, Tree>()
  for (const section of tree.sections) {
    const folders = ['', mainFile === undefined ? '' : dirname(mainFile)]
    if (section.origin !== 'flags') folders.reverse()
    for (const property of parsersFiles(section)) {
      const paths = isAbsolute(property.value)
        ? [property.value]
        : folders.map((folder) => join(folder, property.value))
      const file = paths.find((path) => existsSync(path)) ?? (paths[0] as string)
      if (!trees.has(file)) trees.set(file, readParsersFile(file, property, env))
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
function readParsersFile(file: string, property: Property, env: Environment): Tree {
  const read = readConfig(file, env, 'parsers')
  read.problems = read.problems.map((p) =>
    p.location === undefined ? problem(p.code, p.message, property.valueLocation, OWN_PARSERS) : p,
  )
  return read
}

/** Detects the format by the file name, else by the first line with content: a mounted file may have any name. */
export function formatOf(file: string, text: string): 'classic' | 'YAML' | 'fluentd' {
  if (YAML_NAME.test(file)) return 'YAML'
  const lines = text.replace(BOM, '').split('\n', MAX_SNIFFED_LINES)
  const first = lines.map((line) => line.trim()).find((line) => line !== '' && !line.startsWith('#')) ?? ''
  if (YAML_START.test(first)) return 'YAML'
  return FLUENTD_START.test(first) ? 'fluentd' : 'classic'
}

class ConfigFiles {
  readonly #main: string
  readonly #origin: SectionOrigin
  readonly #tree: Tree
  readonly #env: Environment
  readonly #seen = new Set<string>()

  constructor(main: string, origin: SectionOrigin, tree: Tree, env: Environment) {
    this.#main = main
    this.#origin = origin
    this.#tree = tree
    this.#env = env
  }

  /** Reads a file, unless it was read before under this or another name. `from` is the location of its @INCLUDE. */
  read(file: string, from: SourceLocation | undefined): void {
    const found = stat(file)
    if (!(found instanceof FsFailure)) {
      const identity = `${found.dev}:${found.ino}`
      if (this.#seen.has(identity)) return
      this.#seen.add(identity)
    }
    const text = readWholeText(file, MAX_FILE_BYTES)
    if (text instanceof FsFailure || text.includes('\0')) {
      const reason = text instanceof FsFailure ? text.message : 'it is not text'
      const message = `cannot read ${file}: ${reason}`
      this.#tree.problems.push(problem('E_CONFIG_UNREADABLE', message, from))
      return
    }
    const format = formatOf(file, text)
    if (format !== 'classic') {
      const message = `this file is in ${format} format, which is not supported yet`
      const hint = 'write it in the classic format: [INPUT], and keys with values below it'
      this.#tree.problems.push(problem('E_CONFIG_SYNTAX', message, { file }, hint))
      return
    }
    const include = (pattern: string, location: SourceLocation): void => this.#include(pattern, location)
    new ClassicText(file, this.#origin, this.#tree, include).read(text)
  }

  /**
   * Reads the files that match a path or pattern. As in fluent-bit it is relative to the main file, also in an included
   * one; a path that does not exist there is relative to the working folder.
   */
  #include(pattern: string, location: SourceLocation): void {
    const expanded = expand(pattern, lookupIn(this.#tree, this.#env), (name) => {
      warn(this.#tree, unsetWarning(name), location)
    })
    const path = isAbsolute(expanded) ? expanded : join(dirname(this.#main), expanded)
    const file = !existsSync(path) && existsSync(expanded) ? expanded : path
    const files = GLOB.test(expanded) ? globSync(path).sort() : [file]
    if (files.length === 0) warn(this.#tree, `no file matches ${path}`, location)
    for (const file of files) this.read(file, location)
  }
}
