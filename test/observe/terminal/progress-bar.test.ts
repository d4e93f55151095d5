import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProgress } from '../../../src/observe/terminal/progress-bar.ts'
import { runOnTerminal, testOnTerminal } from '../../support/pty.ts'
import { tmp } from '../../support/tmp.ts'

const SOURCE = join(import.meta.dirname, '../../../src/observe/terminal/progress-bar.ts')

function program(body: string): string {
  const path = join(tmp(), 'program.ts')
  writeFileSync(path, `import { createProgress } from ${JSON.stringify(SOURCE)}\n${body}`)
  return path
}

/** Splits the screen into its drawings. */
function frames(screen: string): string[] {
  return screen
    .split('\x1b[1G')
    .slice(1)
    .map((text) => text.replaceAll('\x1b[0K', ''))
}

const FRAME = /^\[=*-*\] +\d+% {2}\d[\d.]* M?B of 30\.0 MB {2}[\d.]+ [KMG]?B\/s {2}[\d:-]+ left$/
const LAST = /^\[=+\] 100% {2}30\.0 MB of 30\.0 MB {2}[\d.]+ MB\/s {2}in 0:\d\d\r\n$/

testOnTerminal('draws bytes, rate and time left, and finally the duration', async () => {
  const { screen, code } = await runOnTerminal(
    program(`
const bar = createProgress({ stream: process.stderr, totalBytes: 10e6 })
let done = 0
const timer = setInterval(() => {
  bar.update((done += 0.2e6), 30e6)
  if (done < 29.9e6) return
  clearInterval(timer)
  bar.stop()
  bar.stop()
  bar.update(1)
}, 10)`),
  )
  expect(code).toBe(0)
  const drawn = frames(screen)
  expect(drawn.at(-1)).toMatch(LAST)
  expect(drawn.at(-2)).toMatch(FRAME)
  // 150 updates in 1.5 s or more; five frames a second, and one at the start and one at the end.
  expect(drawn.length).toBeGreaterThan(3)
  const seconds = Number(drawn.at(-1)?.slice(-4).trim()) + 0.5
  expect(drawn.length).toBeLessThanOrEqual(Math.ceil(seconds * 5) + 2)
  for (const frame of drawn) expect(frame.length).toBeLessThan(100)
})

testOnTerminal('leaves cursor and wrapping of the terminal as they were', async () => {
  const { screen } = await runOnTerminal(
    program(`
const bar = createProgress({ stream: process.stderr, totalBytes: 100 })
bar.update(100)
bar.stop()`),
  )
  expect(screen).toContain('100 B of 100 B')
  for (const sequence of ['\x1b7', '\x1b8', '\x1b[?7', '\x1b[?25']) expect(screen).not.toContain(sequence)
})

testOnTerminal('does not show 100% while a byte is left, and handles 0 bytes', async () => {
  const { screen } = await runOnTerminal(
    program(`
for (const [done, total] of [[9999, 10000], [0, 0]]) {
  const bar = createProgress({ stream: process.stderr, totalBytes: total })
  bar.update(done)
  bar.stop()
}`),
  )
  expect(screen).toContain(' 99%  10.0 KB of 10.0 KB')
  expect(screen).toContain('100%  0 B of 0 B')
  expect(screen).not.toContain('NaN')
})

test('draws nothing without a terminal', () => {
  let written = 0
  const stream = { isTTY: false, write: () => ++written > 0 } as unknown as NodeJS.WriteStream
  const bar = createProgress({ stream, totalBytes: 10 })
  bar.update(5)
  bar.stop()
  expect(written).toBe(0)
})

test('a terminal of unknown width gets 80 columns', () => {
  expect(drawnOn(0)).toContain(`[${'='.repeat(24)}] 100%  10 B of 10 B`)
})

test('a narrow terminal gets the text without the bar', () => {
  const text = drawnOn(30)
  expect(text).toContain('100%  10 B of 10 B')
  expect(text).not.toContain('[=')
  for (const frame of frames(text)) expect(frame.trimEnd().length).toBeLessThan(30)
})

function drawnOn(columns: number): string {
  let text = ''
  const stream = {
    isTTY: true,
    columns,
    write: (part: string) => {
      text += part
      return true
    },
  } as unknown as NodeJS.WriteStream
  const bar = createProgress({ stream, totalBytes: 10 })
  bar.update(10)
  bar.stop()
  return text
}
