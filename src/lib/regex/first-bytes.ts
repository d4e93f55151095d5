import type { Node } from './ast.ts'
import type { ByteSet } from './byte-set.ts'

/** The end of the text, in place of a byte. */
export const END = 256
const WORDS = 9

/**
 * The bytes that may come next, one bit for each and one for END; a bit set, because sets are often merged during
 * compilation. A bit too many costs time, one too few would give a wrong result.
 */
export type First = Uint32Array

/** What may stand where an anchor holds. */
const ENDS: Record<string, readonly number[]> = { $: [10, END], Z: [10, END], z: [END] }

const cache = new WeakMap<ByteSet, First>()

/** Returns the set of all bytes and END. */
export function anything(): First {
  return new Uint32Array(WORDS).fill(0xffffffff)
}

/** Returns the first bytes of the texts that `node`, followed by `after`, can match. */
export function firstOf(node: Node, after: First): First {
  switch (node.type) {
    case 'set':
      return firstOfSet(node.set)
    case 'sequence':
      return node.items.reduceRight((next, item) => firstOf(item, next), after)
    case 'choice':
      return node.items.map((item) => firstOf(item, after)).reduce(union)
    case 'group':
    case 'atomic':
      return firstOf(node.node, after)
    case 'look':
      return after
    case 'repeat':
      return node.min > 0 ? firstOf(node.node, after) : union(firstOf(node.node, after), after)
    case 'anchor':
      return node.at in ENDS ? firstOfEnd(after, ENDS[node.at] as readonly number[]) : after
    default:
      return anything()
  }
}

export function firstOfSet(set: ByteSet): First {
  const known = cache.get(set)
  if (known !== undefined) return known
  const first = new Uint32Array(WORDS)
  for (let c = 0; c < END; c++) if (set.has(c)) add(first, c)
  cache.set(set, first)
  return first
}

/** Returns the part of `after` that is possible at the end of a line or of the text. */
function firstOfEnd(after: First, ends: readonly number[]): First {
  const first = new Uint32Array(WORDS)
  for (const c of ends) if (has(after, c)) add(first, c)
  return first
}

export function has(first: First, c: number): boolean {
  return (((first[c >> 5] as number) >>> (c & 31)) & 1) === 1
}

function add(first: First, c: number): void {
  first[c >> 5] = (first[c >> 5] as number) | (1 << (c & 31))
}

export function union(a: First, b: First): First {
  return a.map((word, i) => word | (b[i] as number))
}

export function overlap(a: First, b: First): boolean {
  return a.some((word, i) => (word & (b[i] as number)) !== 0)
}

/** Returns true when the node can match the empty text. */
export function mayBeEmpty(node: Node): boolean {
  switch (node.type) {
    case 'set':
      return false
    case 'sequence':
      return node.items.every(mayBeEmpty)
    case 'choice':
      return node.items.some(mayBeEmpty)
    case 'group':
    case 'atomic':
      return mayBeEmpty(node.node)
    case 'repeat':
      return node.min === 0 || mayBeEmpty(node.node)
    default:
      return true
  }
}
