import type { Node } from './ast.ts'
import { ByteSet } from './byte-set.ts'
import { mayBeEmpty } from './first-bytes.ts'

/** A family of texts: some bytes of which a few values are possible each, and an arbitrary tail without newlines. */
export interface AbstractText {
  /** Possible bytes at each offset before the tail, none of them a newline. */
  head: readonly (readonly number[])[]
  /** True when there is a tail, of at least one byte. */
  hasTail: boolean
  /** The tail begins with none of the blanks from tab to carriage return, and no space. */
  isTrimmed: boolean
  /** A text that the tail does not contain; empty for none. */
  absent: string
}

/**
 * Result of an abstract match: no text of the family matches, all of them match with these spans, or neither is known.
 * `unknown` may stand for anything.
 */
type AbstractResult = 'fails' | 'matches' | 'unknown'

/** What an instruction does with the texts of the family. Branches are taken in the order of `Backtracker`. */
type Continue = (at: number) => AbstractResult

/** Places in the tail, besides its start: after its first byte, and not at its end; anywhere after its first byte. */
const INSIDE = -1
/** ANY - n: anywhere after the first byte, with the first n bytes of `absent` before it. */
const ANY = -2

const MAX_STEPS = 3000
const MAX_DEPTH = 400
const NEWLINE = 10

/**
 * Runs an expression on a family of texts at once, from their first byte on. It is exact, or says that it does not
 * know: a byte of which only some values match, a choice that depends on the tail, lookaround. After `matches`, `spans`
 * has the offsets of the groups; the end of the texts is `end`.
 */
export class AbstractMatcher {
  readonly spans: Int32Array
  /** Offset that stands for the end of the text. */
  readonly end: number
  readonly #text: AbstractText
  /** Offset of the first byte after the head. */
  readonly #tail: number
  readonly #groups = new Map<Node, number>()
  #steps = 0
  #depth = 0

  constructor(tree: Node, text: AbstractText) {
    this.#text = text
    this.#tail = text.head.length
    this.end = text.hasTail ? this.#tail + 1 : this.#tail
    this.#number(tree)
    this.spans = new Int32Array((this.#groups.size + 1) * 2).fill(-1)
  }

  /** Matches at the start of the texts; a match that begins later is not looked for. */
  match(tree: Node): AbstractResult {
    this.spans.fill(-1)
    this.#steps = this.#depth = 0
    return this.#node(tree, 0, () => 'matches')
  }

  #number(node: Node): void {
    if (node.type === 'group') this.#groups.set(node, this.#groups.size + 1)
    if ('items' in node) for (const item of node.items) this.#number(item)
    if ('node' in node) this.#number(node.node)
  }

  #node(node: Node, at: number, next: Continue): AbstractResult {
    if (++this.#steps > MAX_STEPS || this.#depth > MAX_DEPTH) return 'unknown'
    this.#depth++
    const result = this.#dispatch(node, at, next)
    this.#depth--
    return result
  }

  #dispatch(node: Node, at: number, next: Continue): AbstractResult {
    switch (node.type) {
      case 'set':
        return this.#set(node.set, at, next)
      case 'sequence':
        return this.#sequence(node.items, 0, at, next)
      case 'choice':
        return first(node.items, (item) => this.#node(item, at, next))
      case 'group':
        return this.#group(node, at, next)
      case 'repeat':
        return this.#repeat(node, at, next)
      case 'anchor':
        return this.#anchor(node.at, at, next)
      default:
        return 'unknown'
    }
  }

  #sequence(items: readonly Node[], i: number, at: number, next: Continue): AbstractResult {
    const item = items[i]
    return item === undefined ? next(at) : this.#node(item, at, (p) => this.#sequence(items, i + 1, p, next))
  }

  #group(node: Node & { type: 'group' }, at: number, next: Continue): AbstractResult {
    const { spans } = this
    const slot = (this.#groups.get(node) as number) * 2
    const result = this.#node(node.node, at, (p) => {
      const [from, to] = [spans[slot] as number, spans[slot + 1] as number]
      spans[slot] = at
      spans[slot + 1] = p
      const after = next(p)
      if (after !== 'matches') {
        spans[slot] = from
        spans[slot + 1] = to
      }
      return after
    })
    return result
  }

  /** Matches one byte. */
  #set(set: ByteSet, at: number, next: Continue): AbstractResult {
    if (at >= 0 && at < this.#tail) {
      const found = relation(set, this.#text.head[at] as number[])
      return found === 'none' ? 'fails' : certain(found === 'all', next(at + 1))
    }
    if (at === this.end) return 'fails'
    const { absent } = this.#text
    const seen = at < ANY ? ANY - at : 0
    const { letter } = factsOf(set)
    const now =
      absent !== '' && letter === absent[seen] ? seen + 1 : absent !== '' && letter === absent[0] ? 1 : 0
    if (now > 0 && now === absent.length) return 'fails'
    const found = at === this.#tail ? this.#firstOfTail(set) : factsOf(set).any === 'none' ? 'none' : 'some'
    return found === 'none' ? 'fails' : certain(found === 'all', next(ANY - now))
  }

  #firstOfTail(set: ByteSet): Relation {
    const { any, trimmed } = factsOf(set)
    return this.#text.isTrimmed ? trimmed : any
  }

  /** Matches a repeated byte: the places at which it may end, in the order in which they are tried. */
  #run(
    { min, max, mode }: Node & { type: 'repeat' },
    set: ByteSet,
    at: number,
    next: Continue,
  ): AbstractResult {
    if (at < 0) return this.#runInTail(set, min, at, next)
    let p = at
    while (p < this.#tail && p - at < max) {
      const found = relation(set, this.#text.head[p] as number[])
      if (found === 'some') return 'unknown'
      if (found === 'none') break
      p++
    }
    const length = p - at
    const stops: number[] = []
    for (let n = min; n <= length; n++) stops.push(at + n)
    const inTail = p === this.#tail && p !== this.end && length < max ? this.#firstOfTail(set) : 'none'
    if (inTail !== 'none')
      return this.#runIntoTail(
        set,
        { isAll: inTail === 'all', isEnough: min <= length + 1 },
        { max, mode },
        stops,
        next,
      )
    if (stops.length === 0) return 'fails'
    if (mode === '+') return next(p)
    return first(mode === '?' ? stops : stops.reverse(), next)
  }

  /** A run that goes on into the tail: to its end when all of its bytes match. */
  #runIntoTail(
    set: ByteSet,
    { isAll, isEnough }: { isAll: boolean; isEnough: boolean },
    { max, mode }: { max: number; mode: string },
    stops: readonly number[],
    next: Continue,
  ): AbstractResult {
    const isWhole = isAll && factsOf(set).any === 'all' && isEnough && max === Number.POSITIVE_INFINITY
    if (mode === '+') return isWhole ? next(this.end) : 'unknown'
    if (!isWhole) {
      // Where it stops is not known, so that it must fail everywhere in the tail.
      if (mode === '?') return first([...stops, ANY], (p) => certain(p >= 0, next(p)))
      return first([ANY, ...stops.toReversed()], (p) => certain(p >= 0, next(p)))
    }
    if (mode === '?') return first([...stops, INSIDE, this.end], (p) => certain(p >= 0, next(p)))
    return first([this.end, INSIDE, ...stops.toReversed()], (p) => certain(p >= 0, next(p)))
  }

  #runInTail(set: ByteSet, min: number, at: number, next: Continue): AbstractResult {
    const places = factsOf(set).any === 'none' ? [] : [ANY]
    return first(min === 0 ? [at, ...places] : places, (p) => certain(false, next(p)))
  }

  #repeat(node: Node & { type: 'repeat' }, at: number, next: Continue): AbstractResult {
    const { min, max, mode } = node
    const set = setOf(node.node)
    if (set !== undefined) return this.#run(node, set, at, next)
    if (mode === '+' || mayBeEmpty(node.node) || (max > 1 && this.#hasGroup(node.node))) return 'unknown'
    const iterate = (count: number, p: number): AbstractResult => {
      if (count < min) return this.#node(node.node, p, (q) => iterate(count + 1, q))
      const more: Continue = () =>
        count < max ? this.#node(node.node, p, (q) => iterate(count + 1, q)) : 'fails'
      return first(mode === '?' ? [next, more] : [more, next], (way) => way(p))
    }
    return iterate(0, at)
  }

  #hasGroup(node: Node): boolean {
    if (node.type === 'group') return true
    if ('items' in node) return node.items.some((item) => this.#hasGroup(item))
    return 'node' in node && this.#hasGroup(node.node)
  }

  #anchor(anchor: string, at: number, next: Continue): AbstractResult {
    switch (anchor) {
      case '^':
      case 'A':
        return at === 0 ? next(at) : 'fails'
      case '$':
      case 'z':
      case 'Z':
        return at === this.end ? next(at) : at <= ANY ? certain(false, next(at)) : 'fails'
      default: {
        const [before, after] = [this.#isWord(at, -1), this.#isWord(at, 0)]
        if (before === undefined || after === undefined) return certain(false, next(at))
        return (before !== after) === (anchor === 'b') ? next(at) : 'fails'
      }
    }
  }

  /** Returns whether the byte before or after a place belongs to a word; undefined when some do. */
  #isWord(at: number, distance: -1 | 0): boolean | undefined {
    if (at < 0) return undefined
    const place = at + distance
    if (place < 0 || (distance === 0 && at === this.end)) return false
    if (place >= this.#tail) return undefined
    const found = (this.#text.head[place] as number[]).map(isWordByte)
    return found.every((one) => one === found[0]) ? found[0] : undefined
  }
}

/** Returns the bytes that a node matches when it matches one byte, in any spelling. */
function setOf(node: Node): ByteSet | undefined {
  if (node.type === 'set') return node.set
  if (node.type !== 'choice') return undefined
  const sets = node.items.map(setOf)
  if (!sets.every((set) => set !== undefined)) return undefined
  return sets.reduce((all, set) => all.addAll(set), new ByteSet())
}

type Relation = 'all' | 'some' | 'none'

function relation(set: ByteSet, bytes: readonly number[]): Relation {
  let found = 0
  for (const byte of bytes) if (set.has(byte)) found++
  return found === 0 ? 'none' : found === bytes.length ? 'all' : 'some'
}

/** Returns the result of the first way that does not fail. */
function first<T>(ways: readonly T[], take: (way: T) => AbstractResult): AbstractResult {
  for (const way of ways) {
    const result = take(way)
    if (result !== 'fails') return result
  }
  return 'fails'
}

/** Returns the result of a way that only some texts may take: it is known when all of them fail. */
function certain(isCertain: boolean, result: AbstractResult): AbstractResult {
  return isCertain || result === 'fails' ? result : 'unknown'
}

/** What has to be known of a set: its relation to the bytes but a newline, and to those but blanks too. */
interface SetFacts {
  any: Relation
  trimmed: Relation
  /** The only byte of the set as a character, or nothing. */
  letter: string
}

const factsBySet = new WeakMap<ByteSet, SetFacts>()
const ANY_BYTES = Array.from({ length: 256 }, (_, c) => c).filter((c) => c !== NEWLINE)
const INK = ANY_BYTES.filter((c) => c !== 0x20 && (c < 9 || c > 13))

function factsOf(set: ByteSet): SetFacts {
  const known = factsBySet.get(set)
  if (known !== undefined) return known
  const { only } = set
  const letter = only < 0 ? '' : String.fromCharCode(only)
  const facts = { any: relation(set, ANY_BYTES), trimmed: relation(set, INK), letter }
  factsBySet.set(set, facts)
  return facts
}

function isWordByte(c: number): boolean {
  const letter = c | 0x20
  return (letter >= 0x61 && letter <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x5f
}
