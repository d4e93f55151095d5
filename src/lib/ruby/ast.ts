/** Syntax tree of the part of Ruby that is translated. `at` is the offset in the expression, for messages. */
export type Node =
  | { type: 'literal'; value: null | boolean | bigint | number; at: number }
  | { type: 'text'; parts: readonly (string | Node)[]; at: number }
  | { type: 'regex'; source: string; at: number }
  | { type: 'array'; items: readonly Node[]; at: number }
  | { type: 'range'; from: Node | undefined; to: Node | undefined; isOpen: boolean; at: number }
  | { type: 'name'; name: string; at: number }
  | { type: 'constant'; name: string; at: number }
  | { type: 'call'; target: Node; name: string; args: readonly Node[]; isSafe: boolean; at: number }
  | { type: 'and' | 'or'; left: Node; right: Node; at: number }
  | { type: 'not'; node: Node; at: number }
  | { type: 'if'; test: Node; yes: Node; no: Node; at: number }
  | { type: 'rescue'; node: Node; other: Node; at: number }

/** Limits of an expression. Those in use have some hundred characters and ten levels. */
export const MAX_EXPRESSION_CHARS = 10_000
export const MAX_EXPRESSION_DEPTH = 100

/** What of an expression is not translated. */
export class RubyRefusal extends Error {
  /** Number of the character in the expression, from 1. */
  readonly character: number
  readonly hint: string

  constructor(what: string, at: number, hint = '') {
    super(what)
    this.name = 'RubyRefusal'
    this.character = at + 1
    this.hint = hint
  }
}

export function nil(at: number): Node {
  return { type: 'literal', value: null, at }
}
