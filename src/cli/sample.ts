import { read } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_LINE_BYTES } from '../agent/trial/sample-lines.ts'
import { reasonOf, ShipperError, systemCode } from '../core/error.ts'
import { countText } from '../lib/text/duration.ts'

const BLOCK_BYTES = 65_536
/** Maximum size of a sample. */
const MAX_SAMPLE_BYTES = 16_000_000
/** Delay before the next read when stdin is a non-blocking descriptor without data. */
const EAGAIN_DELAY_MS = 20
const LINE_FEED = 10

/** Lines without line ends; `notes` says what was left out. */
interface Sample {
  lines: Buffer[]
  notes: string[]
}

/** Reads the first lines of standard input: what follows them is not read. */
export async function readSample(maxLines: number): Promise<Sample> {
  const lines: Buffer[] = []
  const notes: string[] = []
  let rest = Buffer.alloc(0)
  let bytes = 0
  let isSkipping = false
  const add = (line: Buffer): void => {
    if (isSkipping || line.length > MAX_LINE_BYTES)
      notes.push(`a line is longer than ${countText(MAX_LINE_BYTES)} bytes: it is left out`)
    else lines.push(line)
    isSkipping = false
  }
  for (;;) {
    const block = await readBlock()
    if (block.length === 0) break
    bytes += block.length
    let data = Buffer.concat([rest, block])
    for (let end = data.indexOf(LINE_FEED); end >= 0; end = data.indexOf(LINE_FEED)) {
      add(Buffer.from(data.subarray(0, end)))
      data = data.subarray(end + 1)
      if (lines.length >= maxLines) {
        notes.push(
          `only the first ${maxLines === 1 ? 'line is' : `${countText(maxLines)} lines are`} taken: --limit allows more`,
        )
        return { lines, notes }
      }
    }
    if (data.length > MAX_LINE_BYTES) {
      isSkipping = true
      data = Buffer.alloc(0)
    }
    rest = Buffer.from(data)
    if (bytes >= MAX_SAMPLE_BYTES) {
      notes.push(`only the first ${countText(MAX_SAMPLE_BYTES)} bytes are taken`)
      return { lines, notes }
    }
  }
  if (rest.length > 0 || isSkipping) add(rest)
  return { lines, notes }
}

async function readBlock(): Promise<Buffer> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  for (;;) {
    try {
      return block.subarray(0, await readStdin(block))
    } catch (error) {
      const code = systemCode(error)
      if (code === 'EOF') return block.subarray(0, 0)
      if (code !== 'EAGAIN')
        throw new ShipperError('E_STDIN', `cannot read standard input: ${reasonOf(error)}`, { cause: error })
      await sleep(EAGAIN_DELAY_MS)
    }
  }
}

function readStdin(block: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(0, block, 0, block.length, null, (error, bytes) => (error === null ? resolve(bytes) : reject(error)))
  })
}
