import { isUtf8 } from 'node:buffer'
import { join, normalize } from 'node:path'
import { ShipperError } from '../../../core/error.ts'
import { escapeControls, truncate } from '../../../core/escape-controls.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import type { Entry } from '../../../lib/records/entry.ts'
import { type TagText, Template } from '../../../lib/records/template.ts'
import type { FileOptions } from './options.ts'
import { type Destination, MAX_NAME_BYTES, nameOf } from './path.ts'

/** Longest path of a system call on Linux. */
const MAX_PATH_BYTES = 4095
const MAX_SHOWN_CHARS = 100
/** Stands for a field in an example. */
const EXAMPLE = 'x'
/** Characters besides "/" that fluent-bit refuses in a name of a file, as some file systems do. */
const UNSAFE_IN_FILE = /[/:*?"<>|]/

/** Returns true when Path or File depends on the record, or on its time. */
export function isChosen({ path = '', file = '', enableStrftime }: FileOptions): boolean {
  return `${path}${file}`.includes('$') || (enableStrftime && `${path}${file}`.includes('%'))
}

/**
 * The destination that a record chooses with its fields, tag and time, below the directory that Path names:
 *
 * ```
 *   /var/log/app-$namespace/%Y   $app.log
 *   ^^^^^^^^^ ^^^^^^^^^^^^^^^^   ^^^^^^^^
 *   directory    may have "/"    a single name
 * ```
 */
export class ChosenPath {
  readonly #options: FileOptions
  readonly #path: Template
  readonly #file: Template | undefined
  /** Directory that Path names, and the number of characters of Path in it. */
  readonly #directory: string
  readonly #directoryChars: number
  readonly #chosenBy: Destination['chosenBy']

  /** Throws E_CONFIG_BAD_VALUE. */
  constructor(options: FileOptions) {
    const { path = '', file, enableStrftime: times } = options
    this.#options = options
    this.#path = Template.parse(path, { times, isPath: true, option: 'path' })
    this.#file =
      file === undefined ? undefined : Template.parse(file, { times, isPath: true, option: 'file' })
    const isFixed = !this.#path.hasVariable && !this.#path.hasTime
    const { prefix } = this.#path
    this.#directoryChars = isFixed ? path.length : prefix.lastIndexOf('/') + 1
    this.#directory = path.slice(0, this.#directoryChars) || '.'
    this.#check(path, file)
    const templates = [this.#path, ...(this.#file === undefined ? [] : [this.#file])]
    const isByTag = this.#file === undefined || templates.some((template) => template.hasVariable)
    // A tag has one destination if the text is the same for all of its records.
    const isOne = templates.every((template) => template.isPerTag)
    this.#chosenBy = !isByTag ? 'configuration' : isOne ? 'tag' : 'record'
  }

  /** True when all records of a tag have the same destination. */
  get isPerTag(): boolean {
    return this.#chosenBy === 'tag'
  }

  /** Writes path, NUL and name for a record; returns false when something is missing. */
  write(out: JsonText, tag: TagText, buf: Buffer, entry: Entry): boolean {
    const { map, end, time } = entry
    if (!this.#path.write(out, tag, buf, map, end, undefined, time)) return false
    out.byte(0)
    return this.#file === undefined || this.#file.write(out, tag, buf, map, end, undefined, time)
  }

  /** Returns the variable of Path or File, as written, that makes `write` return false. */
  missing(out: JsonText, tag: TagText, buf: Buffer, { map, end }: Entry): string {
    const missing = (template: Template | undefined) => template?.missing(out, tag, buf, map, end)
    return missing(this.#path) ?? missing(this.#file) ?? ''
  }

  /** Returns an example of a path for records with this tag. */
  exampleOf(tag: string): string {
    const name = this.#file?.exampleOf(tag, EXAMPLE) ?? nameOf(tag, this.#options.mkdir)
    return join(this.#path.exampleOf(tag, EXAMPLE) || '.', name)
  }

  /** Returns the destination for what `write` has written, or the reason why it is not safe. */
  resolve(bytes: Buffer, tag: string): Destination | string {
    if (!isUtf8(bytes)) return 'a name is no UTF-8'
    const text = bytes.toString()
    const [path = '', file = '', ...rest] = text.split('\0')
    if (rest.length > 0) return 'a name contains NUL'
    const names = path
      .slice(this.#directoryChars)
      .split('/')
      .filter((part) => part !== '')
    const fault =
      names.map(directoryFault).find((reason) => reason !== undefined) ??
      (this.#file === undefined ? undefined : fileFault(file))
    if (fault !== undefined) return fault
    const name = this.#file === undefined ? nameOf(tag, this.#options.mkdir) : file
    const directory = this.#directory
    const destination = join(directory, ...names, name)
    if (Buffer.byteLength(destination) > MAX_PATH_BYTES)
      return `the path has more than ${MAX_PATH_BYTES} bytes`
    return { path: destination, directory, chosenBy: this.#chosenBy }
  }

  #check(path: string, file: string | undefined): void {
    const fail = (option: string, message: string, hint: string): never => {
      throw new ShipperError('E_CONFIG_BAD_VALUE', message, { option, hint })
    }
    const { prefix, beginsWithVariable, hasVariable } = this.#path
    const isOpen = hasVariable && prefix !== '' && normalize(prefix) === '/'
    if (beginsWithVariable || isOpen)
      fail(
        'path',
        `"${path}" begins with what a record chooses, so that it could name any directory`,
        'begin with a directory that is there for these files: /var/log/apps/$namespace',
      )
    if (this.#file?.fixedText.includes('/'))
      fail('file', `"${file}" contains a slash, and File is a single name`, 'write its directories to Path')
  }
}

function directoryFault(name: string): string | undefined {
  if (name === '.' || name === '..') return `"${name}" is not allowed as a directory`
  return nameFault(name)
}

function fileFault(name: string): string | undefined {
  if (name === '') return 'the name of the file is empty'
  if (name === '.' || name === '..') return `"${name}" is not allowed as the name of a file`
  const unsafe = UNSAFE_IN_FILE.exec(name)?.[0]
  if (unsafe !== undefined) return `the name ${shown(name)} of a file contains ${unsafe}`
  return nameFault(name)
}

function nameFault(name: string): string | undefined {
  if (escapeControls(name) !== name) return `the name ${shown(name)} contains a control character`
  if (Buffer.byteLength(name) > MAX_NAME_BYTES)
    return `the name ${shown(name)} has more than ${MAX_NAME_BYTES} bytes`
  return undefined
}

function shown(name: string): string {
  return `"${escapeControls(truncate(name, MAX_SHOWN_CHARS))}"`
}
