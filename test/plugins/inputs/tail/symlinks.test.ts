import { describe, expect, test } from 'bun:test'
import { appendFileSync, lchownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { linkRuleOf } from '../../../../src/plugins/inputs/tail/discovery/link-rule.ts'
import { peerOrSkip } from '../../../support/skip.ts'
import { follow, MemoryStore, TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const TENANT = 65534
const asRoot = peerOrSkip('root', process.getuid?.() === 0, 'only root can give links to other users')
const QUICK = { refresh_interval: '10ms', progress_check_interval: '10ms', read_from_head: 'on' }

/** Makes a link that belongs to a tenant, in place of what is at the path. */
function tenantLink(target: string, path: string): void {
  symlinkSync(target, `${path}.new`)
  lchownSync(`${path}.new`, TENANT, TENANT)
  renameSync(`${path}.new`, path)
}

/** Makes a file that a tenant owns. */
function tenantFile(path: string, text: string): void {
  writeFileSync(path, text)
  lchownSync(path, TENANT, TENANT)
}

/** Returns the errors that name the path. */
function errors(run: TailRun, path: string): { message: string; hint: string }[] {
  return run.logs
    .filter(({ level, message }) => level === 'error' && message.includes(path))
    .map(({ message, fields }) => ({ message, hint: String(fields.hint) }))
}

/** Waits until the input has searched some times, and goes on reading. */
async function goesOn(run: TailRun, dir: string): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const line = `line ${run.lines().length}`
    appendFileSync(join(dir, 'good.log'), `${line}\n`)
    await until(() => run.lines().includes(line))
  }
}

describe('links of others, as in datadog-agent 51746 and 54303 and amazon-cloudwatch-agent 324', () => {
  asRoot('a link to a file that its owner may not read is not followed, named once and counted', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'shadow'), 'root:secret\n')
    tenantLink(join(dir, 'shadow'), join(dir, 'x.log'))
    const run = follow({ path: `${dir}/*.log`, ...QUICK })
    await goesOn(run, dir)
    // Switched to another name of the secret, relative now, while the agent runs.
    tenantLink('shadow', join(dir, 'x.log'))
    await goesOn(run, dir)
    expect(errors(run, 'x.log')).toEqual([
      {
        message: `cannot read ${dir}/x.log: the link ${dir}/x.log of user ${TENANT} leads to ${dir}/shadow, which belongs to user 0`,
        hint: expect.stringContaining('Follow_Symlinks'),
      },
    ])
    expect([run.count('links_refused'), run.count('files_unreadable')]).toEqual([1, 0])
    expect(run.lines().filter((line) => line.includes('secret'))).toEqual([])
  })

  asRoot('it is not said that no file matches when the only one cannot be read', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'shadow'), 'root:secret\n')
    tenantLink(join(dir, 'shadow'), join(dir, 'x.log'))
    const run = follow({ path: `${dir}/*.log`, ...QUICK })
    await until(() => run.logs.some(({ message }) => message.endsWith('; waiting for files')))
    expect(run.logs.map(({ message }) => message)).toContain(
      'no file that matches Path can be read yet; waiting for files',
    )
  })

  asRoot('it is followed as soon as it leads to a file of its owner', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'shadow'), 'root:secret\n')
    tenantFile(join(dir, 'own'), 'own\n')
    tenantLink('shadow', join(dir, 'x.log'))
    const run = follow({ path: `${dir}/*.log`, ...QUICK })
    await until(() => run.count('links_refused') === 1)
    tenantLink('own', join(dir, 'x.log'))
    await until(() => run.lines().includes('own'))
    // And back: the file that was read is followed no longer under that name.
    tenantLink('shadow', join(dir, 'x.log'))
    await goesOn(run, dir)
    expect(run.lines().filter((line) => line.includes('secret'))).toEqual([])
  })

  asRoot(
    'a directory of a tenant that becomes a link is not searched, and read again afterwards',
    async () => {
      const dir = tmp()
      for (const name of ['private', 'u1']) mkdirSync(join(dir, name))
      for (const name of ['u1/logs', 'private/logs']) mkdirSync(join(dir, name))
      writeFileSync(join(dir, 'private/logs/secret.log'), 'root:secret\n')
      writeFileSync(join(dir, 'u1/logs/a.log'), 'a\n')
      const run = follow({ path: `${dir}/u*/logs/*.log,${dir}/good.log`, ...QUICK })
      await until(() => run.lines().includes('a'))
      renameSync(join(dir, 'u1/logs'), join(dir, 'u1/away'))
      tenantLink('../private/logs', join(dir, 'u1/logs'))
      tenantLink('private', join(dir, 'u2'))
      await goesOn(run, dir)
      expect(run.lines().filter((line) => line.includes('secret'))).toEqual([])
      expect([errors(run, `${dir}/u1/logs:`).length, errors(run, `${dir}/u2:`).length]).toEqual([1, 1])
      expect(run.logs.filter(({ message }) => message.includes('secret.log'))).toEqual([])
      renameSync(join(dir, 'u1/logs'), join(dir, 'u1/old-link'))
      renameSync(join(dir, 'u1/away'), join(dir, 'u1/logs'))
      appendFileSync(join(dir, 'u1/logs/a.log'), 'b\n')
      await until(() => run.lines().includes('b'))
    },
  )

  asRoot('a rotated name that is a link is not read', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'shadow'), 'root:secret\n')
    tenantFile(join(dir, 'x.log'), 'one\n')
    const run = follow({ path: `${dir}/x.log,${dir}/good.log`, ...QUICK })
    await until(() => run.lines().includes('one'))
    tenantLink('shadow', join(dir, 'x.log.1'))
    renameSync(join(dir, 'x.log'), join(dir, 'x.log.2'))
    tenantFile(join(dir, 'x.log'), 'two\n')
    await until(() => run.lines().includes('two'))
    await goesOn(run, dir)
    expect(run.lines().filter((line) => line.includes('secret'))).toEqual([])
  })

  asRoot('a rotated file of what the link leads to is not read, after a restart either', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    mkdirSync(join(dir, 'private'))
    tenantFile(join(dir, 'x.log'), 'one\n')
    const before = new TailRun({ tail: { path: `${dir}/*.log`, ...QUICK }, store }).start()
    await until(() => before.lines().includes('one'))
    await before.stop()
    renameSync(join(dir, 'x.log'), join(dir, 'away'))
    tenantLink('private/x.log', join(dir, 'x.log'))
    for (const name of ['x.log', 'x.log.1']) writeFileSync(join(dir, 'private', name), 'root:secret\n')
    const run = follow({ path: `${dir}/*.log`, ...QUICK }, { store })
    await goesOn(run, dir)
    writeFileSync(join(dir, 'private/x.log.2'), 'root:secret\n')
    await goesOn(run, dir)
    expect(run.lines().filter((line) => line.includes('secret'))).toEqual([])
  })

  asRoot('a link that names a file which is followed anyway does not take it over', async () => {
    const dir = tmp()
    mkdirSync(join(dir, 'app'))
    writeFileSync(join(dir, 'app/app.log'), 'one\n')
    const run = follow({ path: `${dir}/app/*.log,${dir}/*.log`, ...QUICK })
    await until(() => run.lines().includes('one'))
    tenantLink('app/app.log', join(dir, 'x.log'))
    await until(() => run.count('links_refused') === 1)
    expect(run.files.map(({ path }) => path)).toEqual([join(dir, 'app/app.log')])
  })

  asRoot('on follows the link of a tenant, and off not even one of root', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'target'), 'text\n')
    tenantLink('target', join(dir, 'x.log'))
    symlinkSync('target', join(dir, 'y.log'))
    const on = follow({ path: `${dir}/x.log`, follow_symlinks: 'on', ...QUICK })
    const off = follow({ path: `${dir}/*.log`, follow_symlinks: 'off', ...QUICK })
    await until(() => on.lines().includes('text'))
    await goesOn(off, dir)
    expect(off.count('links_refused')).toBe(2)
    expect(off.lines()).not.toContain('text')
  })
})

test('without the option, links are followed in the directories of container logs, and by owner elsewhere', () => {
  const rule = linkRuleOf(undefined)
  const paths = [
    '/var/log/containers/x.log',
    '/var/log/pods/a/b/0.log',
    '/var/log/containers',
    '/var/log/containers2/x.log',
    '/var/log/x.log',
  ]
  expect(paths.map(rule)).toEqual(['on', 'on', 'on', 'same_owner', 'same_owner'])
  expect(linkRuleOf('off')('/var/log/containers/x.log')).toBe('off')
})

test('more unreadable paths than are remembered are named once each, and then not at every search', async () => {
  const dir = tmp()
  for (let i = 0; i < 1100; i++) symlinkSync(`loop${i}.log`, join(dir, `loop${i}.log`))
  const run = follow({ path: `${dir}/*.log`, ...QUICK })
  await goesOn(run, dir)
  const named = run.logs.filter(({ fields }) => fields.code === 'E_TAIL_UNREADABLE')
  expect(named).toHaveLength(1001)
  expect(named.at(-1)?.message).toContain('more than 1000 paths')
})
