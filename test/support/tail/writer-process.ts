/**
 * Logs and rotates its file, as a program of its own for the rotation tests:
 *   bun test/support/tail/writer-process.ts PATH RATE ROTATIONS EVERY_MS LATE_MS rename|copytruncate [MIN_LINES]
 * Writes RATE numbered lines a second, rotates every EVERY_MS, opens the new file LATE_MS after a rename. Ends after
 * ROTATIONS and at least MIN_LINES, and prints the number after the last line. Lines that a busy machine did not let it
 * write in time are not made up for.
 */
import { closeSync, copyFileSync, openSync, renameSync, truncateSync, writeSync } from 'node:fs'
import { numbered } from './lines.ts'

const [path = '', rate = '0', rotations = '0', every = '0', late = '0', how = 'rename', minLines = '0'] =
  process.argv.slice(2)
let fd = openSync(path, 'a')
// Line 0 exists already: it shows a test that the agent follows the file.
let n = 1
let rotated = 0
let nextMs = performance.now() + Number(every)
/** Maximum time whose lines are written at once. */
const MAX_STEP_MS = 50
/** Number of the first line that is not due yet. */
let due = n
let nowMs = performance.now()

function writeDue(): void {
  const beforeMs = nowMs
  nowMs = performance.now()
  due += (Math.min(MAX_STEP_MS, nowMs - beforeMs) / 1000) * Number(rate)
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
    // Like a program that is notified late, it continues to write to the renamed file.
    const until = performance.now() + Number(late)
    while (performance.now() < until) {
      writeDue()
      await Bun.sleep(5)
    }
  }
  closeSync(fd)
  fd = openSync(path, 'a')
}

while (rotated < Number(rotations) || n < Number(minLines)) {
  writeDue()
  if (rotated < Number(rotations) && performance.now() >= nextMs) {
    nextMs += Number(every)
    await rotate()
  }
  await Bun.sleep(5)
}
writeDue()
process.stdout.write(`${n}\n`)
