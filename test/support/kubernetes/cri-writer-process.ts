/**
 * A process that acts as container runtime and kubelet in the tests of container logs:
 *   bun test/support/kubernetes/cri-writer-process.ts PATH LINES_PER_SECOND ROTATIONS LINES_OF_EACH
 * Writes numbered lines in CRI format to both streams at random, each split at random into up to three parts between
 * which the other stream continues. Rotates as the kubelet does: renames the file, continues in a new one, and
 * compresses the previously renamed one. Prints the number after the last line. A busy machine makes the process take
 * longer: it does not catch up on lines that it could not write in time.
 */
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { numbered } from '../tail/lines.ts'

/** Maximum time whose lines are written in one block. */
const MAX_BLOCK_MS = 50

const [path = '', rate = '0', rotations = '0', each = '0'] = process.argv.slice(2)
let fd = openSync(path, 'a')
// Line 0 exists already: it shows a test that the agent follows the file.
let next = 1
/** Number of the first line that may not be written yet. */
let due = next
let nowMs = performance.now()
/** Parts of the current line of each stream that are still to be written. */
const rest: string[][] = [[], []]

function part(stream: number): string {
  const parts = rest[stream] as string[]
  if (parts.length === 0) parts.push(...split(numbered(next++).trimEnd()))
  const text = parts.shift() as string
  const name = stream === 0 ? 'stdout' : 'stderr'
  return `${new Date().toISOString().replace('Z', '000000Z')} ${name} ${parts.length > 0 ? 'P' : 'F'} ${text}\n`
}

function split(line: string): string[] {
  const parts: string[] = []
  let at = 0
  for (let n = Math.floor(Math.random() * 3); n > 0; n--) {
    const end = at + Math.floor(Math.random() * (line.length - at))
    parts.push(line.slice(at, end))
    at = end
  }
  return [...parts, line.slice(at)]
}

function writeDue(end: number): void {
  const beforeMs = nowMs
  nowMs = performance.now()
  due = Math.min(end, due + (Math.min(MAX_BLOCK_MS, nowMs - beforeMs) / 1000) * Number(rate))
  let block = ''
  while (next < due) block += part(Math.random() < 0.5 ? 0 : 1)
  if (block !== '') writeSync(fd, block)
}

function compress(file: string): void {
  writeFileSync(`${file}.tmp`, gzipSync(readFileSync(file)))
  renameSync(`${file}.tmp`, `${file}.gz`)
  rmSync(file)
}

const rotated: string[] = []
while (rotated.length < Number(rotations)) {
  const end = (rotated.length + 1) * Number(each)
  writeDue(end)
  if (next >= end) {
    const name = `${path}.20261121-${String(rotated.length).padStart(6, '0')}`
    renameSync(path, name)
    closeSync(fd)
    fd = openSync(path, 'a')
    const before = rotated.at(-1)
    if (before !== undefined) compress(before)
    rotated.push(name)
  }
  await Bun.sleep(5)
}
// Finishes lines that were begun.
let block = ''
for (const stream of [0, 1]) while ((rest[stream] as string[]).length > 0) block += part(stream)
writeSync(fd, block)
process.stdout.write(`${next}\n`)
