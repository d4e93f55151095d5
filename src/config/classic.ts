import type { SourceLocation } from '../core/error.ts'
import { truncate } from '../core/escape-controls.ts'
import { newSection, problem, type Section, type SectionOrigin, type Tree, warn } from './config-tree.ts'

const BOM = /^\uFEFF/
const BLANK_END = /[ \t]$/
/** Number of problems after which a file is not read on: it is something else. */
const MAX_PROBLEMS = 1000
/** Maximum number of lines with content in a file and those that it includes. */
export const MAX_LINES = 100_000

/** Lines with content that may still be read. */
export interface LineBudget {
  lines: number
}

const INDENT = /^[ \t]*/
const COMMAND = /^@(\w+)\s*(.*)$/s
const ENTRY = /^(\S+)(?:(\s+)(\S.*))?$/s
/** Sections in which fluent-bit passes over unknown options. */
const LENIENT_SECTIONS = ['service', 'parser', 'multiline_parser']
/** Names of sections that fluent-bit reads as the singular. */
const PLURALS: Readonly<Record<string, string>> = {
  inputs: 'INPUT',
  filters: 'FILTER',
  outputs: 'OUTPUT',
  customs: 'CUSTOM',
}
const ASSIGNMENT = /^([^=\s]+)\s*=\s*(.*)$/s

/**
 * Reads a text in the classic format:
 *
 * ```
 *   line    = "" | blanks "#" anything | "[" NAME "]" | "@INCLUDE" pattern | "@SET" NAME "=" value
 *           | indent KEY blanks value | indent "[" NAME "]"
 * ```
 * Headers and commands begin in column 1, properties are indented. All properties of a section have the indent of its first
 * property or of the file's first property. Twice that is accepted as well (fluent-bit takes it for a group without a header).
 * A value is the rest of its line: no quotes, no comment after it, no continuation; it is empty after a key that a blank ends. A
 * deeper header begins a group, whose properties are indented further. All problems are recorded; reading continues at the next
 * line.
 */
export class ClassicText {
  readonly #file: string
  readonly #origin: SectionOrigin
  readonly #tree: Tree
  readonly #budget: LineBudget
  readonly #include: (pattern: string, location: SourceLocation) => void | Promise<void>
  #line = 0
  #problems = 0
  /** True when the current line ends with a blank, which makes an empty value of a key alone. */
  #endsBlank = false
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
    include: (pattern: string, location: SourceLocation) => void | Promise<void>,
    budget: LineBudget = { lines: MAX_LINES },
  ) {
    this.#file = file
    this.#origin = origin
    this.#tree = tree
    this.#include = include
    this.#budget = budget
  }

  async read(text: string): Promise<void> {
    for (let at = BOM.test(text) ? 1 : 0; at < text.length; ) {
      const feed = text.indexOf('\n', at)
      const end = feed < 0 ? text.length : feed
      const line = text.slice(at, text[end - 1] === '\r' ? end - 1 : end)
      at = end + 1
      this.#line++
      const content = line.trim()
      if (content === '' || content.startsWith('#')) continue
      if (this.#problems >= MAX_PROBLEMS)
        return this.#problem('this file is not in classic format', { file: this.#file })
      if (this.#budget.lines-- === 0)
        this.#problem(`a configuration has at most ${MAX_LINES} lines`, { file: this.#file })
      if (this.#budget.lines < 0) return
      this.#endsBlank = BLANK_END.test(line)
      const included = this.#read(line, content)
      if (included !== undefined) await included
    }
  }

  #read(line: string, content: string): void | Promise<void> {
    const [indent = ''] = INDENT.exec(line) ?? []
    const at = this.#at(indent.length)
    if (indent === '') return this.#topLevel(content, at)
    if (content.startsWith('@')) this.#indentedCommand(content, at)
    else if (this.#section === undefined) this.#problem(`"${keyOf(content)}" is outside of any section`, at)
    else if (content.startsWith('[')) this.#beginGroup(this.#section, content, indent, at)
    else this.#property(this.#section, content, indent)
  }

  /** Reports a command that is not in column 1. For fluent-bit it is an option, which it passes over in some sections. */
  #indentedCommand(content: string, at: SourceLocation): void {
    const message = `${keyOf(content)} must begin in column 1`
    const section = this.#section?.name.toLowerCase() ?? ''
    if (LENIENT_SECTIONS.includes(section)) warn(this.#tree, `${message}: it has no effect here`, at)
    else this.#problem(message, at)
  }

  #topLevel(content: string, at: SourceLocation): void | Promise<void> {
    if (content.startsWith('@')) return this.#command(content, at)
    if (content.startsWith('[')) this.#beginSection(content, at)
    else if (this.#section === undefined) this.#problem(`"${keyOf(content)}" is outside of any section`, at)
    else {
      this.#problem(`"${keyOf(content)}" must be indented`, at)
      this.#add(this.#section, content, 0)
    }
  }

  #beginSection(content: string, at: SourceLocation): void {
    const written = this.#headerName(content, at)
    if (written === undefined) return
    const singular = PLURALS[written.toLowerCase()]
    if (singular !== undefined)
      warn(this.#tree, `section [${written}] is read as [${singular}], as by fluent-bit`, at)
    this.#section = newSection(singular ?? written, this.#origin, at)
    this.#indent = this.#group = undefined
    this.#tree.sections.push(this.#section)
  }

  #command(content: string, at: SourceLocation): void | Promise<void> {
    const [, name = '', argument = ''] = COMMAND.exec(content) ?? []
    switch (name.toUpperCase()) {
      case 'INCLUDE':
        if (argument !== '') return this.#include(argument, at)
        return this.#problem('@INCLUDE names no file', at)
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
    const end = content.indexOf(']')
    const name = content.slice(1, Math.max(1, end)).trim()
    if (name === '') {
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
    if (value === undefined && !this.#endsBlank) this.#problem(`"${keyOf(key)}" has no value`, location)
    else {
      const valueLocation = this.#at(column + key.length + gap.length)
      const comment = value?.includes('#') === true ? commentIn(value) : undefined
      section.properties.push({
        ...{ key, value: value ?? '', location, valueLocation },
        ...(comment === undefined ? {} : { comment }),
      })
    }
  }

  #at(column: number): SourceLocation {
    return { file: this.#file, line: this.#line, col: column + 1 }
  }

  #problem(message: string, location: SourceLocation, hint = ''): void {
    this.#problems++
    this.#tree.problems.push(problem('E_CONFIG_SYNTAX', message, location, hint))
  }
}

const COMMENT_START = /\s+#(?=\s|$)/g

/** Returns the rest of a value from the first `#` on that looks like the start of a comment: one in quotation marks does not. */
function commentIn(value: string): string | undefined {
  for (const { index } of value.matchAll(COMMENT_START))
    if (!isQuoted(value, index, '"') && !isQuoted(value, index, "'"))
      return ` ${value.slice(index).trimStart()}`
  return undefined
}

/** Returns true when an odd number of quotation marks stands before `at`, and one behind it. */
function isQuoted(value: string, at: number, mark: string): boolean {
  return value.indexOf(mark, at) >= 0 && value.slice(0, at).split(mark).length % 2 === 0
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
