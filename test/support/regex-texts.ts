import type { Node } from '../../src/lib/regex/ast.ts'

/** Maximum number of repetitions of an expression that are pumped, and of bytes tried after them. */
const MAX_PUMPS = 40
const ENDS = ['', '!', '\n', '"', ' ']

/**
 * Yields texts that make an expression work: a text that it begins with, up to one of its repetitions, then what that
 * repeats many times, then a byte that does not fit. Each is a function of the size.
 */
export function* texts(tree: Node): Generator<(size: number) => string> {
  let pumps = 0
  for (const { before, unit } of pumpsOf(tree, '')) {
    if (unit === '' || pumps++ > MAX_PUMPS) continue
    for (const end of ENDS)
      for (const head of new Set([before, '']))
        yield (size) => head + unit.repeat(Math.ceil(size / unit.length)) + end
  }
}

interface Pump {
  before: string
  unit: string
}

function* pumpsOf(node: Node, before: string): Generator<Pump> {
  switch (node.type) {
    case 'sequence': {
      let head = before
      for (const item of node.items) {
        yield* pumpsOf(item, head)
        head += sample(item)
      }
      return
    }
    case 'choice':
      for (const item of node.items) yield* pumpsOf(item, before)
      return
    case 'repeat':
      if (node.max > 8) for (const unit of samples(node.node)) yield { before, unit }
      yield* pumpsOf(node.node, before)
      return
    case 'group':
    case 'atomic':
    case 'look':
      yield* pumpsOf(node.node, before)
  }
}

/** Returns texts that the node matches: a letter, a blank and a digit of sets, each alternative of a choice. */
function samples(node: Node): string[] {
  if (node.type === 'set') {
    const likely = ['a', ' ', '1', '"', 'A', '.', ','].filter((c) => node.set.has(c.charCodeAt(0)))
    return likely.length > 0 ? likely.slice(0, 3) : [sample(node)]
  }
  if (node.type === 'choice') return node.items.map(sample)
  return [sample(node)]
}

function sample(node: Node): string {
  switch (node.type) {
    case 'set': {
      for (const c of 'ax1 "') if (node.set.has(c.charCodeAt(0))) return c
      for (let c = 32; c < 288; c++) if (node.set.has(c % 256)) return String.fromCharCode(c % 256)
      return ''
    }
    case 'sequence':
      return node.items.map(sample).join('')
    case 'choice':
      return sample(node.items[0] as Node)
    case 'repeat':
      return sample(node.node).repeat(Math.min(Math.max(node.min, 1), 20))
    case 'group':
    case 'atomic':
      return sample(node.node)
    case 'look':
    case 'anchor':
    case 'back':
      return ''
  }
}
