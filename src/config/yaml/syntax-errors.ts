import type { ShipperError, SourceLocation } from '../../core/error.ts'
import { problem } from '../config-tree.ts'

const QUOTE = 'put the value in single quotation marks'
const TOGETHER = 'begin the keys of a map in the same column, and values below their key further right'

/** Messages by the code of the package `yaml`. They are our own: those of the package repeat parts of the text, which may be secrets. */
const TEXTS: Record<string, readonly [message: string, hint: string]> = {
  BAD_ALIAS: ['an alias needs a name after *', "put a value that begins with * in quotation marks: '*'"],
  ALIAS_PROPS: ['an alias cannot have an anchor or a tag', ''],
  BAD_DIRECTIVE: ['this directive is not valid', 'remove the line that begins with %'],
  BAD_DQ_ESCAPE: [
    'this escape is not known in double quotation marks',
    'in single quotation marks a backslash is a plain character',
  ],
  UNCLOSED: [
    'a [ or { is not closed',
    'close it, with the lines within it indented; or put the value in single quotation marks',
  ],
  OPEN_QUOTE: ['the quotation mark is not closed', ''],
  BAD_INDENT: ['the indent does not fit the lines above', TOGETHER],
  BAD_SCALAR_START: ['a value cannot begin with this character', QUOTE],
  BLOCK_AS_IMPLICIT_KEY: ['a second key on this line, or on a line that continues a value', QUOTE],
  BLOCK_IN_FLOW: ['a list or map of several lines within [ ] or { }', 'write it within brackets, too'],
  KEY_OVER_1024_CHARS: ['this key is too long', 'a key ends with a colon and a blank'],
  MISSING_CHAR: ['a quotation mark, comma, colon or bracket is missing here', ''],
  MULTILINE_IMPLICIT_KEY: ['this line has no colon, or the line above continues here', TOGETHER],
  MULTIPLE_ANCHORS: ['a value can have one anchor only', ''],
  MULTIPLE_DOCS: [
    'a second YAML document begins here',
    'put everything into one document, without a line ---',
  ],
  MULTIPLE_TAGS: ['a value can have one tag only', ''],
  TAB_AS_INDENT: ['a tab cannot indent a line', 'indent with blanks'],
  BAD_COLLECTION_TYPE: ['the tag does not fit the value', 'remove the tag'],
}

/** Returns the problem for an error of the package at an offset of the text. */
export function syntaxProblem(
  { code, message: original }: { code: string; message: string },
  text: string,
  offset: number,
  location: SourceLocation,
): ShipperError {
  const indent = INDENT_ERRORS.includes(code) ? indentFault(text, offset) : undefined
  if (indent !== undefined) {
    const at = { ...location, col: indent.column }
    return problem('E_CONFIG_SYNTAX', `not valid YAML: ${indent.message}`, at, TOGETHER)
  }
  const [message, hint] = TEXTS[kindOf(code, original)] ?? ['this is not expected here', hintAt(text, offset)]
  return problem('E_CONFIG_SYNTAX', `not valid YAML: ${message}`, location, hint)
}

/** Errors of the package that a key in a wrong column causes. */
const INDENT_ERRORS = ['MISSING_CHAR', 'BAD_INDENT']
const KEY_LINE = /^( *)((?:- +)*)[^\s#-][^\n]*?:(?:\s|$)/
/** Number of lines above that are looked at. */
const MAX_LINES_ABOVE = 1000

/**
 * Says how the key on the line of `offset` is indented when it is nearest to those of a list item above that has its keys in another
 * column; undefined for anything else.
 */
function indentFault(text: string, offset: number): { message: string; column: number } | undefined {
  const begin = text.lastIndexOf('\n', offset - 1) + 1
  const end = text.indexOf('\n', offset)
  const [, blanks = '', dashes] = KEY_LINE.exec(text.slice(begin, end < 0 ? text.length : end)) ?? []
  if (dashes !== '') return undefined
  let stop = begin
  for (let i = 0; i < MAX_LINES_ABOVE && stop > 0; i++) {
    const start = text.lastIndexOf('\n', stop - 2) + 1
    const [, above = '', items = ''] = KEY_LINE.exec(text.slice(start, stop - 1)) ?? []
    if (items !== '' && above.length <= blanks.length) {
      const [column, expected] = [blanks.length + 1, above.length + items.length + 1]
      if (column === expected) return undefined
      const message = `this key begins in column ${column}, but those of the list item above in column ${expected}`
      return { message, column }
    }
    if (items === '' && above !== '' && above.length < blanks.length) return undefined
    stop = start
  }
  return undefined
}

/** Returns a hint from the line of an error that may have many causes. */
function hintAt(text: string, offset: number): string {
  const begin = text.lastIndexOf('\n', offset - 1) + 1
  const before = text.slice(Math.max(begin, offset - MAX_BEFORE), offset)
  if (BEGINS_WITH_BRACKET.test(before)) return `${QUOTE}: one that begins with [ or { is a list or map`
  if (BEGINS_WITH_QUOTE.test(before)) return 'nothing may follow the closing quotation mark'
  return ''
}

/** Message of the package for a quotation mark that is not closed. */
export const OPEN_QUOTE = /^Missing closing ["']/

/** Returns the key in TEXTS. */
function kindOf(code: string, original: string): string {
  if (OPEN_QUOTE.test(original)) return 'OPEN_QUOTE'
  return UNCLOSED.test(original) ? 'UNCLOSED' : code
}

/** The package gives unclosed brackets the code of a wrong indent. */
const UNCLOSED = /^Flow (?:map|sequence) in block collection/
const MAX_BEFORE = 1000
const BEGINS_WITH_BRACKET = /[:-]\s+[[{][^\n]*$/
const BEGINS_WITH_QUOTE = /[:-]\s+["'][^\n]*$/
