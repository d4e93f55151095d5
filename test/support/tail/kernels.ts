import type { LineKernel } from '../../../src/core/parser.ts'
import { type EntryEncoder, UNTIMED } from '../../../src/plugins/inputs/tail/file/entry-encoder.ts'
import type { Random } from './log-lines.ts'

/** Entries of some lines, and the lines that failed. */
export interface Written {
  entries: Buffer
  failures: string[]
}

/** Returns the failures of the last run of a kernel. */
export function failuresOf(kernel: LineKernel): string[] {
  return Array.from({ length: kernel.failures }, (_, i) => {
    const { start, end, isUntimed } = kernel.failure(i)
    return failure(start, end, isUntimed)
  })
}

function failure(start: number, end: number, isUntimed: boolean): string {
  return `${start}-${end} ${isUntimed ? 'time' : 'line'}`
}

/** Writes the lines of block[from, until) by the parser; `base`: file offset of the block. */
export function byParser(
  encoder: EntryEncoder,
  block: Buffer,
  { from = 0, until = block.length, base = 0 } = {},
): Written {
  const entries: Buffer[] = []
  const failures: string[] = []
  for (let at = from; at < until; ) {
    const newline = block.indexOf(10, at)
    const end = newline > at && block[newline - 1] === 13 ? newline - 1 : newline
    const out = Buffer.alloc(encoder.bound(end - at) + 64)
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
    entries.push(out.subarray(0, encoder.write(out, view, 0, block, at, end, base + at)))
    if (encoder.failure !== 0) failures.push(failure(at, end, encoder.failure === UNTIMED))
    at = newline + 1
  }
  return { entries: Buffer.concat(entries), failures }
}

/** Returns the text with some bytes removed, repeated or replaced, some by `others`; without newlines. */
export function mutatedLine(r: Random, text: string, others: readonly number[]): Buffer {
  const bytes = [...Buffer.from(text)]
  for (let n = r.below(4); n > 0; n--) {
    const at = r.below(bytes.length + 1)
    const part = bytes.slice(at, at + r.below(20))
    const put = r.of([[], part, [r.below(256)], ...others.map((byte) => [byte])])
    bytes.splice(at, r.of([0, 1, 1, part.length]), ...put)
  }
  return Buffer.from(bytes.filter((byte) => byte !== 10))
}
