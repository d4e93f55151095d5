import type { ByteSet } from './byte-set.ts'

/** A node in the tree of a regular expression; it matches bytes, not characters. */
export type Node =
  | { type: 'set'; set: ByteSet }
  | { type: 'sequence'; items: Node[] }
  | { type: 'choice'; items: Node[] }
  | { type: 'group'; name: string | undefined; node: Node }
  | { type: 'atomic'; node: Node }
  | { type: 'look'; sign: '=' | '!' | '<=' | '<!'; node: Node }
  | { type: 'repeat'; node: Node; min: number; max: number; mode: '' | '?' | '+' }
  | { type: 'anchor'; at: '^' | '$' | 'A' | 'z' | 'Z' | 'b' | 'B' }
  | { type: 'back'; to: number }

/** A node that matches the empty text. */
export const EMPTY: Node = { type: 'sequence', items: [] }

/** Returns a sequence, or the item itself when there is only one. */
export function sequence(items: Node[]): Node {
  return items.length === 1 ? (items[0] as Node) : { type: 'sequence', items }
}
