import { MAX_EXPRESSION_CHARS, type Node, nil, RubyRefusal } from './ast.ts'
import { Lexer, type Token } from './lexer.ts'
import { StringReader } from './strings.ts'
import { TokenStream } from './token-stream.ts'

/**
 * Binding power of infix operators, as in Ruby:
 *
 * ```
 *   rescue if unless < and or < ? : < .. < || < && < == != =~ < < <= > >= < + - < * / %
 * ```
 */
const POWER: Record<string, number> = {
  rescue: 1,
  if: 1,
  unless: 1,
  and: 2,
  or: 2,
  '?': 4,
  '..': 6,
  '...': 6,
  '||': 8,
  '&&': 10,
  '==': 14,
  '!=': 14,
  '=~': 14,
  '!~': 14,
  '<=>': 14,
  '<': 16,
  '<=': 16,
  '>': 16,
  '>=': 16,
  '+': 20,
  '-': 20,
  '*': 22,
  '/': 22,
  '%': 22,
}
const NOT_POWER = 3
const UNARY_POWER = 24
const LITERALS: Record<string, null | boolean> = { nil: null, true: true, false: false }
const KEYWORDS = new Set(
  'alias begin BEGIN break case class def defined? do else elsif end ensure for in module next redo rescue retry return self super then undef until when while yield if unless and or'.split(
    ' ',
  ),
)

/**
 * Parses an expression, which begins at `from` of the text that messages are about. Throws RubyRefusal for
 * all that is not translated: assignments, blocks, hash literals, several statements, variables,
 * definitions.
 */
export function parseRuby(text: string, from = 0): Node {
  return new ExpressionParser(checked(text), from).expression()
}

/** Parses text as Ruby reads it between double quotes, up to its end: with escapes and `#{...}`. */
export function parseInterpolated(text: string): Node {
  return new ExpressionParser(checked(text)).interpolated()
}

function checked(text: string): string {
  if (text.length <= MAX_EXPRESSION_CHARS) return text
  const limit = MAX_EXPRESSION_CHARS
  throw new RubyRefusal(`an expression of ${text.length} characters, more than ${limit}`, limit)
}

class ExpressionParser {
  readonly #tokens: TokenStream
  readonly #strings: StringReader

  constructor(text: string, from = 0) {
    const lexer = new Lexer(text, from)
    this.#tokens = new TokenStream(lexer)
    this.#strings = new StringReader(lexer, () => this.#braced())
  }

  expression(): Node {
    this.#tokens.advance(true)
    this.#tokens.skipBreaks()
    this.#skipRequires()
    const node = this.#binary(0)
    const { type, at } = this.#tokens.token
    this.#tokens.skipBreaks()
    if (this.#tokens.token.type === 'end') return node
    if (type === 'break') throw new RubyRefusal('more than one statement', at)
    return this.#tokens.refuse()
  }

  interpolated(): Node {
    return this.#strings.quoted('', undefined, 0)
  }

  /** Reads the expression within `#{...}`. */
  #braced(): Node {
    const outer = this.#tokens.token
    const at = this.#tokens.lexer.at
    this.#tokens.advance(true)
    this.#tokens.skipBreaks()
    if (this.#tokens.is('}')) {
      this.#tokens.token = outer
      return nil(at)
    }
    const node = this.#binary(0)
    this.#tokens.skipBreaks()
    if (!this.#tokens.is('}')) this.#tokens.refuse()
    // The text goes on behind the brace.
    this.#tokens.lexer.at = this.#tokens.token.end
    this.#tokens.token = outer
    return node
  }

  /** Skips `require 'json';`: what is translated needs no library. */
  #skipRequires(): void {
    while (this.#tokens.token.type === 'name' && this.#tokens.token.text === 'require') {
      this.#tokens.advance(true)
      const name = this.#tokens.token as Token
      if (name.type !== 'string') this.#tokens.refuse()
      else this.#strings.string(name.text, name.at)
      this.#tokens.advance(false)
      if ((this.#tokens.token as Token).type !== 'break') this.#tokens.refuse()
      this.#tokens.skipBreaks()
    }
  }

  #binary(power: number): Node {
    return this.#tokens.deeper(() => {
      let left = this.#unary()
      for (let length = 0; ; length++) {
        const { token } = this.#tokens
        if (token.type !== 'operator' && token.type !== 'name') return left
        const own = Object.hasOwn(POWER, token.text) ? (POWER[token.text] as number) : 0
        if (own === 0 || own <= power) return left
        this.#tokens.checkLength(length)
        left = this.#infix(left, token.text, own, token.at)
      }
    })
  }

  #infix(left: Node, operator: string, power: number, at: number): Node {
    this.#tokens.advance(true)
    switch (operator) {
      case '?':
        return this.#ternary(left, at)
      case '..':
      case '...':
        return this.#range(left, operator, at)
      case 'if':
        return { type: 'if', test: this.#binary(power), yes: left, no: nil(at), at }
      case 'unless':
        return { type: 'if', test: this.#binary(power), yes: nil(at), no: left, at }
    }
    this.#tokens.skipBreaks()
    const right = this.#binary(power)
    switch (operator) {
      case 'rescue':
        return { type: 'rescue', node: left, other: right, at }
      case '||':
      case 'or':
        return { type: 'or', left, right, at }
      case '&&':
      case 'and':
        return { type: 'and', left, right, at }
      case '!=':
        return { type: 'not', node: call(left, '==', [right], at), at }
      case '!~':
        return { type: 'not', node: call(left, '=~', [right], at), at }
      default:
        return call(left, operator, [right], at)
    }
  }

  #ternary(test: Node, at: number): Node {
    this.#tokens.skipBreaks()
    const yes = this.#binary(3)
    this.#tokens.skipBreaks()
    this.#tokens.expect(':', true)
    this.#tokens.skipBreaks()
    const no = this.#binary(3)
    return { type: 'if', test, yes, no, at }
  }

  #range(from: Node | undefined, operator: string, at: number): Node {
    const isOpen = operator === '...'
    if (this.#tokens.is(']') || this.#tokens.is(')') || this.#tokens.token.type === 'end')
      return { type: 'range', from, to: undefined, isOpen, at }
    return { type: 'range', from, to: this.#binary(7), isOpen, at }
  }

  #unary(): Node {
    const token = this.#tokens.token
    const { at } = token
    if (token.type !== 'operator' && token.type !== 'name') return this.#postfix(this.#primary())
    switch (token.text) {
      case '!':
        this.#tokens.advance(true)
        return { type: 'not', node: this.#tokens.deeper(() => this.#unary()), at }
      case 'not':
        this.#tokens.advance(true)
        return { type: 'not', node: this.#binary(NOT_POWER), at }
      case '-':
        this.#tokens.advance(true)
        return this.#negative(at)
      case '..':
      case '...':
        this.#tokens.advance(true)
        return this.#range(undefined, token.text, at)
    }
    return this.#postfix(this.#primary())
  }

  #negative(at: number): Node {
    const token = this.#tokens.token
    if ((token.type === 'integer' || token.type === 'float') && !token.spaced) {
      this.#tokens.advance(false)
      return this.#postfix({ type: 'literal', value: -token.value, at })
    }
    const node = this.#tokens.deeper(() => this.#binary(UNARY_POWER))
    return call(node, '-@', [], at)
  }

  #primary(): Node {
    const token = this.#tokens.token
    const { at, type } = token
    if (type === 'integer' || type === 'float') {
      this.#tokens.advance(false)
      return { type: 'literal', value: token.value, at }
    }
    if (type === 'string' || type === 'regex') return this.#quoted(type, token.text, at)
    if (type === 'operator') return this.#bracketed(token.text, at)
    if (type === 'end' || type === 'break') return this.#tokens.refuse()
    if (type === 'constant') {
      this.#tokens.advance(false)
      return { type: 'constant', name: token.text, at }
    }
    if (Object.hasOwn(LITERALS, token.text)) {
      this.#tokens.advance(false)
      return { type: 'literal', value: LITERALS[token.text] as null | boolean, at }
    }
    if (token.text === 'if' || token.text === 'unless') return this.#conditional(token.text === 'unless', at)
    if (KEYWORDS.has(token.text)) return this.#tokens.refuse()
    this.#tokens.advance(false)
    if (this.#tokens.is('(') && !this.#tokens.token.spaced)
      throw new RubyRefusal(`the function "${token.text}"`, at)
    return { type: 'name', name: token.text, at }
  }

  /** Reads a string or a regular expression; strings that follow each other are one. */
  #quoted(type: 'string' | 'regex', open: string, at: number): Node {
    const node = type === 'regex' ? this.#strings.regex(at) : this.#strings.string(open, at)
    this.#tokens.advance(false)
    if (node.type !== 'text') return node
    const parts = [...node.parts]
    for (let token = this.#tokens.token; token.type === 'string'; token = this.#tokens.token) {
      const next = this.#strings.string(token.text, token.at)
      if (next.type !== 'text') this.#tokens.refuse()
      else parts.push(...next.parts)
      this.#tokens.advance(false)
    }
    return parts.length === node.parts.length ? node : { type: 'text', parts, at }
  }

  #bracketed(open: string, at: number): Node {
    if (open === '(') {
      this.#tokens.advance(true)
      this.#tokens.skipBreaks()
      const node = this.#binary(0)
      this.#tokens.skipBreaks()
      this.#tokens.expect(')')
      return node
    }
    if (open === '[') {
      this.#tokens.advance(true)
      return { type: 'array', items: this.#list(']'), at }
    }
    if (open === ':') throw new RubyRefusal('a symbol', at, 'keys of records are strings: write "name"')
    return this.#tokens.refuse()
  }

  /** Reads `if a then b elsif c then d else e end`; `then` may be a line feed or a semicolon. */
  #conditional(isNegated: boolean, at: number): Node {
    this.#tokens.advance(true)
    const test = this.#binary(1)
    if (this.#tokens.token.type === 'break') this.#tokens.skipBreaks()
    if (this.#tokens.is('then')) this.#tokens.advance(true)
    this.#tokens.skipBreaks()
    const yes = this.#binary(1)
    this.#tokens.skipBreaks()
    let no = nil(at)
    if (this.#tokens.is('elsif'))
      no = this.#tokens.deeper(() => this.#conditional(false, this.#tokens.token.at))
    else {
      if (this.#tokens.is('else')) {
        this.#tokens.advance(true)
        this.#tokens.skipBreaks()
        no = this.#binary(1)
        this.#tokens.skipBreaks()
      }
      this.#tokens.expect('end')
    }
    return isNegated ? { type: 'if', test, yes: no, no: yes, at } : { type: 'if', test, yes, no, at }
  }

  /** Reads calls and indexes: `.name(args)`, `&.name(args)`, `[args]`. */
  #postfix(start: Node): Node {
    let node = start
    for (let length = 0; ; length++) {
      this.#tokens.checkLength(length)
      const { at, spaced } = this.#tokens.token
      if (this.#tokens.is('[') && !spaced) {
        this.#tokens.advance(true)
        node = call(node, '[]', this.#list(']'), at)
      } else if (this.#tokens.is('.') || this.#tokens.is('&.') || this.#continues()) node = this.#method(node)
      else return node
    }
  }

  /** Returns true, at the next token, when the next line begins with a call of a method. */
  #continues(): boolean {
    if (this.#tokens.token.type !== 'break' || this.#tokens.token.text !== '\n') return false
    const blanks = this.#tokens.lexer.look(/[ \t\r\n]*(?=&?\.[a-z])/y)
    if (blanks === undefined) return false
    this.#tokens.lexer.at += blanks.length
    this.#tokens.advance(false)
    return true
  }

  #method(target: Node): Node {
    const isSafe = this.#tokens.is('&.')
    this.#tokens.advance(false)
    const token = this.#tokens.token
    const { at } = token
    if (this.#tokens.is('[')) {
      // `a&.[](0)`
      this.#tokens.advance(true)
      this.#tokens.expect(']')
      this.#tokens.expect('(', true)
      return { type: 'call', target, name: '[]', args: this.#list(')'), isSafe, at }
    }
    if (token.type !== 'name') return this.#tokens.refuse()
    this.#tokens.advance(false)
    if (!this.#tokens.is('(') || this.#tokens.token.spaced) {
      this.#checkNoArguments(token.text)
      return { type: 'call', target, name: token.text, args: [], isSafe, at }
    }
    this.#tokens.advance(true)
    return { type: 'call', target, name: token.text, args: this.#list(')'), isSafe, at }
  }

  /** Refuses arguments without parentheses and blocks. */
  #checkNoArguments(name: string): void {
    const { type, at } = this.#tokens.token
    this.#tokens.refuseBlock(` of "${name}"`)
    if (type === 'string' || type === 'integer' || type === 'float')
      throw new RubyRefusal(`an argument of "${name}" without parentheses`, at, `write ${name}(...)`)
  }

  /** Reads values up to the closing bracket. */
  #list(close: string): Node[] {
    const items: Node[] = []
    this.#tokens.skipBreaks()
    while (!this.#tokens.is(close)) {
      items.push(this.#binary(0))
      this.#tokens.skipBreaks()
      if (this.#tokens.is(close)) break
      if (this.#tokens.is('=>') || this.#tokens.is(':'))
        throw new RubyRefusal('a named argument', this.#tokens.token.at)
      this.#tokens.expect(',', true)
      this.#tokens.skipBreaks()
    }
    this.#tokens.advance(false)
    this.#tokens.refuseBlock('')
    return items
  }
}

function call(target: Node, name: string, args: readonly Node[], at: number): Node {
  return { type: 'call', target, name, args, isSafe: false, at }
}
