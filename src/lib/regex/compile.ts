import type { Node } from './ast.ts'
import type { ByteSet } from './byte-set.ts'
import {
  anything,
  END,
  type First,
  firstOf,
  firstOfSet,
  has,
  mayBeEmpty,
  overlap,
  union,
} from './first-bytes.ts'

/**
 * Op codes. Each instruction takes SIZE numbers: the op code, the next instruction, and the operands named
 * below.
 */
export const MATCHED = 0
/** Matches bytes: offset of the first one in `texts`, which holds them in reverse, and their number. */
export const TEXT = 1
/** Matches one byte of a set: its table. */
export const SET = 2
/**
 * Matches as many bytes of a set as possible: table, minimum, maximum (-1: no limit), table of what may
 * follow, or -1 when the two have no byte in common.
 */
export const RUN = 3
/** Matches as few bytes of a set as possible: operands of RUN. */
export const LAZY = 4
/**
 * Stores the offset in a slot of the spans. Operand: the slot. Here and below, a negative slot is the
 * complement of a slot that every match stores exactly once, so that backtracking need not restore it.
 */
export const SAVE = 5
/** Clears slots of the spans: the first and the last. */
export const FORGET = 6
/**
 * Chooses between two branches: the other branch, the first bytes of this branch, and those of the other
 * (tables).
 */
export const SPLIT = 7
/**
 * Matches a group that is a run which never backtracks: table, minimum, maximum, and its slot in the spans.
 */
export const FIELD = 13
/**
 * Matches a group that is a run of bytes without one certain byte. Operands: that byte instead of the table,
 * then as FIELD.
 */
export const UNTIL = 14
/**
 * Matches an escaped run, as between quotation marks: bytes of a set, and pairs of the escape and another
 * byte. Operands: table of the set, the escape, table of the bytes after it, and the slot of its group in the
 * spans, or NO_SLOT.
 */
export const ESCAPED = 17
/**
 * Matches an escaped run whose set lacks only the escape and one other byte, and whose escape may precede any
 * byte. Operands: that other byte, the escape, unused, and the slot as for ESCAPED.
 */
export const QUOTED = 18
/** Slot of an ESCAPED or QUOTED without a group. */
export const NO_SLOT = 0
/** Anchors: start and end of a line; start of the text, its end, and its end or the newline before it. */
export const LINE_START = 8
export const LINE_END = 9
export const TEXT_START = 10
export const TEXT_END = 11
export const LAST_END = 12
/** Anchors: a word boundary, and anything else. */
export const WORD_EDGE = 15
const NO_WORD_EDGE = 16

const INSTRUCTION_SIZE = 6
export const NONE = -1
/** Size of a table: one entry per byte, and one for END. */
const TABLE_SIZE = END + 1

/** An expression compiled to instructions for `Backtracker`. */
export interface Program {
  code: Int32Array
  start: number
  /** Tables of 0 and 1, TABLE_SIZE bytes each. */
  tables: Uint8Array
  /** Bytes of TEXT instructions, in reverse order. */
  texts: Uint8Array
  /** Offset of the table with the bytes that a match can begin with. */
  first: number
  /** True when the expression begins with `^`. */
  startsAtLine: boolean
  /** True when the expression begins with `\A`. */
  startsAtText: boolean
  groups: number
}

const ANCHORS = {
  '^': LINE_START,
  $: LINE_END,
  A: TEXT_START,
  z: TEXT_END,
  Z: LAST_END,
  b: WORD_EDGE,
  B: NO_WORD_EDGE,
}
/** Number of instructions beyond which an expression is left to RegExp. */
const MAX_INSTRUCTIONS = 4000

/**
 * Compiles an expression; returns undefined when it contains something that the instructions cannot express:
 * lookaround, atomic groups, back references, and repetitions of what can be empty.
 */
export function compileProgram(tree: Node): Program | undefined {
  const compiler = new Compiler()
  return compiler.compile(tree)
}

/** The instruction to continue with, and the bytes that may begin there. */
interface Next {
  at: number
  first: First
}

/** Compiles from the end to the start, so that the continuation of each part is known. */
class Compiler {
  readonly #code: number[] = []
  readonly #tables: First[] = []
  readonly #texts: number[] = []
  readonly #groups = new Map<Node, number>()
  /** Groups that every match enters exactly once. */
  readonly #mandatory = new Set<Node>()
  #groupCount = 0

  compile(tree: Node): Program | undefined {
    this.#numberGroups(tree)
    this.#findMandatory(tree)
    const end = { at: this.#emit(MATCHED, 0), first: anything() }
    const start = this.#node(tree, end)
    if (start === undefined) return undefined
    const first = this.#table(start.first)
    const tables = new Uint8Array(this.#tables.length * TABLE_SIZE)
    for (const [i, table] of this.#tables.entries())
      for (let c = 0; c <= END; c++) if (has(table, c)) tables[i * TABLE_SIZE + c] = 1
    return {
      code: Int32Array.from(this.#code),
      start: start.at,
      tables,
      texts: Uint8Array.from(this.#texts),
      first,
      startsAtLine: this.#code[start.at] === LINE_START,
      startsAtText: this.#code[start.at] === TEXT_START,
      groups: this.#groupCount,
    }
  }

  /**
   * Numbers the groups in the order in which they open; RegExp has an extra one for each possessive
   * repetition.
   */
  #numberGroups(node: Node): void {
    if (node.type === 'group') this.#groups.set(node, ++this.#groupCount)
    else if (node.type === 'repeat' && node.mode === '+') this.#groupCount++
    if ('items' in node) for (const item of node.items) this.#numberGroups(item)
    if ('node' in node) this.#numberGroups(node.node)
  }

  #findMandatory(node: Node): void {
    if (node.type === 'sequence') for (const item of node.items) this.#findMandatory(item)
    if (node.type !== 'group') return
    this.#mandatory.add(node)
    this.#findMandatory(node.node)
  }

  /** Returns the slot of the start (0) or end (1) of a group, complemented when it need not be restored. */
  #slot(node: Node, side: 0 | 1): number {
    const slot = (this.#groups.get(node) as number) * 2 + side
    return this.#mandatory.has(node) ? ~slot : slot
  }

  #node(node: Node, next: Next): Next | undefined {
    switch (node.type) {
      case 'set':
        return { at: this.#single(node.set, next.at), first: firstOf(node, next.first) }
      case 'sequence':
        return this.#sequence(node.items, next)
      case 'choice':
        return this.#choice(node.items, next)
      case 'group':
        return this.#group(node, next)
      case 'repeat':
        return node.node.type === 'set' ? this.#run(node, node.node.set, next) : this.#repeat(node, next)
      case 'anchor':
        return { at: this.#emit(ANCHORS[node.at], next.at), first: firstOf(node, next.first) }
      default:
        return undefined
    }
  }

  #single(set: ByteSet, next: number): number {
    if (set.only < 0) return this.#emit(SET, next, this.#tableOf(set))
    const code = this.#code
    const start = this.#texts.push(set.only) - 1
    // Texts are stored in reverse: if the next instruction is a TEXT and the latest one, nothing else jumps
    // to it.
    if (next !== code.length - INSTRUCTION_SIZE || code[next] !== TEXT)
      return this.#emit(TEXT, next, start, 1)
    return this.#emit(TEXT, code[next + 1] as number, start, (code[next + 3] as number) + 1)
  }

  #choice([item, ...others]: Node[], next: Next): Next | undefined {
    const one = this.#node(item as Node, next)
    if (others.length === 0 || one === undefined) return one
    const other = this.#choice(others, next)
    return other && this.#split(one, other)
  }

  #group(node: Node & { type: 'group' }, next: Next): Next | undefined {
    const slot = this.#slot(node, 0)
    const run = node.node
    if (run.type === 'repeat' && run.node.type === 'set' && neverBacktracks(run, next))
      return this.#field(run, run.node.set, next, slot)
    const escaped =
      run.type === 'sequence' && run.items.length === 2 ? escapedRun(run.items, next) : undefined
    if (escaped !== undefined) return this.#escaped(escaped, next, slot)
    const end = this.#emit(SAVE, next.at, this.#slot(node, 1))
    const inner = this.#node(node.node, { at: end, first: next.first })
    return inner && { at: this.#emit(SAVE, inner.at, slot), first: inner.first }
  }

  #sequence(items: readonly Node[], next: Next): Next | undefined {
    let after: Next | undefined = next
    for (let i = items.length - 1; i >= 0 && after !== undefined; i--) {
      const escaped: EscapedRun | undefined = i > 0 ? escapedRun(items.slice(i - 1, i + 1), after) : undefined
      after =
        escaped === undefined ? this.#node(items[i] as Node, after) : this.#escaped(escaped, after, NO_SLOT)
      if (escaped !== undefined) i--
    }
    return after
  }

  #escaped({ plain, escapeByte, any }: EscapedRun, next: Next, slot: number): Next {
    const quote = isAll(any) ? otherThan(plain, escapeByte.only) : -1
    const [op, set] = quote < 0 ? [ESCAPED, this.#tableOf(plain)] : [QUOTED, quote]
    const at = this.#emit(op, next.at, set, escapeByte.only, this.#tableOf(any), slot)
    return { at, first: union(union(firstOfSet(plain), firstOfSet(escapeByte)), next.first) }
  }

  #field(run: Node & { type: 'repeat' }, set: ByteSet, next: Next, slot: number): Next {
    const other = set.complement().only
    const first = firstOf(run, next.first)
    if (other >= 0 && run.min === 0 && run.max === Number.POSITIVE_INFINITY)
      return { at: this.#emit(UNTIL, next.at, other, 0, -1, slot), first }
    return { at: this.#emit(FIELD, next.at, this.#tableOf(set), run.min, maxOf(run), slot), first }
  }

  #run(run: Node & { type: 'repeat' }, set: ByteSet, next: Next): Next {
    const isPossessive = neverBacktracks(run, next)
    const follow = isPossessive ? NONE : this.#table(next.first)
    const op = run.mode === '?' && !isPossessive ? LAZY : RUN
    const at = this.#emit(op, next.at, this.#tableOf(set), run.min, maxOf(run), follow)
    return { at, first: firstOf(run, next.first) }
  }

  #repeat(node: Node & { type: 'repeat' }, next: Next): Next | undefined {
    const { min, max, mode } = node
    if (mode === '+' || mayBeEmpty(node.node)) return undefined
    let after: Next | undefined = next
    if (max === Number.POSITIVE_INFINITY) after = this.#loop(node, next)
    else for (let i = min; i < max; i++) after = after && this.#optional(node, after, next)
    for (let i = 0; i < min; i++) after = after && this.#iteration(node, after)
    return after
  }

  /** Compiles an unlimited repetition; the split is emitted first and filled in when its branches exist. */
  #loop(node: Node & { type: 'repeat' }, next: Next): Next | undefined {
    const split = this.#emit(SPLIT, 0)
    const first = union(firstOf(node.node, next.first), next.first)
    const iteration = this.#iteration(node, { at: split, first })
    if (iteration === undefined) return undefined
    const [one, other] = node.mode === '?' ? [next, iteration] : [iteration, next]
    this.#set(split, SPLIT, one.at, other.at, this.#table(one.first), this.#table(other.first))
    return { at: split, first }
  }

  #optional(node: Node & { type: 'repeat' }, after: Next, next: Next): Next | undefined {
    const iteration = this.#iteration(node, after)
    return iteration && (node.mode === '?' ? this.#split(next, iteration) : this.#split(iteration, next))
  }

  /** Compiles one iteration; it clears what the groups in it captured in the previous one. */
  #iteration(node: Node & { type: 'repeat' }, after: Next): Next | undefined {
    if (this.#code.length > MAX_INSTRUCTIONS * INSTRUCTION_SIZE) return undefined
    const iteration = this.#node(node.node, after)
    const groups = [...this.#groups]
      .filter(([group]) => contains(node.node, group))
      .map(([, number]) => number)
    if (iteration === undefined || groups.length === 0 || node.max === 1) return iteration
    const slots = [Math.min(...groups) * 2, Math.max(...groups) * 2 + 1] as const
    return { at: this.#emit(FORGET, iteration.at, ...slots), first: iteration.first }
  }

  #split(one: Next, other: Next): Next {
    const at = this.#emit(SPLIT, one.at, other.at, this.#table(one.first), this.#table(other.first))
    return { at, first: union(one.first, other.first) }
  }

  #emit(...instruction: number[]): number {
    const at = this.#code.length
    this.#code.length = at + INSTRUCTION_SIZE
    this.#set(at, ...instruction)
    return at
  }

  #set(at: number, ...instruction: number[]): void {
    for (let i = 0; i < INSTRUCTION_SIZE; i++) this.#code[at + i] = instruction[i] ?? 0
  }

  #tableOf(set: ByteSet): number {
    return this.#table(firstOfSet(set))
  }

  #table(table: First): number {
    const known = this.#tables.findIndex((other) => other.every((word, i) => word === table[i]))
    return (known >= 0 ? known : this.#tables.push(table) - 1) * TABLE_SIZE
  }
}

/** Parts of `plain*(?:escape any plain*)*`. */
interface EscapedRun {
  plain: ByteSet
  escapeByte: ByteSet
  any: ByteSet
}

/**
 * Returns the escaped run that the two items form; undefined unless the first byte always decides between its
 * parts and what follows it.
 */
function escapedRun([head, pairs]: readonly Node[], next: Next): EscapedRun | undefined {
  const plain = starOf(head)
  const pair = pairs?.type === 'repeat' && isStar(pairs) ? pairs.node : undefined
  if (plain === undefined || pair?.type !== 'sequence' || pair.items.length !== 3) return undefined
  const [first, any, rest] = pair.items as [Node, Node, Node]
  const tail = starOf(rest)
  if (first.type !== 'set' || any.type !== 'set' || tail === undefined || first.set.only < 0) return undefined
  const bytes = firstOfSet(plain)
  const isSame = firstOfSet(tail).every((word, i) => word === bytes[i])
  const firsts = union(bytes, firstOfSet(first.set))
  if (!isSame || has(bytes, first.set.only) || overlap(firsts, next.first)) return undefined
  return { plain, escapeByte: first.set, any: any.set }
}

function isAll(set: ByteSet): boolean {
  const missing = set.complement()
  for (let c = 0; c < END; c++) if (missing.has(c)) return false
  return true
}

/** Returns the only byte besides `escapeByte` that the set lacks; -1 when there are several or none. */
function otherThan(set: ByteSet, escapeByte: number): number {
  const missing = set.complement()
  let other = -1
  for (let c = 0; c < END; c++) {
    if (c === escapeByte || !missing.has(c)) continue
    if (other >= 0) return -1
    other = c
  }
  return other
}

function isStar({ min, max, mode }: Node & { type: 'repeat' }): boolean {
  return min === 0 && max === Number.POSITIVE_INFINITY && mode === ''
}

function starOf(node: Node | undefined): ByteSet | undefined {
  return node?.type === 'repeat' && isStar(node) && node.node.type === 'set' ? node.node.set : undefined
}

/**
 * Returns true when the run need not backtrack: a shorter match would continue at a byte of its set, which is
 * futile when nothing that follows can begin with one.
 */
function neverBacktracks(run: Node & { type: 'repeat' }, next: Next): boolean {
  return run.mode === '+' || run.min === run.max || !overlap(firstOf(run.node, next.first), next.first)
}

function maxOf({ max }: Node & { type: 'repeat' }): number {
  return max === Number.POSITIVE_INFINITY ? -1 : max
}

function contains(tree: Node, wanted: Node): boolean {
  if (tree === wanted) return true
  if ('items' in tree) return tree.items.some((item) => contains(item, wanted))
  return 'node' in tree && contains(tree.node, wanted)
}
