import type { Node } from './ast.ts'
import { compileProgram, type Program } from './compile.ts'
import { parseOnigmo } from './parse.ts'

/** An Onigmo expression, parsed and compiled. */
export interface TranslatedRegex {
  /** The expression as it was written, for messages. */
  source: string
  tree: Node
  program: Program
  /** Names by number of the group, from 1; undefined for unnamed groups. */
  names: (string | undefined)[]
  /** Maximum number of named groups that can capture the same byte. */
  overlap: number
}

/** Translates an expression; throws E_PARSER_REGEX when it is not supported. */
export function translateOnigmo(expression: string): TranslatedRegex {
  const tree = parseOnigmo(expression)
  return {
    source: expression,
    tree,
    program: compileProgram(tree),
    names: namesOf(tree),
    overlap: overlapOf(tree),
  }
}

/** Returns the names of the groups in the order in which they open. */
function namesOf(tree: Node): (string | undefined)[] {
  const names: (string | undefined)[] = [undefined]
  const add = (node: Node): void => {
    if (node.type === 'group') names.push(node.name)
    if ('items' in node) for (const item of node.items) add(item)
    if ('node' in node) add(node.node)
  }
  add(tree)
  return names
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
