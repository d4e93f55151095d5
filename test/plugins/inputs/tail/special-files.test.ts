import { expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandAsOtherUser, testAsOtherUser } from '../../../support/other-user.ts'
import { start } from '../../../support/process.ts'
import { follow, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Searches every 10 ms, so that a text logged once was logged once in hundreds of searches. */
const QUICK = { refresh_interval: '10ms', progress_check_interval: '10ms', watcher_interval: '10ms' }

/** Returns the warnings and errors that name the path. */
function named(run: TailRun, path: string): string[] {
  return run.logs
    .filter(({ level, message }) => (level === 'warn' || level === 'error') && message.includes(path))
    .map(({ message }) => message)
}

/** Writes lines one by one, each when the previous one has arrived, so that the agent makes progress. */
async function goesOn(run: TailRun, path: string): Promise<void> {
  const first = run.lines().length
  for (let i = first; i < first + 20; i++) {
    const line = `${path} ${i}`
    appendFileSync(path, `${line}\n`)
    await until(() => run.lines().filter((l) => l === line).length === 1)
  }
}

const SPECIAL = [
  '/proc/self/status',
  '/proc/kmsg',
  '/sys/kernel/uevent_seqnum',
  '/dev/zero',
  '/dev/tty',
  '/dev/null',
]

for (const target of SPECIAL) {
  test(`${target} is logged once and not read, by its own name, through a link and by a wildcard`, async () => {
    const dir = tmp()
    symlinkSync(target, join(dir, 'linked.log'))
    symlinkSync(target, join(dir, 'w-special.log'))
    const paths = [target, join(dir, 'linked.log'), join(dir, 'w-*.log'), join(dir, 'good.log')]
    const run = follow({ path: paths.join(','), ...QUICK })
    await goesOn(run, join(dir, 'good.log'))
    expect(run.lines().filter((line) => !line.startsWith(dir))).toEqual([])
    expect(named(run, `${target} `).length + named(run, `${target}:`).length).toBe(1)
    expect(named(run, join(dir, 'linked.log'))).toHaveLength(1)
    expect(named(run, join(dir, 'w-special.log')).length).toBeLessThanOrEqual(1)
  })
}

test('a FIFO that is renamed over the path while the agent runs is logged once and never blocks', async () => {
  const dir = tmp()
  const path = join(dir, 'x.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path: `${path},${join(dir, 'good.log')}`, ...QUICK })
  await run.waitForLines(1)
  // Renamed back and forth, so that the agent meets it between examining the path and opening it.
  for (let i = 0; i < 50; i++) {
    execFileSync('mkfifo', [join(dir, 'fifo')])
    renameSync(join(dir, 'fifo'), path)
    writeFileSync(join(dir, 'next'), `x ${i}\n`)
    if (i === 25) await goesOn(run, join(dir, 'good.log'))
    renameSync(join(dir, 'next'), path)
  }
  await until(() => run.lines().includes('x 49'))
  await goesOn(run, join(dir, 'good.log'))
  execFileSync('mkfifo', [join(dir, 'fifo')])
  const before = named(run, path).length
  renameSync(join(dir, 'fifo'), path)
  await goesOn(run, join(dir, 'good.log'))
  expect(named(run, path).length - before).toBe(1)
  expect(named(run, path).at(-1)).toBe(`Path ${path} is a FIFO: nothing is read`)
  // The path is retried.
  writeFileSync(join(dir, 'next'), 'back\n')
  renameSync(join(dir, 'next'), path)
  await until(() => run.lines().includes('back'))
})

testAsOtherUser(
  'a path that the user may not read is logged once, and read once it becomes readable',
  async () => {
    const dir = tmp()
    chmodSync(dir, 0o755)
    for (const name of ['closed', 'open']) mkdirSync(join(dir, name))
    writeFileSync(join(dir, 'closed/x.log'), 'secret\n')
    writeFileSync(join(dir, 'closed/y.log'), 'wild\n')
    writeFileSync(join(dir, 'open/good.log'), 'good\n')
    chmodSync(join(dir, 'closed'), 0o700)
    const paths = [`${dir}/closed/x.log`, `${dir}/c*/y*.log`, '/root/x.log', `${dir}/open/*.log`]
    const options = ['-p', 'refresh_interval=0.05', '-p', 'read_from_head=on', '-o', 'stdout', '-f', '0.05']
    const agent = start(['-i', 'tail', '-p', `path=${paths.join(',')}`, ...options], {
      command: commandAsOtherUser(),
      cwd: '/',
    })
    await until(() => agent.stdout.includes('good'), { what: () => agent.stderr })
    const count = (path: string): number => agent.stderr.split(`cannot read ${path}:`).length - 1
    for (let i = 0; i < 20; i++) {
      appendFileSync(join(dir, 'open/good.log'), `good ${i}\n`)
      await until(() => agent.stdout.includes(`good ${i}"`), { what: () => agent.stderr })
    }
    expect([count(`${dir}/closed/x.log`), count(`${dir}/closed`), count('/root/x.log')]).toEqual([1, 1, 1])
    chmodSync(join(dir, 'closed'), 0o755)
    await until(() => agent.stdout.includes('secret') && agent.stdout.includes('wild'), {
      what: () => agent.stderr,
    })
    agent.child.kill('SIGTERM')
    expect((await agent.ended()).code).toBe(0)
  },
)
