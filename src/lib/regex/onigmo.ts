import { ShipperError } from '../../core/error.ts'
import type { Node } from './ast.ts'
import { parseOnigmo } from './parse.ts'

/** An expression of Onigmo as one of JavaScript, to be used on latin1 strings of the bytes. */
export interface Translated {
  tree: Node
  /** For texts of one line. */
  line: RegExp
  /** For texts with line feeds, where `^` and `$` match at each line, as always in Ruby. */
  lines: RegExp
  /** By number of the group, from 1; undefined for groups of our own. */
  names: (string | undefined)[]
  /** How many named groups can have captured the same byte, at most. */
  overlap: number
}

/** Throws E_PARSER_REGEX. Groups are numbered, not named: JavaScript makes an object for names at each match. */
export function translateOnigmo(expression: string): Translated {
  const tree = parseOnigmo(expression)
  const [line, lines] = [new Emitter(false), new Emitter(true)]
  const source = line.emit(tree)
  try {
    return {
      tree,
      line: new RegExp(source),
      lines: new RegExp(lines.emit(tree)),
      names: line.names,
      overlap: overlapOf(tree),
    }
  } catch (cause) {
    throw new ShipperError('E_PARSER_REGEX', `the regular expression cannot be compiled: ${expression}`, {
      cause,
    })
  }
}

class Emitter {
  readonly names: (string | undefined)[] = [undefined]
  readonly #lines: boolean

  constructor(lines: boolean) {
    this.#lines = lines
  }

  emit(node: Node): string {
    switch (node.type) {
      case 'set':
        return node.set.toRegExp()
      case 'sequence':
        return node.items
          .map((item) => (item.type === 'choice' ? `(?:${this.emit(item)})` : this.emit(item)))
          .join('')
      case 'choice':
        return node.items.map((item) => this.emit(item)).join('|')
      case 'group':
        this.names.push(node.name)
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

  /** A lookahead is never entered again: what it captured is then all that can match. */
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
    if (!this.#lines) return at === '^' ? '^' : '$'
    return at === '^' ? '(?<![^\\n])' : at === '$' ? '(?![^\\n])' : '(?=\\n?$)'
  }

  #back(to: string | number): string {
    const number = typeof to === 'number' ? to : this.names.lastIndexOf(to)
    if (number > 0 && number < this.names.length) return `(?:\\${number})`
    throw new ShipperError(
      'E_PARSER_REGEX',
      `the regular expression refers to a group "${to}" that is not before it`,
    )
  }
}

function quantifier(min: number, max: number): string {
  if (min === 0 && max === 1) return '?'
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`
  return min === max ? `{${min}}` : `{${min},${max}}`
}

/** Groups within lookarounds may overlap those beside them: each counts as one more. */
function overlapOf(node: Node): number {
  switch (node.type) {
    case 'group':
      return overlapOf(node.node) + (node.name === undefined ? 0 : 1)
    case 'sequence': {
      const looks = node.items
        .filter((item) => item.type === 'look')
        .reduce((n, item) => n + overlapOf(item), 0)
      return (
        looks + node.items.reduce((n, item) => (item.type === 'look' ? n : Math.max(n, overlapOf(item))), 0)
      )
    }
    case 'choice':
      return Math.max(...node.items.map(overlapOf))
    case 'set':
    case 'anchor':
    case 'back':
      return 0
    default:
      return overlapOf(node.node)
  }
}
