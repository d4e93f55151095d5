import { ShipperError } from '../../core/error.ts'
import type { Node } from './ast.ts'
import { ByteSet } from './byte-set.ts'
import {
  anything,
  END,
  type First,
  firstOf,
  firstOfSet,
  has,
  isEqual,
  mayBeEmpty,
  overlap,
  tabulate,
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

export const INSTRUCTION_SIZE = 6
export const NONE = -1
/**
 * Runs the instructions at a second place, up to MATCHED, and discards what they leave open. Operands: that
 * place, the kind, and for a lookbehind the minimum and maximum of the bytes before (-1: no limit).
 */
export const ASIDE = 19
/** Fails unless the offset is the one from which the lookbehind looks. */
export const AT_TARGET = 20
/** Matches the bytes that a group captured: its first slot in the spans. */
export const BACK = 21
/** Fails when an iteration matched the empty text: the slot of the offset at which it began. */
export const PROGRESS = 22
/** Kinds of ASIDE. */
const AHEAD = 0
export const NOT_AHEAD = 1
export const BEHIND = 2
export const NOT_BEHIND = 3
export const ATOMIC = 4

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
  /** Number of slots: two per group, those of the entire match first, and those that only the matcher uses. */
  slots: number
  /** False when it has instructions from ASIDE on, which only `Backtracker` knows. */
  isPlain: boolean
  /**
   * True when a failure at an instruction depends on nothing but the offset, so that no instruction has to be
   * tried twice at one.
   */
  isMemoryless: boolean
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
/** Number of instructions beyond which an expression is refused: 20 times as many as any in use. */
const MAX_INSTRUCTIONS = 10_000

/** Larger than any text. */
const MAX_LENGTH = 2 ** 30

const LOOKS = { '=': AHEAD, '!': NOT_AHEAD, '<=': BEHIND, '<!': NOT_BEHIND }

/** Compiles an expression; throws E_PARSER_REGEX when it is too large. */
export function compileProgram(tree: Node): Program {
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
  /** Numbers of the groups in each repeated node: the first and the last; undefined when there are none. */
  readonly #groupsIn = new Map<Node, [first: number, last: number] | undefined>()
  #groupCount = 0
  #slots = 0
  #isPlain = true
  #isMemoryless = true

  compile(tree: Node): Program {
    this.#numberGroups(tree)
    this.#findMandatory(tree)
    this.#slots = (this.#groupCount + 1) * 2
    const end = { at: this.#emit(MATCHED, 0), first: anything() }
    const start = this.#node(tree, end)
    const first = this.#table(start.first)
    const tables = new Uint8Array(this.#tables.length * TABLE_SIZE)
    for (const [i, table] of this.#tables.entries())
      tabulate(table, tables.subarray(i * TABLE_SIZE, (i + 1) * TABLE_SIZE))
    return {
      code: new Int32Array(this.#code),
      start: start.at,
      tables,
      texts: new Uint8Array(this.#texts),
      first,
      startsAtLine: this.#code[start.at] === LINE_START,
      startsAtText: this.#code[start.at] === TEXT_START,
      groups: this.#groupCount,
      slots: this.#slots,
      isPlain: this.#isPlain,
      isMemoryless: this.#isMemoryless,
    }
  }

  /** Numbers the groups in the order in which they open. */
  #numberGroups(node: Node): void {
    if (node.type === 'group') this.#groups.set(node, ++this.#groupCount)
    const before = this.#groupCount
    if ('items' in node) for (const item of node.items) this.#numberGroups(item)
    if ('node' in node) this.#numberGroups(node.node)
    if (node.type === 'repeat' && this.#groupCount > before)
      this.#groupsIn.set(node, [before + 1, this.#groupCount])
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

  #node(node: Node, next: Next): Next {
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
      case 'look':
        return this.#look(node, next)
      case 'atomic':
        return this.#atomic(node.node, next)
      case 'back':
        return this.#back(node.to, next)
    }
  }

  #look({ node, sign }: Node & { type: 'look' }, next: Next): Next {
    const isBehind = sign === '<=' || sign === '<!'
    this.#isPlain = false
    const matched = this.#emit(MATCHED, 0)
    const end = isBehind ? this.#emit(AT_TARGET, matched) : matched
    const body = this.#node(node, { at: end, first: anything() })
    const [min, max] = isBehind ? lengthsOf(node) : [0, 0]
    const limit = max < MAX_LENGTH ? max : -1
    const at = this.#emit(ASIDE, next.at, body.at, LOOKS[sign], Math.min(min, MAX_LENGTH), limit)
    return { at, first: next.first }
  }

  #atomic(node: Node, next: Next): Next {
    this.#isPlain = false
    const body = this.#node(node, { at: this.#emit(MATCHED, 0), first: anything() })
    return { at: this.#emit(ASIDE, next.at, body.at, ATOMIC), first: firstOf(node, next.first) }
  }

  #back(group: number, next: Next): Next {
    this.#isPlain = this.#isMemoryless = false
    return { at: this.#emit(BACK, next.at, group * 2), first: anything() }
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

  #choice(items: Node[], next: Next): Next {
    const branches = items.map((item) => this.#node(item, next))
    return branches.reduceRight((other, one) => this.#split(one, other))
  }

  #group(node: Node & { type: 'group' }, next: Next): Next {
    const slot = this.#slot(node, 0)
    const run = node.node
    if (run.type === 'repeat' && run.node.type === 'set' && neverBacktracks(run, next))
      return this.#field(run, run.node.set, next, slot)
    const escaped =
      run.type === 'sequence' && run.items.length === 2
        ? escapedRun(run.items[0], run.items[1], next)
        : undefined
    if (escaped !== undefined) return this.#escaped(escaped, next, slot)
    const end = this.#emit(SAVE, next.at, this.#slot(node, 1))
    const inner = this.#node(node.node, { at: end, first: next.first })
    return { at: this.#emit(SAVE, inner.at, slot), first: inner.first }
  }

  #sequence(items: readonly Node[], next: Next): Next {
    let after: Next = next
    for (let i = items.length - 1; i >= 0; i--) {
      const item = items[i] as Node
      const escaped: EscapedRun | undefined = escapedRun(items[i - 1], item, after)
      after = escaped === undefined ? this.#node(item, after) : this.#escaped(escaped, after, NO_SLOT)
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

  #repeat(node: Node & { type: 'repeat' }, next: Next): Next {
    const { min, max, mode } = node
    if (mode === '+') {
      const greedy: Node = { ...node, mode: '' }
      this.#groupsIn.set(greedy, this.#groupsIn.get(node))
      return this.#atomic(greedy, next)
    }
    let after: Next = next
    if (max === Number.POSITIVE_INFINITY) after = this.#loop(node, next)
    else for (let i = min; i < max; i++) after = this.#optional(node, after, next)
    for (let i = 0, size = 0; i < min && size < this.#code.length; i++) {
      // An iteration without instructions matches the empty text, as do all others.
      size = this.#code.length
      after = this.#iteration(node, after, false)
    }
    return after
  }

  /** Compiles an unlimited repetition; the split is emitted first and filled in when its branches exist. */
  #loop(node: Node & { type: 'repeat' }, next: Next): Next {
    const split = this.#emit(SPLIT, 0)
    const first = union(firstOf(node.node, next.first), next.first)
    const iteration = this.#iteration(node, { at: split, first }, true)
    const [one, other] = node.mode === '?' ? [next, iteration] : [iteration, next]
    this.#set(split, SPLIT, one.at, other.at, this.#table(one.first), this.#table(other.first))
    return { at: split, first }
  }

  #optional(node: Node & { type: 'repeat' }, after: Next, next: Next): Next {
    const iteration = this.#iteration(node, after, true)
    return node.mode === '?' ? this.#split(next, iteration) : this.#split(iteration, next)
  }

  /**
   * Compiles one iteration; it clears what the groups in it captured in the previous one. One that is not
   * needed must not match the empty text, or a loop would never end.
   */
  #iteration(node: Node & { type: 'repeat' }, after: Next, isOptional: boolean): Next {
    const needsProgress = isOptional && mayBeEmpty(node.node)
    const slot = needsProgress ? this.#slots++ : NONE
    if (needsProgress) this.#isPlain = this.#isMemoryless = false
    const end = needsProgress ? { at: this.#emit(PROGRESS, after.at, slot), first: after.first } : after
    let { at, first } = this.#node(node.node, end)
    const groups = this.#groupsIn.get(node)
    if (groups !== undefined && node.max !== 1) at = this.#emit(FORGET, at, groups[0] * 2, groups[1] * 2 + 1)
    if (needsProgress) at = this.#emit(SAVE, at, slot)
    return { at, first }
  }

  #split(one: Next, other: Next): Next {
    const at = this.#emit(SPLIT, one.at, other.at, this.#table(one.first), this.#table(other.first))
    return { at, first: union(one.first, other.first) }
  }

  #emit(op: number, next: number, a = 0, b = 0, c = 0, d = 0): number {
    const at = this.#code.length
    if (at >= MAX_INSTRUCTIONS * INSTRUCTION_SIZE) throw tooLarge()
    this.#code.push(op, next, a, b, c, d)
    return at
  }

  #set(at: number, ...instruction: number[]): void {
    for (let i = 0; i < INSTRUCTION_SIZE; i++) this.#code[at + i] = instruction[i] ?? 0
  }

  #tableOf(set: ByteSet): number {
    return this.#table(firstOfSet(set))
  }

  #table(table: First): number {
    const known = this.#tables.findIndex((other) => isEqual(other, table))
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
function escapedRun(head: Node | undefined, pairs: Node | undefined, next: Next): EscapedRun | undefined {
  if (head?.type !== 'repeat' || pairs?.type !== 'repeat') return undefined
  const plain = starOf(head)
  const pair = isStar(pairs) ? pairs.node : undefined
  if (plain === undefined || pair?.type !== 'sequence' || pair.items.length !== 3) return undefined
  const [first, any, rest] = pair.items as [Node, Node, Node]
  const tail = starOf(rest)
  if (first.type !== 'set' || any.type !== 'set' || tail === undefined || first.set.only < 0) return undefined
  const bytes = firstOfSet(plain)
  const isSame = isEqual(firstOfSet(tail), bytes)
  const firsts = union(bytes, firstOfSet(first.set))
  if (!isSame || has(bytes, first.set.only) || overlap(firsts, next.first)) return undefined
  return { plain, escapeByte: first.set, any: any.set }
}

function isAll(set: ByteSet): boolean {
  return set.size === END
}

/** Returns the only byte besides `escapeByte` that the set lacks; -1 when there are several or none. */
function otherThan(set: ByteSet, escapeByte: number): number {
  return new ByteSet().addRange(escapeByte, escapeByte).addAll(set).complement().only
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

/** Returns the minimum and maximum number of bytes that the node can match. */
function lengthsOf(node: Node): [min: number, max: number] {
  switch (node.type) {
    case 'set':
      return [1, 1]
    case 'sequence':
      return node.items.map(lengthsOf).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0])
    case 'choice': {
      const all = node.items.map(lengthsOf)
      return [Math.min(...all.map(([min]) => min)), Math.max(...all.map(([, max]) => max))]
    }
    case 'group':
    case 'atomic':
      return lengthsOf(node.node)
    case 'repeat': {
      const [min, max] = lengthsOf(node.node)
      return [min * node.min, max === 0 ? 0 : max * node.max]
    }
    case 'look':
    case 'anchor':
      return [0, 0]
    case 'back':
      return [0, Number.POSITIVE_INFINITY]
  }
}

function tooLarge(): ShipperError {
  const hint =
    'a repetition with a large count is unrolled: use * or +, or repeat a single character or class'
  return new ShipperError(
    'E_PARSER_REGEX',
    `the regular expression is too large: it takes more than ${MAX_INSTRUCTIONS} instructions`,
    { hint },
  )
}
