import type { Node } from './ast.ts'
import type { ByteSet } from './byte-set.ts'

/** The end of the text, in place of a byte. */
export const END = 256
const WORDS = 9

/**
 * The bytes that may come next, one bit for each and one for END, as in `ByteSet.words`; not to be changed. A bit too many costs time, one too few would give a wrong result.
 */
export type First = Uint32Array

/** What may stand where an anchor holds. */
const ENDS: Record<string, readonly number[]> = { $: [10, END], Z: [10, END], z: [END] }

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
  return set.words
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
  const first = new Uint32Array(WORDS)
  for (let i = 0; i < WORDS; i++) first[i] = (a[i] as number) | (b[i] as number)
  return first
}

export function overlap(a: First, b: First): boolean {
  for (let i = 0; i < WORDS; i++) if (((a[i] as number) & (b[i] as number)) !== 0) return true
  return false
}

export function isEqual(a: First, b: First): boolean {
  for (let i = 0; i < WORDS; i++) if (a[i] !== b[i]) return false
  return true
}

/** Writes 1 for each member into `table`, at its value; the others are left as they are. */
export function tabulate(first: First, table: Uint8Array): void {
  for (let i = 0; i < WORDS; i++) {
    const word = first[i] as number
    if (word === 0xffffffff) table.fill(1, i * 32, i * 32 + 32)
    else for (let rest = word; rest !== 0; rest &= rest - 1) table[i * 32 + 31 - Math.clz32(rest & -rest)] = 1
  }
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
