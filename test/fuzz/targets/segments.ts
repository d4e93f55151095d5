import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { ByteWriter } from '../../../src/lib/segments/bytes.ts'
import { encodeEntry, HEAD_BYTES } from '../../../src/lib/segments/entry-codec.ts'
import { openSegmentLog } from '../../../src/lib/segments/open-log.ts'
import {
  decodeHeader,
  encodeFooter,
  encodeHeader,
  footerSize,
  headerSizeAt,
} from '../../../src/lib/segments/segment-codec.ts'
import { decodeState, encodeSlot, NO_STATE, stateFileName } from '../../../src/lib/segments/state-file.ts'
import { type Damage, isStoredChunk, type SegmentLog } from '../../../src/lib/segments/types.ts'
import { SILENT } from '../support.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const OUTPUTS = ['a', 'b']
const FIRST = '00000000000000000001.seg'
const MAX_BYTES = 8192

let folder: string | undefined

function emptyFolder(): string {
  rmSync(folder ?? '', { recursive: true, force: true })
  folder = mkdtempSync(join(tmpdir(), 'shipper-fuzz-'))
  return folder
}

function open(at: string, damage: Damage[]): SegmentLog {
  return openSegmentLog({
    folder: at,
    outputs: OUTPUTS,
    takeLock: () => ({ release() {} }),
    log: SILENT,
    onDamage: (each) => void damage.push(each),
    deletesDamaged: false,
  })
}

function chunk(text: string): Chunk {
  const buf = Buffer.from(text)
  const origins = [{ file: '/var/log/a', offset: 1, end: 2 }]
  const init = {
    tag: 't',
    input: 'i',
    buf,
    start: 0,
    end: buf.length,
    count: 2,
    id: 'x',
    inputBytes: 1,
    origins,
  }
  return new Chunk(init, { take: () => undefined, force: () => buf, takeLongLived: () => buf, give() {} })
}

/** Reads everything, appends, and opens the folder again: an arbitrary file must not hide what is written after it. */
async function use(at: string, input: Buffer): Promise<string> {
  const damage: Damage[] = []
  let log: SegmentLog
  try {
    log = open(at, damage)
  } catch (error) {
    if (!(error instanceof ShipperError) || error.code !== 'E_BUFFER') throw error
    return kindOf(error).replaceAll(/\/\S*/g, '')
  }
  let chunks = 0
  for (const output of OUTPUTS) {
    const state = log.stateOf(output) ?? { position: log.start, open: [] }
    log.backlogOf(output, state)
    for (let from = log.start; ; chunks++) {
      const found = log.find(output, from)
      if (!isStoredChunk(found)) break
      must(
        found.bytes <= input.length && found.next.offset > found.at.offset,
        'a chunk is larger than the file',
      )
      log.read(found, Buffer.alloc(found.bytes), 0)
      from = found.next
    }
  }
  const lost = damage.reduce((sum, { records }) => sum + (records ?? 0), 0)
  must(lost >= 0, 'less than nothing is lost')
  const stored = log.append(chunk('new'), OUTPUTS)
  await log.sync()
  const found = log.find('a', stored.at)
  must(isStoredChunk(found) && found.at.offset === stored.at.offset, 'what was appended is not found')
  log.commit(new Map(OUTPUTS.map((name) => [name, { position: stored.at, open: [] }])))
  await log.close()
  const again = open(at, [])
  const state = again.stateOf('a')
  const kept = again.find('a', state?.position ?? again.start)
  must(isStoredChunk(kept) && kept.at.segment === stored.at.segment, 'what was appended is not found again')
  await again.close()
  return `${size(chunks)} ${damage.map(({ reason, records }) => `${reason} ${size(records ?? -1)}`).join()}`
}

const HEAD = { number: 1, before: 0, mark: 0x4b52414d, seed: 5, table: OUTPUTS, beforeOf: [0, 0] }

/** Returns a segment as a killed process leaves it, and a closed one. Both are the same in each run. */
function validSegments(): Buffer[] {
  const header = encodeHeader(HEAD, 1)
  const parts = [header, header]
  let offset = 2 * header.length
  let before = 0
  for (const text of ['one', 'two'.repeat(50), 'three']) {
    const out = new ByteWriter(256)
    const made = chunk(text)
    encodeEntry(out, made, made.entries(), [0, 1], { head: HEAD, offset, before, nowMs: 1 })
    parts.push(Buffer.from(out.buf.subarray(0, out.at)), made.entries())
    offset += out.at + made.size
    before += made.count
  }
  const total = { chunks: 3, records: before, bytes: 158 }
  const footer = encodeFooter({ head: HEAD, end: offset, records: before, totals: [total, total] })
  return [Buffer.concat(parts), Buffer.concat([...parts, footer])]
}

/** Writes the checksums of header, entries and footer anew, as far as they can be found: what they cover is then read. */
function repair(bytes: Buffer): void {
  const size = headerSizeAt(bytes, 0)
  if (size === undefined || size > bytes.length) return
  bytes.writeUInt32LE(crc32(bytes.subarray(20, size), crc32(bytes.subarray(0, 16))), 16)
  const head = decodeHeader(bytes, 0)
  if (head === undefined || 'version' in head) return
  for (let at = 2 * size; at + HEAD_BYTES <= bytes.length; ) {
    const meta = Math.min(bytes.readUInt32LE(at + 12), bytes.length - at - HEAD_BYTES)
    const dataAt = at + HEAD_BYTES + meta
    const end = Math.min(dataAt + bytes.readUInt32LE(at + 16), bytes.length)
    bytes.writeUInt32LE(head.mark, at)
    bytes.writeUInt32LE(at, at + 8)
    bytes.writeUInt32LE(crc32(bytes.subarray(at + HEAD_BYTES, dataAt), head.seed), at + 24)
    bytes.writeUInt32LE(crc32(bytes.subarray(dataAt, end), head.seed), at + 28)
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, at + HEAD_BYTES), head.seed), at + 4)
    at = Math.max(end, at + HEAD_BYTES)
  }
  const footer = footerSize(bytes)
  if (footer !== undefined && footer <= bytes.length)
    bytes.writeUInt32LE(crc32(bytes.subarray(bytes.length - footer, bytes.length - 4)), bytes.length - 4)
}

const SEEDS = validSegments()

/** A file with the name of a segment and any content. */
export const segments: Target = {
  name: 'segments',
  maxBytes: MAX_BYTES,
  maxMs: 2000,
  dictionary: ['shipseg\n', 'fin\n', '\0\0\0\0', '\xff\xff\xff\xff'],
  seeds: () => [...SEEDS, ''],
  run(input) {
    const at = emptyFolder()
    writeFileSync(join(at, FIRST), input)
    return use(at, input)
  },
  close: () => rmSync(folder ?? '', { recursive: true, force: true }),
}

/** A segment whose checksums are right, whatever it says. */
export const repairedSegments: Target = {
  ...segments,
  name: 'repaired-segments',
  run(input) {
    const repaired = Buffer.from(input)
    repair(repaired)
    return segments.run(repaired)
  },
}

/** A file with the name of an output's state and any content. */
export const outputStates: Target = {
  name: 'output-states',
  maxBytes: MAX_BYTES,
  maxMs: 2000,
  dictionary: ['shipout\n'],
  seeds: () => [
    encodeSlot(
      'a',
      1,
      { position: { segment: 1, offset: 99 }, open: [{ segment: 1, offset: 5 }] },
      NO_STATE.written,
    ),
  ],
  async run(input) {
    const { state, isDamaged } = decodeState(input)
    const at = emptyFolder()
    writeFileSync(join(at, stateFileName('a')), input)
    writeFileSync(join(at, FIRST), SEEDS[0] as Buffer)
    const kind = await use(at, SEEDS[0] as Buffer)
    must(readdirSync(at).length > 0, 'the folder is empty')
    return `${state?.open.length} ${isDamaged} ${kind}`
  },
  close: () => rmSync(folder ?? '', { recursive: true, force: true }),
}
