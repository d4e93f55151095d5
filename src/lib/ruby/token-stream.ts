import { MAX_EXPRESSION_DEPTH, RubyRefusal } from './ast.ts'
import type { Lexer, Token } from './lexer.ts'

const NO_BLOCK = 'only indexing, dig, ||, conditions and methods of strings, numbers and lists are translated'

/** The token that the parser looks at, and how deep it is. */
export class TokenStream {
  readonly lexer: Lexer
  token: Token = { type: 'break', text: '', at: 0, end: 0, spaced: false }
  #depth = 0

  constructor(lexer: Lexer) {
    this.lexer = lexer
  }

  /** Reads the next token; `isValue`: a value is expected. */
  advance(isValue: boolean): void {
    this.token = this.lexer.next(isValue)
  }

  /** Returns true when the token is this operator or word. */
  is(text: string): boolean {
    const { type } = this.token
    return (type === 'operator' || type === 'name') && this.token.text === text
  }

  /** Refuses the token. */
  refuse(): never {
    const token = this.token
    const { at, type } = token
    if (type === 'end') throw new RubyRefusal('an expression that ends too early', at)
    if (type === 'break') throw new RubyRefusal('a line that ends here', at)
    const text = this.lexer.text.slice(at, token.end)
    if (text === '=' || text.endsWith('=')) throw new RubyRefusal(`the assignment "${text}"`, at)
    if (text === '{' || text === '|' || text === 'do')
      throw new RubyRefusal(`a block or hash, "${text}"`, at, NO_BLOCK)
    throw new RubyRefusal(`"${text}"`, at)
  }

  /** Reads the token, which must be this one. */
  expect(text: string, isValue = false): void {
    if (!this.is(text)) this.refuse()
    this.advance(isValue)
  }

  skipBreaks(): void {
    while (this.token.type === 'break') this.advance(true)
  }

  /** Returns what `read` reads, one level deeper; refuses more levels than are allowed. */
  deeper<T>(read: () => T): T {
    if (++this.#depth > MAX_EXPRESSION_DEPTH) throw this.#tooDeep()
    const result = read()
    this.#depth--
    return result
  }

  /** Refuses a chain of this length here: its tree is as deep, and is walked by recursion. */
  checkLength(length: number): void {
    if (this.#depth + length > MAX_EXPRESSION_DEPTH) throw this.#tooDeep()
  }

  /** Refuses a block here, which would belong to `owner`. */
  refuseBlock(owner: string): void {
    if (this.is('{') || this.is('do')) throw new RubyRefusal(`a block${owner}`, this.token.at, NO_BLOCK)
  }

  #tooDeep(): RubyRefusal {
    return new RubyRefusal(`an expression of more than ${MAX_EXPRESSION_DEPTH} levels`, this.token.at)
  }
}
