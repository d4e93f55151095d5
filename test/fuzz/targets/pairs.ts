import { skip } from '../../../src/core/msgpack/encode.ts'
import { mapPairs } from '../../../src/core/msgpack/record.ts'
import { DistinctKeys } from '../../../src/lib/records/distinct-keys.ts'
import { KeyPatterns } from '../../../src/lib/records/key-patterns.ts'
import { PairList } from '../../../src/lib/records/pair-list.ts'
import { pairsOf } from '../../support/records/raw-record.ts'
import { must, size, type Target } from '../target.ts'

const LIST = new PairList(['a', 'log'], new KeyPatterns(['p*', 'b'], { ignoresCase: true }))
const DISTINCT = new DistinctKeys()

/** Lists of the pairs of a map on any bytes: nothing after the end is read, and a map made distinct has no key twice. */
export const pairs: Target = {
  name: 'pairs',
  maxBytes: 600,
  dictionary: [
    '\x81',
    '\x82',
    '\x8f',
    '\xa1a',
    '\xa1b',
    '\xa3log',
    '\xd9\x01a',
    '\xda',
    '\xde',
    '\xdf',
    '\xc4',
    '\xc1',
  ],
  seeds: () => [
    Buffer.from('83a161a178a36c6f67a179a162c0', 'hex'),
    Buffer.from('84a161a178a1610182a16101a16102a161d901610501', 'hex'),
    Buffer.from('de0002a161a178c40161cb0000000000000000', 'hex'),
  ],
  run(input) {
    const results = [0x00, 0xff].map((fill) =>
      readingOf(Buffer.concat([input, Buffer.alloc(12, fill)]), input.length),
    )
    must(results[0] === results[1], () => `bytes after the end count: ${results.join(' or ')}`)
    const end = skip(input, 0, input.length)
    if (end < 0 || mapPairs(input, 0) < 0) return results[0] as string
    const buf = Buffer.concat([input.subarray(0, end), Buffer.alloc(4)])
    const settled = DISTINCT.settle(buf, 0, end)
    must(settled <= end && skip(buf, 0, settled) === settled, 'a map that was made distinct is damaged')
    const keys = pairsOf(buf.subarray(0, settled)).flatMap(({ key }) => (key === undefined ? [] : [key]))
    must(new Set(keys).size === keys.length, () => `a key occurs twice: ${keys.join()}`)
    return `${results[0]} ${size(end - settled)}`
  },
}

/** Reads the map at the start; returns a summary of what was found. */
function readingOf(buf: Buffer, end: number): string {
  const read = LIST.read(buf, 0, end)
  if (read < 0) return 'none'
  must(read === skip(buf, 0, end), 'a list ends elsewhere than its map')
  const nodes: string[] = []
  for (let node = LIST.nextPair(0); node !== 0; node = LIST.nextPair(node)) {
    const [from, value, to] = [LIST.startOf(node), LIST.valueOf(node), LIST.endOf(node)]
    must(from < value && value < to && to <= read, 'a node is outside of its map')
    nodes.push(String(LIST.keyOf(node)))
  }
  return nodes.slice(0, 6).join()
}
