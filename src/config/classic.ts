import type { SourceLocation } from '../core/error.ts'
import { truncate } from '../core/escape-controls.ts'
import { newSection, problem, type Section, type SectionOrigin, type Tree } from './config-tree.ts'

const BOM = /^\uFEFF/
const LINE_END = /\r?\n/
const INDENT = /^[ \t]*/
const HEADER = /^\[\s*([^\]]*?)\s*\]/
const COMMAND = /^@(\w+)\s*(.*)$/
const ENTRY = /^(\S+)(?:(\s+)(\S.*))?$/
const ASSIGNMENT = /^([^=\s]+)\s*=\s*(.*)$/

/**
 * Reads a text in the classic format:
 *
 * ```
 *   line    = "" | blanks "#" anything | "[" NAME "]" | "@INCLUDE" pattern | "@SET" NAME "=" value
 *           | indent KEY blanks value | indent "[" NAME "]"
 * ```
 * Headers and commands begin in column 1, properties are indented. All properties of a section have the indent of its first
 * property or of the file's first property. Twice that is accepted as well (fluent-bit takes it for a group without a header).
 * A value is the rest of its line: no quotes, no comment after it, no continuation. A deeper header begins a group, whose
 * properties are indented further. All problems are recorded; reading continues at the next line.
 */
export class ClassicText {
  readonly #file: string
  readonly #origin: SectionOrigin
  readonly #tree: Tree
  readonly #include: (pattern: string, location: SourceLocation) => void
  #line = 0
  #section: Section | undefined
  #indent: string | undefined
  #fileIndent: string | undefined
  #group: Section | undefined
  #groupIndent: string | undefined

  /** Adds sections, variables and problems to `tree`; calls `include` for each @INCLUDE, in order. */
  constructor(
    file: string,
    origin: SectionOrigin,
    tree: Tree,
    include: (pattern: string, location: SourceLocation) => void,
  ) {
    this.#file = file
    this.#origin = origin
    this.#tree = tree
    this.#include = include
  }

  read(text: string): void {
    for (const line of text.replace(BOM, '').split(LINE_END)) {
      this.#line++
      const content = line.trim()
      if (content !== '' && !content.startsWith('#')) this.#read(line, content)
    }
  }

  #read(line: string, content: string): void {
    const [indent = ''] = INDENT.exec(line) ?? []
    const at = this.#at(indent.length)
    if (indent === '') this.#topLevel(content, at)
    else if (content.startsWith('@')) this.#problem(`${keyOf(content)} must begin in column 1`, at)
    else if (this.#section === undefined) this.#problem(`"${keyOf(content)}" is outside of any section`, at)
    else if (content.startsWith('[')) this.#beginGroup(this.#section, content, indent, at)
    else this.#property(this.#section, content, indent)
  }

  #topLevel(content: string, at: SourceLocation): void {
    if (content.startsWith('@')) this.#command(content, at)
    else if (content.startsWith('[')) this.#beginSection(content, at)
    else if (this.#section === undefined) this.#problem(`"${keyOf(content)}" is outside of any section`, at)
    else {
      this.#problem(`"${keyOf(content)}" must be indented`, at)
      this.#add(this.#section, content, 0)
    }
  }

  #beginSection(content: string, at: SourceLocation): void {
    const name = this.#headerName(content, at)
    if (name === undefined) return
    this.#section = newSection(name, this.#origin, at)
    this.#indent = this.#group = undefined
    this.#tree.sections.push(this.#section)
  }

  #command(content: string, at: SourceLocation): void {
    const [, name = '', argument = ''] = COMMAND.exec(content) ?? []
    switch (name.toUpperCase()) {
      case 'INCLUDE':
        if (argument === '') this.#problem('@INCLUDE names no file', at)
        else this.#include(argument, at)
        return
      case 'SET': {
        const [, variable, value] = ASSIGNMENT.exec(argument) ?? []
        if (variable === undefined || value === undefined) {
          this.#problem(`@SET needs NAME=value, not "${keyOf(argument)}"`, at)
        } else this.#tree.variables.set(variable, value)
        return
      }
      default:
        this.#problem(`unknown command "@${name}"`, at, 'the commands are @INCLUDE and @SET')
    }
  }

  #headerName(content: string, at: SourceLocation): string | undefined {
    const [, name] = HEADER.exec(content) ?? []
    if (name === undefined || name === '') {
      this.#problem(`"${keyOf(content)}" is not a section header like [INPUT]`, at)
      return undefined
    }
    return name
  }

  #beginGroup(section: Section, content: string, indent: string, at: SourceLocation): void {
    const name = this.#headerName(content, at)
    if (name === undefined) return
    this.#group = newSection(name, this.#origin, at)
    this.#groupIndent = undefined
    this.#indent ??= indent
    section.groups.push(this.#group)
  }

  #property(section: Section, content: string, indent: string): void {
    this.#indent ??= indent
    if (indent === this.#indent) this.#group = undefined
    else if (this.#group !== undefined && indent.startsWith(this.#indent)) this.#groupIndent ??= indent
    this.#fileIndent ??= indent
    const expected = this.#group === undefined ? this.#indent : (this.#groupIndent ?? this.#indent)
    const accepted = this.#group === undefined ? [expected, this.#fileIndent] : [expected]
    if (!accepted.some((one) => isOnceOrTwice(indent, one))) {
      const [is, first] = [measure(indent), measure(expected)]
      this.#problem(`indented by ${is}, but the first property here by ${first}`, this.#at(indent.length))
    }
    // The property is kept: a wrong indent must not look like a missing option as well.
    this.#add(this.#group ?? section, content, indent.length)
  }

  #add(section: Section, content: string, column: number): void {
    const [, key = '', gap = '', value] = ENTRY.exec(content) ?? []
    const location = this.#at(column)
    if (value === undefined) this.#problem(`"${keyOf(key)}" has no value`, location)
    else {
      const valueLocation = this.#at(column + key.length + gap.length)
      section.properties.push({ key, value, location, valueLocation })
    }
  }

  #at(column: number): SourceLocation {
    return { file: this.#file, line: this.#line, col: column + 1 }
  }

  #problem(message: string, location: SourceLocation, hint = ''): void {
    this.#tree.problems.push(problem('E_CONFIG_SYNTAX', message, location, hint))
  }
}

/** Returns the part of a line that is shown in a message: what follows the first word may be a secret. */
function keyOf(content: string): string {
  const [key = ''] = KEY.exec(content) ?? []
  return truncate(key, MAX_SHOWN_CHARS)
}

const KEY = /^[^\s=:]+/
const MAX_SHOWN_CHARS = 60

function isOnceOrTwice(indent: string, one: string): boolean {
  return indent === one || (indent.startsWith(one) && indent.length === 2 * one.length)
}

function measure(indent: string): string {
  const kind = indent.includes('\t') ? (indent.includes(' ') ? 'tabs and blanks' : 'tab') : 'blank'
  return `${indent.length} ${kind}${indent.length === 1 || kind.endsWith('s') ? '' : 's'}`
}
