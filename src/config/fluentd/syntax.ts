import type { ShipperError, SourceLocation } from '../../core/error.ts'
import { type Diagnostics, type LocalValue, problem, warn } from '../config-tree.ts'
import { type Environment, unsetWarning } from '../variables.ts'
import { type Element, newElement } from './element.ts'
import { Scanner } from './scanner.ts'
import { scanDoubleQuoted, scanName, scanPath, scanPlain, scanValue, type ValueContext } from './values.ts'

/** Where messages go, and what depends on the machine. */
export interface LocalDiagnostics extends Diagnostics {
  localValues?: LocalValue[]
}

/** Reads the elements of an included file into `element`. */
type Include = (pattern: string, location: SourceLocation, element: Element) => void

const BOM = /^\uFEFF/
const SPACE = /[ \t\r\n]+/y
const END_TAG = /<\//y
const BEGIN_TAG = /</y
const CLOSE = />/y
const LINE_END = /\r?\n/y
const BLANKS = /[ \t]+/y
const NAME = /[A-Za-z0-9_]+/y
const LINE_REST = /[ \t]*(?:#[^\n]*|\r?(?=\n)|\r?$)/y
const ARGUMENT_END = />/
const INCLUDE = /@?include(?=[ \t])/y
/** Sections that have only the attributes with `@` that fluentd knows. */
const STRICT = ['', 'match', 'source', 'filter', 'system']
const RESERVED = ['@type', '@id', '@label', '@log_level', '@include']
const MAX_DEPTH = 100

/**
 * Reads a text in fluentd's format, v1, into `root`:
 *
 * ```
 *   file      = *( section | attribute | include )
 *   section   = "<" name [argument] ">" line end *( section | attribute | "@include" path ) "</" name ">" line end
 *   attribute = name blanks value line end | name line end
 *   include   = ( "@include" | "include" ) path line end
 * ```
 * A comment begins with `#` at the start of a line or behind a blank. fluentd stops at the first mistake; here reading
 * continues with the next line, so that all of them are reported.
 */
export function readElements(
  file: string,
  text: string,
  root: Element,
  env: Environment,
  diagnostics: LocalDiagnostics,
  include: Include,
): void {
  new ElementReader(file, text, root, env, diagnostics, include).read()
}

class ElementReader {
  readonly #scanner: Scanner
  readonly #diagnostics: LocalDiagnostics
  readonly #include: Include
  readonly #context: ValueContext
  /** Sections that are open, the innermost last; the first is that to which the file belongs. */
  readonly #open: Element[]
  #isTooDeep = false

  constructor(
    file: string,
    text: string,
    root: Element,
    env: Environment,
    diagnostics: LocalDiagnostics,
    include: Include,
  ) {
    this.#scanner = new Scanner(file, text.replace(BOM, ''))
    this.#open = [root]
    this.#diagnostics = diagnostics
    this.#include = include
    this.#context = {
      env,
      problems: diagnostics.problems,
      unended: 0,
      onUnset: (name, location) => warn(diagnostics, unsetWarning(name), location),
    }
  }

  read(): void {
    const scanner = this.#scanner
    for (;;) {
      this.#skipSpace()
      if (scanner.isAtEnd) break
      const start = scanner.at
      if (scanner.take(END_TAG) !== undefined) this.#endTag(start)
      else if (scanner.take(BEGIN_TAG) !== undefined) this.#beginTag(start)
      else this.#attributeOrInclude(start)
      // Whatever was read, no place is read twice.
      if (scanner.at === start) scanner.at++
    }
    for (const element of this.#open.slice(1).reverse())
      this.#problem(`<${element.name}> has no end`, element.location, `add a line </${element.name}>`)
  }

  /** Skips blanks, line ends and comments. */
  #skipSpace(): void {
    const scanner = this.#scanner
    scanner.take(SPACE)
    while (scanner.next === '#') {
      scanner.at = scanner.lineEnd()
      scanner.take(SPACE)
    }
  }

  get #current(): Element {
    return this.#open[this.#open.length - 1] as Element
  }

  #beginTag(start: number): void {
    const scanner = this.#scanner
    const name = scanner.take(NAME)
    scanner.take(BLANKS)
    const argumentAt = scanner.at
    const argument =
      scanner.next === '"' ? this.#quotedArgument(name ?? '') : scanPlain(scanner, ARGUMENT_END)
    scanner.take(BLANKS)
    if (name === undefined || scanner.take(CLOSE) === undefined) {
      const message = name === undefined ? 'there is no name after <' : `<${name} has no >`
      this.#problem(message, scanner.location(start), 'a section begins with a line such as <match app.**>')
      scanner.at = scanner.lineEnd()
      if (name === undefined) return
    } else this.#requireLineEnd(`<${name}>`)
    const element = newElement(name, argument.trim(), scanner.location(start))
    element.argumentLocation = scanner.location(argumentAt)
    this.#current.children.push(element)
    if (this.#open.length <= MAX_DEPTH) this.#open.push(element)
    else if (!this.#isTooDeep) {
      this.#isTooDeep = true
      this.#problem(`sections are nested more than ${MAX_DEPTH} levels deep`, element.location, '')
    }
  }

  #quotedArgument(name: string): string {
    const location = this.#scanner.location()
    const { value, local } = scanDoubleQuoted(this.#scanner, this.#context)
    // Patterns of tags have no variables of ours.
    if (local !== undefined) this.#addLocal(`<${name}>`, location, value, true)
    return value ?? ''
  }

  #addLocal(name: string, location: SourceLocation, value: string | undefined, isFixed: boolean): void {
    this.#diagnostics.localValues ??= []
    this.#diagnostics.localValues.push({ name, location, value, isFixed })
  }

  #endTag(start: number): void {
    const scanner = this.#scanner
    const location = scanner.location(start)
    const name = scanner.take(NAME) ?? ''
    scanner.take(BLANKS)
    if (scanner.take(CLOSE) === undefined) {
      this.#problem(`</${name} has no >`, location, '')
      scanner.at = scanner.lineEnd()
    } else this.#requireLineEnd(`</${name}>`)
    if (this.#open.length > 1 && this.#current.name === name) {
      this.#open.pop()
      return
    }
    this.#unmatchedEnd(name, location)
  }

  /** Reports an end without its beginning; when it ends an outer section, those within it are ended, too. */
  #unmatchedEnd(name: string, location: SourceLocation): void {
    const { name: inner, location: begun } = this.#current
    if (this.#open.length === 1) {
      this.#problem(`</${name}> ends a section that has not begun`, location, '')
      return
    }
    const where = `line ${begun.line}${begun.file === location.file ? '' : ` of ${begun.file}`}`
    this.#problem(
      `</${name}> is here, but <${inner}> of ${where} has no end`,
      location,
      `end it with </${inner}>`,
    )
    const outer = this.#open.findLastIndex((element, i) => i > 0 && element.name === name)
    if (outer > 0) this.#open.length = outer
  }

  #attributeOrInclude(start: number): void {
    const scanner = this.#scanner
    const word = scanner.take(INCLUDE)
    if (word === '@include' || (word !== undefined && this.#open.length === 1)) {
      if (word === 'include')
        warn(this.#diagnostics, '"include" is written "@include" now', scanner.location(start))
      this.#readInclude()
      return
    }
    scanner.at = start
    this.#attribute(start)
  }

  #readInclude(): void {
    const scanner = this.#scanner
    scanner.take(BLANKS)
    const location = scanner.location()
    const path = scanPath(scanner, this.#context)
    this.#requireLineEnd(`@include ${path}`)
    if (path === '') this.#problem('@include names no file', location, '')
    else this.#include(path, location, this.#current)
  }

  #attribute(start: number): void {
    const scanner = this.#scanner
    const location = scanner.location(start)
    const name = scanName(scanner, this.#context)
    scanner.take(BLANKS)
    const valueLocation = scanner.location()
    const element = this.#current
    if (scanner.isAtEnd || scanner.looksAt(LINE_END)) {
      element.attributes.push({ name, value: '', location, valueLocation: location })
      return
    }
    const { value, variables, source, local } = scanValue(scanner, this.#context)
    if (local !== undefined) this.#addLocal(name, valueLocation, value, local === 'fixed')
    this.#requireLineEnd(`the value of ${name}`)
    if (name.startsWith('@') && !RESERVED.includes(name) && STRICT.includes(element.name)) {
      const message = `"${name}" is not a name with @ that fluentd knows`
      this.#problem(message, location, 'these are @type, @id, @label and @log_level')
      return
    }
    const attribute = { name, value, location, valueLocation }
    element.attributes.push({
      ...attribute,
      ...(variables === undefined ? {} : { variables }),
      ...(source === undefined ? {} : { source }),
    })
  }

  /** Reports what follows on the line, other than a comment, and skips it. */
  #requireLineEnd(what: string): void {
    const scanner = this.#scanner
    if (scanner.take(LINE_REST) !== undefined && (scanner.isAtEnd || scanner.next === '\n')) return
    scanner.take(BLANKS)
    const hint = 'each attribute, <section> and </section> needs a line of its own'
    this.#problem(`there is more on the line after ${what}`, scanner.location(), hint)
    scanner.at = scanner.lineEnd()
  }

  #problem(message: string, location: SourceLocation, hint: string): void {
    const found: ShipperError = problem('E_CONFIG_SYNTAX', message, location, hint)
    this.#diagnostics.problems.push(found)
  }
}
