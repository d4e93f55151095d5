import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { listLetters, showLetters } from '../../../src/agent/dead-letters/print.ts'
import { rowsIn } from '../../../src/agent/dead-letters/rows.ts'
import { encodeRow } from '../../../src/lib/dead-letters/row.ts'
import { must, size, type Target } from '../target.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

let folder: string | undefined

function row(record: Uint8Array, tag = 'app'): Buffer {
  const texts = { time: '2026-11-29T12:00:00Z', code: 'E_REJECTED', reason: 'refused', input: 'tail.0' }
  const rest = { tag, output: 'kafka.0', chunk: 'id', record: Buffer.from(record).toString('base64') }
  return encodeRow({ ...texts, ...rest, cause: 'rejected' })
}

const ENTRY = encode([1_790_000_000, { log: 'x', deep: [{ a: 1 }] }])
const NESTED = Buffer.concat([
  Buffer.from('9205', 'hex'),
  Buffer.from('81a161'.repeat(2000), 'hex'),
  Buffer.from([0xc0]),
])

/** A file of dead letters that somebody has changed is read to its end, and shown without control characters. */
export const deadLetters: Target = {
  name: 'dead-letters',
  maxBytes: 20_000,
  maxMs: 2000,
  dictionary: [
    '{"replayed":0,',
    '{"replayed":1,',
    '"record":"kg==',
    '"tag":"\xc2\x9b31m',
    '"origin":{"file":',
    '\n',
    'kgWBoWGBoWGBoWE',
    '3f////8',
    '"__proto__":',
    '\\u202e',
  ],
  seeds: () => [
    Buffer.concat([row(ENTRY), row(encode([5, { 'k\u009b': 'é\u202e' }]), 'a\u001b[31m')]),
    row(Buffer.from(ENTRY).subarray(0, 10)),
    row(NESTED),
    row(Buffer.from('9205df7fffffff', 'hex')),
    '{"replayed":0,"x":1}\nnot a row\n{"replayed":1,',
  ],
  async run(input) {
    folder ??= mkdtempSync(join(tmpdir(), 'shipper-fuzz-'))
    const path = join(folder, 'dead-letters.x.jsonl')
    writeFileSync(path, input)
    const list = listLetters(path)
    must(!CONTROLS.test(list), 'the list has control characters')
    const kinds = new Set<string>()
    let last = -1
    for (const { offset, row: read, isReplayed } of rowsIn(path)) {
      must(offset > last && offset <= input.length, () => `a row at ${offset} after one at ${last}`)
      last = offset
      kinds.add(`${read === undefined} ${isReplayed}`)
    }
    let shown = 0
    await showLetters(path, Number.POSITIVE_INFINITY, async (text) => {
      shown++
      JSON.parse(text)
      must(!CONTROLS.test(text), 'a shown row has control characters')
    })
    return `${[...kinds].sort().join()} ${size(shown)} ${size(last)}`
  },
  close() {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    folder = undefined
  },
}
