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

/** Instructions; each takes SIZE numbers: itself, the next one, and what is said here. */
export const MATCHED = 0
/** The bytes: where in the texts they begin, how many. */
export const TEXT = 1
/** The table of its set. */
export const SET = 2
/** As many as there are: table, least, most (-1: any number), table of what may follow, or -1: it shares nothing with it. */
export const RUN = 3
/** As few as will do: the same. */
export const LAZY = 4
/** The place in the spans. */
export const SAVE = 5
/** The first and behind it the second place in the spans that are forgotten. */
export const FORGET = 6
/** The other way, the table of what this way begins with, and that of the other. */
export const SPLIT = 7
/** A group that is a run which gives nothing back: table, least, most, and its place in the spans. */
export const FIELD = 13
/** The same of any number of bytes that are not this one: the byte instead of the table. */
export const UNTIL = 14
/** The start of a line, its end; of the text its start, its end, and its end or the newline before it. */
export const LINE_START = 8
export const LINE_END = 9
export const TEXT_START = 10
export const TEXT_END = 11
export const LAST_END = 12
/** Where a word begins or ends, and where none does. */
export const WORD_EDGE = 15
const NO_WORD_EDGE = 16

const SIZE = 6
export const NONE = -1
/** Entries of a table: bytes, and END. */
const TABLE = END + 1

/** An expression as instructions for the matcher. */
export interface Program {
  code: Int32Array
  start: number
  /** Of 0 and 1, TABLE bytes each. */
  tables: Uint8Array
  texts: Uint8Array
  /** What a match begins with: offset of a table. */
  first: number
  /** It begins with `^`. */
  atLine: boolean
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
/** Beyond it an expression is left to RegExp. */
const MOST_CODE = 4000

/**
 * The instructions of an expression; undefined when there is something in it that they cannot do: lookaround, atomic
 * groups, references, and repetitions of what can be empty.
 */
export function programOf(tree: Node): Program | undefined {
  const compiler = new Compiler()
  return compiler.compile(tree)
}

/** Where a way goes on, and what may stand there. */
interface Next {
  at: number
  first: First
}

/** From the end to the start: of each part it is known what comes behind it. */
class Compiler {
  readonly #code: number[] = []
  readonly #tables: First[] = []
  readonly #texts: number[] = []
  readonly #groups = new Map<Node, number>()
  #last = 0

  compile(tree: Node): Program | undefined {
    this.#count(tree)
    const end = { at: this.#emit(MATCHED, 0), first: anything() }
    const start = this.#node(tree, end)
    if (start === undefined) return undefined
    const first = this.#table(start.first)
    const tables = new Uint8Array(this.#tables.length * TABLE)
    for (const [i, table] of this.#tables.entries())
      for (let c = 0; c <= END; c++) if (has(table, c)) tables[i * TABLE + c] = 1
    return {
      code: Int32Array.from(this.#code),
      start: start.at,
      tables,
      texts: Uint8Array.from(this.#texts),
      first,
      atLine: this.#code[start.at] === LINE_START,
      groups: this.#last,
    }
  }

  /** Numbers the groups as they open; RegExp has one more for each possessive repetition. */
  #count(node: Node): void {
    if (node.type === 'group') this.#groups.set(node, ++this.#last)
    else if (node.type === 'repeat' && node.mode === '+') this.#last++
    if ('items' in node) for (const item of node.items) this.#count(item)
    if ('node' in node) this.#count(node.node)
  }

  #node(node: Node, next: Next): Next | undefined {
    switch (node.type) {
      case 'set':
        return { at: this.#one(node.set, next.at), first: firstOf(node, next.first) }
      case 'sequence':
        return node.items.reduceRight<Next | undefined>(
          (after, item) => after && this.#node(item, after),
          next,
        )
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

  #one(set: ByteSet, next: number): number {
    if (set.only < 0) return this.#emit(SET, next, this.#tableOf(set))
    const code = this.#code
    const start = this.#texts.push(set.only) - 1
    // Texts are written from their end: the byte behind this one was the last, and nothing else leads there.
    if (next !== code.length - SIZE || code[next] !== TEXT) return this.#emit(TEXT, next, start, 1)
    return this.#emit(TEXT, code[next + 1] as number, start, (code[next + 3] as number) + 1)
  }

  #choice([item, ...others]: Node[], next: Next): Next | undefined {
    const one = this.#node(item as Node, next)
    if (others.length === 0 || one === undefined) return one
    const other = this.#choice(others, next)
    return other && this.#split(one, other)
  }

  #group(node: Node & { type: 'group' }, next: Next): Next | undefined {
    const place = (this.#groups.get(node) as number) * 2
    const run = node.node
    if (run.type === 'repeat' && run.node.type === 'set' && isSure(run, next))
      return this.#field(run, run.node.set, next, place)
    const inner = this.#node(node.node, { at: this.#emit(SAVE, next.at, place + 1), first: next.first })
    return inner && { at: this.#emit(SAVE, inner.at, place), first: inner.first }
  }

  #field(run: Node & { type: 'repeat' }, set: ByteSet, next: Next, place: number): Next {
    const other = set.complement().only
    const first = firstOf(run, next.first)
    if (other >= 0 && run.min === 0 && run.max === Number.POSITIVE_INFINITY)
      return { at: this.#emit(UNTIL, next.at, other, 0, -1, place), first }
    return { at: this.#emit(FIELD, next.at, this.#tableOf(set), run.min, mostOf(run), place), first }
  }

  #run(run: Node & { type: 'repeat' }, set: ByteSet, next: Next): Next {
    const sure = isSure(run, next)
    const follow = sure ? NONE : this.#table(next.first)
    const op = run.mode === '?' && !sure ? LAZY : RUN
    const at = this.#emit(op, next.at, this.#tableOf(set), run.min, mostOf(run), follow)
    return { at, first: firstOf(run, next.first) }
  }

  #repeat(node: Node & { type: 'repeat' }, next: Next): Next | undefined {
    const { min, max, mode } = node
    if (mode === '+' || mayBeEmpty(node.node)) return undefined
    let after: Next | undefined = next
    if (max === Number.POSITIVE_INFINITY) after = this.#loop(node, next)
    else for (let i = min; i < max; i++) after = after && this.#optional(node, after, next)
    for (let i = 0; i < min; i++) after = after && this.#turn(node, after)
    return after
  }

  /** Any number of turns: the split stands before its ways are there. */
  #loop(node: Node & { type: 'repeat' }, next: Next): Next | undefined {
    const split = this.#emit(SPLIT, 0)
    const first = union(firstOf(node.node, next.first), next.first)
    const turn = this.#turn(node, { at: split, first })
    if (turn === undefined) return undefined
    const [one, other] = node.mode === '?' ? [next, turn] : [turn, next]
    this.#set(split, SPLIT, one.at, other.at, this.#table(one.first), this.#table(other.first))
    return { at: split, first }
  }

  #optional(node: Node & { type: 'repeat' }, after: Next, next: Next): Next | undefined {
    const turn = this.#turn(node, after)
    return turn && (node.mode === '?' ? this.#split(next, turn) : this.#split(turn, next))
  }

  /** One turn of a repetition: what groups in it have captured in the turn before is forgotten. */
  #turn(node: Node & { type: 'repeat' }, after: Next): Next | undefined {
    if (this.#code.length > MOST_CODE * SIZE) return undefined
    const turn = this.#node(node.node, after)
    const groups = [...this.#groups]
      .filter(([group]) => contains(node.node, group))
      .map(([, number]) => number)
    if (turn === undefined || groups.length === 0 || node.max === 1) return turn
    const places = [Math.min(...groups) * 2, Math.max(...groups) * 2 + 1] as const
    return { at: this.#emit(FORGET, turn.at, ...places), first: turn.first }
  }

  #split(one: Next, other: Next): Next {
    const at = this.#emit(SPLIT, one.at, other.at, this.#table(one.first), this.#table(other.first))
    return { at, first: union(one.first, other.first) }
  }

  #emit(...instruction: number[]): number {
    const at = this.#code.length
    this.#code.length = at + SIZE
    this.#set(at, ...instruction)
    return at
  }

  #set(at: number, ...instruction: number[]): void {
    for (let i = 0; i < SIZE; i++) this.#code[at + i] = instruction[i] ?? 0
  }

  #tableOf(set: ByteSet): number {
    return this.#table(firstOfSet(set))
  }

  #table(table: First): number {
    const known = this.#tables.findIndex((other) => other.every((word, i) => word === table[i]))
    return (known >= 0 ? known : this.#tables.push(table) - 1) * TABLE
  }
}

/** What it could give back, or not have taken, begins with a byte of its set: in vain where nothing that follows does. */
function isSure(run: Node & { type: 'repeat' }, next: Next): boolean {
  return run.mode === '+' || run.min === run.max || !overlap(firstOf(run.node, next.first), next.first)
}

function mostOf({ max }: Node & { type: 'repeat' }): number {
  return max === Number.POSITIVE_INFINITY ? -1 : max
}

function contains(tree: Node, wanted: Node): boolean {
  if (tree === wanted) return true
  if ('items' in tree) return tree.items.some((item) => contains(item, wanted))
  return 'node' in tree && contains(tree.node, wanted)
}
