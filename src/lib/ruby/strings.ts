import { type Node, RubyRefusal } from './ast.ts'
import type { Lexer } from './lexer.ts'

const CLOSING: Record<string, string> = { '(': ')', '[': ']', '{': '}', '<': '>' }
const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  s: ' ',
  r: '\r',
  e: '\x1b',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
}
const OCTAL = /[0-7]{1,3}/y
const HEX = /x[0-9a-fA-F]{1,2}/y
const UNICODE = /u(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\})/y
const GLOBAL = /#[$@][\w@]/y
const BLANK = /\s+/

/** Reads what follows the opening delimiter of strings and regular expressions. */
export class StringReader {
  readonly #lexer: Lexer
  /** Reads the expression of `#{...}` up to its closing brace, and moves the lexer behind that. */
  readonly #interpolated: () => Node

  constructor(lexer: Lexer, interpolated: () => Node) {
    this.#lexer = lexer
    this.#interpolated = interpolated
  }

  /** Reads a string up to its end; `open` is its opening delimiter, at `at`. */
  string(open: string, at: number): Node {
    if (open === '`') throw new RubyRefusal('a command between backquotes', at)
    const kind = open.length > 2 ? (open[1] as string) : open.startsWith('%') ? 'Q' : ''
    const bracket = open.at(-1) as string
    const close = CLOSING[bracket] ?? bracket
    if (kind === 'r' || kind === 'i' || kind === 'I') throw new RubyRefusal(`the literal ${open}`, at)
    if (open === "'" || kind === 'q') return { type: 'text', parts: [this.#plain(bracket, close, at)], at }
    if (kind === 'w' || kind === 'W') return words(this.#plain(bracket, close, at), at)
    return this.quoted(bracket, close, at)
  }

  /**
   * Reads text with escapes and interpolations up to `close`, or to the end of the expression when that is
   * undefined.
   */
  quoted(open: string, close: string | undefined, at: number): Node {
    const lexer = this.#lexer
    const parts: (string | Node)[] = []
    let run = ''
    let depth = 0
    for (;;) {
      const char = lexer.text[lexer.at]
      if (char === undefined) {
        if (close === undefined) break
        throw new RubyRefusal(`a string without its closing ${close}`, at)
      }
      if (char === close && depth === 0) {
        lexer.at++
        break
      }
      if (char === close) depth--
      else if (char === open && close !== undefined && open !== close) depth++
      if (char === '#' && lexer.text[lexer.at + 1] === '{') {
        if (run !== '') parts.push(run)
        run = ''
        lexer.at += 2
        parts.push(this.#interpolated())
      } else if (char === '\\') run += this.#escape()
      else {
        if (lexer.look(GLOBAL) !== undefined) throw new RubyRefusal('a variable within a string', lexer.at)
        run += char
        lexer.at++
      }
    }
    if (run !== '' || parts.length === 0) parts.push(run)
    return { type: 'text', parts, at }
  }

  /** Reads a regular expression up to its closing slash and the options after it. */
  regex(at: number): Node {
    const lexer = this.#lexer
    let source = ''
    for (;;) {
      const char = lexer.text[lexer.at++]
      if (char === undefined) throw new RubyRefusal('a regular expression without its closing slash', at)
      if (char === '/') break
      if (char === '#' && lexer.text[lexer.at] === '{')
        throw new RubyRefusal('an interpolation in a regular expression', lexer.at - 1)
      if (char !== '\\') source += char
      else {
        const next = lexer.text[lexer.at++] ?? ''
        source += next === '/' ? '/' : `\\${next}`
      }
    }
    const options = lexer.look(/[a-z]*/y) ?? ''
    lexer.at += options.length
    const unknown = [...options].find((letter) => !'imx'.includes(letter))
    if (unknown !== undefined)
      throw new RubyRefusal(`the option "${unknown}" of a regular expression`, lexer.at - options.length)
    return { type: 'regex', source: `/${source}/${options}`, at }
  }

  /** Reads text in which only the delimiters and the backslash can be escaped. */
  #plain(open: string, close: string, at: number): string {
    const lexer = this.#lexer
    let text = ''
    let depth = 0
    for (;;) {
      const char = lexer.text[lexer.at++]
      if (char === undefined) throw new RubyRefusal(`a string without its closing ${close}`, at)
      if (char === close && depth-- === 0) return text
      if (char === open && open !== close) depth++
      const next = lexer.text[lexer.at] as string
      if (char === '\\' && (next === '\\' || next === open || next === close)) {
        text += next
        lexer.at++
      } else text += char
    }
  }

  #escape(): string {
    const lexer = this.#lexer
    const at = lexer.at++
    const char = lexer.text[lexer.at]
    if (char === undefined) throw new RubyRefusal('a backslash at the end', at)
    const unicode = lexer.look(UNICODE)
    if (unicode !== undefined) return this.#character(unicode, unicode.replace(/[u{}]+/g, ''), 16, at)
    const hex = lexer.look(HEX)
    if (hex !== undefined) return this.#byte(hex, Number.parseInt(hex.slice(1), 16))
    const octal = lexer.look(OCTAL)
    if (octal !== undefined) return this.#byte(octal, Number.parseInt(octal, 8) & 0xff)
    if (char === 'x' || char === 'u' || char === 'c' || char === 'C' || char === 'M')
      throw new RubyRefusal(`the escape "\\${char}"`, at)
    lexer.at++
    return char === '\n' ? '' : (ESCAPES[char] ?? char)
  }

  #character(read: string, digits: string, base: number, at: number): string {
    this.#lexer.at += read.length
    const code = Number.parseInt(digits, base)
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
      throw new RubyRefusal(`the character "\\${read}"`, at)
    return String.fromCodePoint(code)
  }

  /** Bytes beyond ASCII become the surrogates that stand for bytes which are not UTF-8. */
  #byte(read: string, byte: number): string {
    this.#lexer.at += read.length
    return String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)
  }
}

function words(text: string, at: number): Node {
  const items = text.split(BLANK).filter((word) => word !== '')
  return { type: 'array', items: items.map((word): Node => ({ type: 'text', parts: [word], at })), at }
}
