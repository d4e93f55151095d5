import { type Node, sequence } from './ast.ts'
import { ByteSet } from './byte-set.ts'

const ASCII = new ByteSet().addRange(0, 0x7f)
const HIGH = new ByteSet().addRange(0x80, 0xff)
const NEXT = new ByteSet().addRange(0x80, 0xbf)

/** Characters of several bytes, by first byte; a byte that begins none is a character of its own. */
const CHARACTERS: Node[] = [
  sequence([set(0xc2, 0xdf), next(1)]),
  sequence([set(0xe0, 0xef), next(2)]),
  sequence([set(0xf0, 0xf4), next(3)]),
  { type: 'set', set: HIGH },
]

/**
 * Returns an expression whose sets of all but some ASCII characters (`.`, `[^,]`, `\S`) match a character of
 * UTF-8 where those of `node` match one of its bytes.
 */
export function withCharacters(node: Node): Node {
  switch (node.type) {
    case 'set':
      return node.set.intersection(HIGH).size === 128 ? anyCharacter(node.set.intersection(ASCII)) : node
    case 'sequence':
    case 'choice':
      return { ...node, items: node.items.map(withCharacters) }
    case 'anchor':
    case 'back':
      return node
    case 'look':
      // A lookbehind needs a known length, which characters do not have.
      return node.sign.startsWith('<') ? node : { ...node, node: withCharacters(node.node) }
    default:
      return { ...node, node: withCharacters(node.node) }
  }
}

function anyCharacter(ascii: ByteSet): Node {
  return { type: 'atomic', node: { type: 'choice', items: [{ type: 'set', set: ascii }, ...CHARACTERS] } }
}

function set(first: number, last: number): Node {
  return { type: 'set', set: new ByteSet().addRange(first, last) }
}

function next(count: number): Node {
  return sequence(Array.from({ length: count }, (): Node => ({ type: 'set', set: NEXT })))
}
