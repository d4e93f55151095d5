import { RubyRefusal } from './ast.ts'

export type Token =
  | { type: 'integer'; value: bigint; at: number; end: number; spaced: boolean }
  | { type: 'float'; value: number; at: number; end: number; spaced: boolean }
  | { type: TextType; text: string; at: number; end: number; spaced: boolean }

/**
 * `string` and `regex` are the opening delimiter only: the parser reads what follows. `break` is a line feed
 * or a semicolon, and `end` the end of the expression.
 */
type TextType = 'name' | 'constant' | 'operator' | 'string' | 'regex' | 'break' | 'end'

const BLANKS = /(?:[ \t\r]|\\\n)*/y
const NUMBER = /0[xX][0-9a-fA-F]+|0[bB][01]+|\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?/y
const NAME = /[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*/y
const OPERATOR =
  /\*\*=?|<=>|===|\.\.\.|&&=|\|\|=|<<|>>|&\.|&&|\|\||==|=~|=>|!=|!~|<=|>=|\.\.|::|->|[-+*/%]=|[-+*/%!<>=?:.,()[\]{}|&^~]/y
/** Opening delimiters of strings; those of %w, %q and %Q end with the bracket. */
const STRING = /'|"|`|%[wWqQiIr]?[([{<|!/]/y
const UPPER = /[A-Z]/
const METHOD_MARK = /[?!](?![=~])|[?!](?===)/y
const MAX_DIGITS = 400

/**
 * Reads tokens of an expression one at a time, since what a character means depends on what the parser
 * expects.
 */
export class Lexer {
  readonly text: string
  at: number

  /** `from`: offset of the expression in the text that messages are about. */
  constructor(text: string, from = 0) {
    this.text = ' '.repeat(from) + text
    this.at = from
  }

  /** Matches a sticky expression here, without moving. */
  look(sticky: RegExp, at = this.at): string | undefined {
    sticky.lastIndex = at
    return sticky.exec(this.text)?.[0]
  }

  /**
   * Reads the next token. `isValue`: a value is expected, so that `/` begins a regular expression and `%w[`
   * words.
   */
  next(isValue: boolean): Token {
    const from = this.at
    this.at += this.look(BLANKS)?.length ?? 0
    if (this.text[this.at] === '#') this.#skipComment()
    const at = this.at
    const spaced = at > from
    const char = this.text[at]
    if (char === undefined) return { type: 'end', text: '', at, end: at, spaced }
    if (char === '\n' || char === ';') return this.#token('break', char, spaced)
    if (isDigit(char)) return this.#number(spaced)
    const string = isValue || char === '"' || char === "'" || char === '`' ? this.look(STRING) : undefined
    if (string !== undefined) return this.#token('string', string, spaced)
    if (isValue && char === '/') return this.#token('regex', char, spaced)
    const name = this.look(NAME)
    if (name !== undefined) return this.#name(name, spaced)
    const operator = this.look(OPERATOR)
    if (operator !== undefined) return this.#token('operator', operator, spaced)
    throw new RubyRefusal(
      char === '$' || char === '@' ? `the variable "${char}..."` : `the character "${char}"`,
      at,
    )
  }

  #token(type: TextType, text: string, spaced: boolean): Token {
    const at = this.at
    this.at += text.length
    return { type, text, at, end: this.at, spaced }
  }

  #name(name: string, spaced: boolean): Token {
    const isConstant = UPPER.test(name[0] as string)
    const mark = this.look(METHOD_MARK, this.at + name.length)
    // `a ? b : c` has a blank before the mark.
    return this.#token(isConstant && mark === undefined ? 'constant' : 'name', name + (mark ?? ''), spaced)
  }

  #number(spaced: boolean): Token {
    const at = this.at
    const text = this.look(NUMBER) ?? ''
    if (text.length > MAX_DIGITS) throw new RubyRefusal(`a number of ${text.length} digits`, at)
    this.at += text.length
    const plain = text.replaceAll('_', '')
    if (/^0\d/.test(plain))
      throw new RubyRefusal(`the octal number ${text}`, at, 'write it as a decimal number')
    const isInteger = /^0[xXbB]|^\d+$/.test(plain)
    if (isInteger) return { type: 'integer', value: BigInt(plain), at, end: this.at, spaced }
    return { type: 'float', value: Number(plain), at, end: this.at, spaced }
  }

  #skipComment(): void {
    const end = this.text.indexOf('\n', this.at)
    this.at = end < 0 ? this.text.length : end
  }
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9'
}
