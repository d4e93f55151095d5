import { expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { follow, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const NOISE = `${'n'.repeat(99)}\n`
const LIMITS = { memBufLimit: 50e6, service: { memoryLimit: 64e6 } }

function roomOf(run: TailRun): number {
  return run.assembly.outputs[0]?.queue.window.room ?? 0
}

function isRead(run: TailRun, name: string): boolean {
  return run.files.some(({ path, read, size }) => path.endsWith(name) && size > 0 && read === size)
}

for (const tag of ['app', 'app.*'])
  test(`a line of a quiet file waits for at most 3 MB of noisy ones, with the tag ${tag}`, async () => {
    const dir = tmp()
    for (let i = 0; i < 3; i++) writeFileSync(join(dir, `noisy-${i}.log`), NOISE.repeat(20_000))
    writeFileSync(join(dir, 'quiet.log'), '')
    const run = follow({ path: join(dir, '*.log') }, { ...LIMITS, tag })
    run.hold = true
    await until(() => roomOf(run) < 100_000)
    appendFileSync(join(dir, 'quiet.log'), 'a quiet line\n')
    await until(() => isRead(run, 'quiet.log'))
    // Nothing is left to Flush.
    run.assembly.inputs[0]?.stage.sealAll()
    run.ack()
    await until(() => run.lines().includes('a quiet line'))
    expect(run.lines().indexOf('a quiet line') * NOISE.length).toBeLessThan(3_000_000)
    await run.waitForLines(60_001)
  })

test('all of several noisy files are read, in turns, while acknowledgements come one by one', async () => {
  const dir = tmp()
  for (let i = 0; i < 40; i++) writeFileSync(join(dir, `noisy-${i}.log`), `${i} ${NOISE}`.repeat(1000))
  const run = follow({ path: join(dir, '*.log') }, LIMITS)
  await run.waitForLines(40_000)
  const numbers = run.lines().map((line) => Number(line.split(' ')[0]))
  for (let i = 0; i < 40; i++) expect(numbers.filter((n) => n === i).length).toBe(1000)
})

const SKIPPED = [
  ['a line that is too long', 'x'.repeat(8_000_000)],
  ['a hole', '\0'.repeat(8_000_000)],
  ['empty lines', '\n'.repeat(8_000_000)],
] as const

test.each(SKIPPED)(
  '%s, larger than the share of a file, is skipped before anything was delivered',
  async (_, skipped) => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${skipped}\nafter\n`)
    const service = { flush: 3_600_000 }
    const run = follow({ path, skip_long_lines: 'on', skip_empty_lines: 'on' }, { memBufLimit: 4e6, service })
    await until(() => isRead(run, 'a.log'))
    run.assembly.inputs[0]?.stage.sealAll()
    expect(await run.waitForLines(1)).toEqual(['after'])
  },
)

test('files whose tags cannot be delivered stop at their share, and another file goes on', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'good.log'), 'first\n')
  const limit = 2_000_000
  const run = follow(
    { path: join(dir, '*.log'), refresh_interval: '0.1' },
    { tag: 'app.*', memBufLimit: limit },
  )
  run.refused = /bad/
  await run.waitForLines(1)
  for (let i = 0; i < 20; i++) writeFileSync(join(dir, `bad-${i}.log`), NOISE.repeat(3000))
  await until(() => (run.assembly.snapshot().inputs[0]?.memory ?? 0) > limit / 2)
  for (let i = 0; i < 20; i++) {
    appendFileSync(join(dir, 'good.log'), NOISE.repeat(1000))
    await run.waitForLines(1 + (i + 1) * 1000)
  }
  expect(run.assembly.snapshot().inputs[0]?.memory).toBeLessThan(limit * 1.125)
  run.refused = undefined
  await run.waitForLines(1 + 20_000 + 60_000)
})
