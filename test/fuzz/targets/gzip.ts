import { mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { messageOf } from '../../../src/core/error.ts'
import { FsFailure } from '../../../src/lib/fs/file-system.ts'
import { Descriptor } from '../../../src/plugins/inputs/tail/file/descriptor.ts'
import { GzipMembers } from '../../../src/plugins/inputs/tail/file/gzip-members.ts'
import { GzipSource } from '../../../src/plugins/inputs/tail/file/gzip-source.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { pieces } from '../random.ts'
import { must, size, type Target } from '../target.ts'

const MAX_INFLATED = 300_000
const TEXT = Array.from({ length: 60 }, (_, i) => `line ${i} of a log\n`).join('')

let folder: string | undefined

/** Returns the content as another library reads it; undefined when it refuses the bytes. */
function expected(input: Buffer): Buffer | undefined {
  try {
    return zlib.gunzipSync(input, { maxOutputLength: MAX_INFLATED })
  } catch {
    return undefined
  }
}

/** Inflates the bytes as they arrive; returns what came before any damage. */
async function inflate(input: Buffer): Promise<{ out: Buffer; error: string | undefined }> {
  const out: Buffer[] = []
  const members = new GzipMembers(zlib, 0, (data) => out.push(Buffer.from(data)))
  try {
    for (const piece of pieces(input)) await members.take(piece)
    return { out: Buffer.concat(out), error: members.isBetween ? undefined : 'cut' }
  } catch (error) {
    return { out: Buffer.concat(out), error: messageOf(error) }
  } finally {
    members.close()
  }
}

/** Reads a file as tail does, until nothing more comes. */
async function readFile(input: Buffer): Promise<{ out: Buffer; events: string[] }> {
  folder ??= mkdtempSync(join(tmpdir(), 'shipper-fuzz-'))
  const path = join(folder, 'a.gz')
  writeFileSync(path, input)
  const clock = new ManualClock(statSync(path).mtimeMs)
  const events: string[] = []
  const source = new GzipSource(
    new Descriptor(openSync(path, 'r')),
    { offset: 0, memberAt: 0 },
    input.length,
    clock,
    {
      onMore() {},
      onDamaged: () => events.push('damaged'),
      onRepaired: () => events.push('repaired'),
      onGarbage: () => events.push('garbage'),
      onPlain: () => events.push('plain'),
    },
  )
  const out: Buffer[] = []
  const buf = Buffer.alloc(10_000)
  let position = 0
  for (let idle = 0; idle < 3 && position < MAX_INFLATED; ) {
    const n = source.read(buf, 0, buf.length, position)
    must(!(n instanceof FsFailure), () => `cannot read: ${n}`)
    if (n > 0) {
      out.push(Buffer.from(buf.subarray(0, n)))
      position += n
      idle = 0
    } else if (source.complete) idle++
    else {
      await new Promise(setImmediate)
      if (clock.waiting > 0) clock.advance(11_000)
    }
  }
  source.close()
  return { out: Buffer.concat(out), events }
}

/** True when `out` is at least what another library makes of a file, which ignores members after zeros. */
function beginsWith(out: Buffer, whole: Buffer): boolean {
  return out.subarray(0, whole.length).equals(whole)
}

export const gzip: Target = {
  name: 'gzip',
  maxBytes: 4000,
  maxMs: 3000,
  dictionary: ['\x1f\x8b\x08', '\x1f\x8b\x08\x1f', '\0\0\0\0', '\xff\xff'],
  seeds: () => [
    zlib.gzipSync(TEXT),
    Buffer.concat([zlib.gzipSync(TEXT), Buffer.alloc(5), zlib.gzipSync('two\n')]),
    Buffer.concat([zlib.gzipSync('one\n', { level: 0 }), Buffer.from('garbage')]),
    zlib.gzipSync(Buffer.alloc(200_000)),
    zlib.gzipSync(TEXT).subarray(0, 100),
    TEXT,
  ],
  async run(input) {
    const whole = expected(input)
    const { out, error } = await inflate(input)
    if (whole !== undefined && error === undefined)
      must(beginsWith(out, whole), 'members inflate to other bytes')
    const read = await readFile(input)
    const isPlain = read.events.includes('plain')
    if (isPlain)
      must(
        read.out.equals(input.subarray(0, read.out.length)),
        'a file that is not compressed has other bytes',
      )
    else if (whole !== undefined && error === undefined)
      must(
        beginsWith(read.out, whole.subarray(0, MAX_INFLATED - 10_000)),
        () => `a file gives ${read.out.length} of ${whole.length} bytes`,
      )
    return `${whole === undefined} ${error} ${size(out.length)} ${read.events.join()} ${size(read.out.length)}`
  },
  close() {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    folder = undefined
  },
}
