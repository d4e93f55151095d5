import type { Node } from '../../src/lib/regex/ast.ts'
import type { ByteSet } from '../../src/lib/regex/byte-set.ts'
import type { TranslatedRegex } from '../../src/lib/regex/onigmo.ts'

/**
 * Matches an expression with the runtime's RegExp: what the matchers are compared with. The line is converted to a latin1 string,
 * one character per byte, so that offsets are equal.
 */
export class RegExpMatcher {
  readonly spans: Int32Array
  readonly #regex: RegExp
  readonly #names: (string | undefined)[]

  constructor({ tree, names }: TranslatedRegex) {
    const emitter = new Emitter()
    this.#regex = new RegExp(emitter.emit(tree), 'd')
    this.#names = emitter.names
    this.spans = new Int32Array(names.length * 2)
  }

  match(src: Buffer, start: number, end: number): 0 | 1 {
    const found = this.#regex.exec(src.toString('latin1', start, end))?.indices
    if (found === undefined) return 0
    for (const [i, span] of found.entries()) {
      const group = i === 0 ? 0 : Number(this.#names[i]?.slice(1) ?? -1)
      if (group < 0) continue
      this.spans[group * 2] = span === undefined ? -1 : start + span[0]
      this.spans[group * 2 + 1] = span === undefined ? -1 : start + span[1]
    }
    return 1
  }
}

class Emitter {
  /** By number of the group in RegExp: that of the expression's own, or undefined for one added here. */
  readonly names: (string | undefined)[] = [undefined]
  #groups = 0
  emit(node: Node): string {
    switch (node.type) {
      case 'set':
        return setSource(node.set)
      case 'sequence':
        return node.items
          .map((item) => (item.type === 'choice' ? `(?:${this.emit(item)})` : this.emit(item)))
          .join('')
      case 'choice':
        return node.items.map((item) => this.emit(item)).join('|')
      case 'group':
        this.names.push(`#${++this.#groups}`)
        return `(${this.emit(node.node)})`
      case 'atomic':
        return this.#atomic(node.node)
      case 'look':
        return `(?${node.sign}${this.emit(node.node)})`
      case 'repeat':
        return this.#repeat(node)
      case 'anchor':
        return this.#anchor(node.at)
      case 'back':
        return this.#back(node.to)
    }
  }

  /** Uses a lookahead, which is never entered again: then only what it captured can match. */
  #atomic(node: Node): string {
    const number = this.names.push(undefined) - 1
    return `(?=(${this.emit(node)}))(?:\\${number})`
  }

  #repeat({ node, min, max, mode }: Node & { type: 'repeat' }): string {
    if (mode === '+') return this.#atomic({ type: 'repeat', node, min, max, mode: '' })
    const inner = this.emit(node)
    const atom = node.type === 'set' || node.type === 'group' ? inner : `(?:${inner})`
    return atom + quantifier(min, max) + mode
  }

  #anchor(at: (Node & { type: 'anchor' })['at']): string {
    if (at === 'b' || at === 'B') return `\\${at}`
    if (at === 'A') return '^'
    if (at === 'z') return '$'
    return at === '^' ? '(?<![^\\n])' : at === '$' ? '(?![^\\n])' : '(?=\\n?$)'
  }

  #back(to: number): string {
    return `(?:\\${this.names.lastIndexOf(`#${to}`)})`
  }
}

function quantifier(min: number, max: number): string {
  if (min === 0 && max === 1) return '?'
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`
  return min === max ? `{${min}}` : `{${min},${max}}`
}

/** Returns a JavaScript expression for one character of a latin1 string. */
function setSource(set: ByteSet): string {
  if (set.only >= 0) return escapeByte(set.only)
  let text = ''
  for (let i = 0; i < 256; i++) {
    if (!set.has(i)) continue
    const first = i
    while (i < 255 && set.has(i + 1)) i++
    text += i > first ? `${escapeByte(first)}-${escapeByte(i)}` : escapeByte(first)
  }
  return `[${text}]`
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
