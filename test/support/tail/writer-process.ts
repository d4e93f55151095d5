/**
 * A program that logs and rotates its file, for the rotation tests:
 *   bun test/support/tail/writer-process.ts PATH RATE ROTATIONS EVERY_MS LATE_MS rename|copytruncate [MIN_LINES]
 * Writes RATE numbered lines a second, rotates every EVERY_MS, opens the new file LATE_MS after a rename. Ends after
 * ROTATIONS and at least MIN_LINES, and prints the number after the last line. Lines that a busy machine did not let it
 * write in time are not made up for.
 */
import { closeSync, copyFileSync, openSync, renameSync, truncateSync, writeSync } from 'node:fs'
import { numbered } from './lines.ts'

const [path = '', rate = '0', rotations = '0', every = '0', late = '0', how = 'rename', least = '0'] =
  process.argv.slice(2)
let fd = openSync(path, 'a')
// Line 0 is there already: by it a test sees that the agent follows.
let n = 1
let rotated = 0
let nextMs = performance.now() + Number(every)
/** Longest time whose lines are written at once. */
const MOST_MS = 50
/** The lines before it may be written. */
let due = n
let nowMs = performance.now()

function writeDue(): void {
  const beforeMs = nowMs
  nowMs = performance.now()
  due += (Math.min(MOST_MS, nowMs - beforeMs) / 1000) * Number(rate)
  let block = ''
  while (n < due) block += numbered(n++)
  if (block !== '') writeSync(fd, block)
}

async function rotate(): Promise<void> {
  rotated++
  if (how === 'copytruncate') {
    copyFileSync(path, `${path}.${rotated}`)
    truncateSync(path)
    return
  }
  renameSync(path, `${path}.${rotated}`)
  if (Number(late) > 0) {
    // As a program does that is told later: it goes on writing to the renamed file.
    const until = performance.now() + Number(late)
    while (performance.now() < until) {
      writeDue()
      await Bun.sleep(5)
    }
  }
  closeSync(fd)
  fd = openSync(path, 'a')
}

while (rotated < Number(rotations) || n < Number(least)) {
  writeDue()
  if (rotated < Number(rotations) && performance.now() >= nextMs) {
    nextMs += Number(every)
    await rotate()
  }
  await Bun.sleep(5)
}
writeDue()
process.stdout.write(`${n}\n`)
