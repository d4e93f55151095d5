import { ShipperError } from '../../core/error.ts'
import type { Node } from './ast.ts'
import { parseOnigmo } from './parse.ts'

/** An Onigmo expression, also translated to JavaScript for use on latin1 strings of the bytes. */
export interface TranslatedRegex {
  tree: Node
  /** Expression for texts of one line. */
  line: RegExp
  /** Expression for texts with line feeds, where `^` and `$` match at each line, as always in Ruby. */
  lines: RegExp
  /** Names by number of the group, from 1; undefined for unnamed groups and those added by the translation. */
  names: (string | undefined)[]
  /** Maximum number of named groups that can capture the same byte. */
  overlap: number
}

/**
 * Translates an expression; throws E_PARSER_REGEX when it is not supported. Groups are numbered, not named: JavaScript
 * creates an object for names at each match.
 */
export function translateOnigmo(expression: string): TranslatedRegex {
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

/** Returns the maximum overlap of named groups; groups within lookarounds may overlap their neighbors, so each adds one. */
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
