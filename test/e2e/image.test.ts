import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ARCH, ROOT } from '../../scripts/bootstrap.mjs'
import { Sink } from '../support/forward/sink.ts'
import { Mounts } from '../support/mounts.ts'
import { run, start } from '../support/process.ts'
import { assemble, missingSources, stagesOf } from '../support/release/dockerfile.ts'
import { allArrive } from '../support/shipping.ts'
import { peerOrSkip } from '../support/skip.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'

const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
const stages = stagesOf(text)
const last = stages.get('')
const own = stages.get(ARCH === 'arm64' ? 'arm64' : 'amd64')
if (last === undefined || own === undefined) throw new Error('the Dockerfile has no stage of this machine')
const copies = [...own.copies, ...last.copies]
/** Results of the RUN line in the stage of the system; '' is an empty folder. */
const MADE = { '/empty': '' }
const NUMERIC = /^[1-9]\d*:[1-9]\d*$/

const CHROOT = spawnSync('sh', ['-c', 'PATH=$PATH:/usr/sbin; command -v chroot'], {
  encoding: 'utf8',
}).stdout.trim()

const missing = missingSources(copies, MADE)
const reason =
  process.getuid?.() !== 0
    ? 'only root can change into the root of an image'
    : `this machine has no ${missing.join(', ')}`
const withImage = peerOrSkip(
  'the root of the image',
  process.getuid?.() === 0 && missing.length === 0,
  reason,
)

/** Makes the root that the Dockerfile describes, and lists its files before anything is mounted. */
function image(): { root: string; files: string[] } {
  const root = join(tmp(), 'root')
  assemble(root, copies, ROOT, MADE)
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  return { root, files: names.filter((name) => !statSync(join(root, name)).isDirectory()).sort() }
}

/** Makes a container: a read-only root in which the configuration, the logs, the offsets and /proc are mounted. */
async function container(conf: string, hosts = ''): Promise<{ logs: string; command: string[] }> {
  const { root } = image()
  const dir = tmp()
  const logs = join(dir, 'logs')
  mkdirSync(logs)
  mkdirSync(join(dir, 'conf'))
  writeFileSync(join(dir, 'conf/shipper.conf'), conf)
  for (const name of ['proc', 'var/log', 'etc/shipper']) mkdirSync(join(root, name), { recursive: true })
  writeFileSync(join(root, 'etc/hosts'), hosts)
  const mounts = await Mounts.make(
    [
      `mount --bind ${root} ${root}`,
      `mount --rbind /proc ${root}/proc`,
      `mount --bind ${logs} ${root}/var/log`,
      `mount -o remount,bind,ro ${root}/var/log`,
      `mount --bind ${dir}/conf ${root}/etc/shipper`,
      `mount -t tmpfs -o uid=65532,gid=65532,noexec none ${root}/var/lib/shipper`,
      `mount -o remount,bind,ro ${root}`,
    ].join('\n'),
  )
  const env = Object.entries(last?.env ?? {}).map(([name, value]) => `${name}=${value}`)
  const inside = ['env', '-i', ...env, CHROOT, `--userspec=${last?.user}`, root, ...(last?.entry ?? [])]
  return { logs, command: mounts.command(inside) }
}

test('the image has a numeric user who is not root, and starts with the mounted configuration', () => {
  expect(last.user).toMatch(NUMERIC)
  expect(last.entry).toEqual(['/usr/bin/shipper'])
  expect(last.command).toEqual(['-c', '/etc/shipper/shipper.conf'])
  expect(own.base).toBe('scratch')
})

test('the stages of both architectures have the same files', () => {
  const names = (stage: string): string[] =>
    (stages.get(stage)?.copies ?? []).flatMap(({ sources }) => sources.map((path) => basename(path)))
  const as64 = names('amd64').map((name) =>
    name.replace('ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1').replace('x64', 'arm64'),
  )
  expect(as64).toEqual(names('arm64'))
})

test('the build context contains only the binaries', () => {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8').trim().split('\n')
  const sent = [...stages.values()].flatMap((stage) =>
    stage.copies.filter(({ from }) => from === undefined).flatMap(({ sources }) => sources),
  )
  expect(lines).toEqual(['*', ...sent.map((path) => `!${path}`)])
})

withImage('the image contains only the binary, its libraries and CA certificates', () => {
  const { root, files } = image()
  const libraries = files.filter((name) => name.startsWith('lib')).map((name) => basename(name))
  expect(libraries.filter((name) => !name.startsWith('ld-linux-'))).toEqual([
    'libc.so.6',
    'libdl.so.2',
    'libm.so.6',
    'libpthread.so.0',
  ])
  expect(files.filter((name) => !name.startsWith('lib'))).toEqual([
    'etc/ssl/certs/ca-certificates.crt',
    'usr/bin/shipper',
  ])
  expect(readFileSync(join(root, 'etc/ssl/certs/ca-certificates.crt'), 'utf8')).toContain('BEGIN CERTIFICATE')
  expect(statSync(join(root, 'usr/bin/shipper')).mode & 0o777).toBe(0o555)
})

withImage(
  'in the image the program ships lines and stores offsets, as that user and on a read-only root',
  async () => {
    const sink = await Sink.start()
    const state = `\${SHIPPER_STATE}`
    const { logs, command } = await container(
      `[SERVICE]
    Flush 0.1
[INPUT]
    Name tail
    Path /var/log/*.log
    DB ${state}/pos.db
    Read_From_Head on
[OUTPUT]
    Name forward
    Match *
    Host collector.test
    Port ${sink.port}
`,
      '127.0.0.1 collector.test\n',
    )
    const log = join(logs, 'a.log')
    writeLines(log, 0, 1000)
    let lines = 1000
    for (let round = 0; round < 2; round++) {
      const agent = start(last.command, { command })
      await allArrive(sink, agent, lines)
      expect(await agent.stop()).toEqual({ code: 0, signal: null })
      writeLines(log, lines, lines + 1000)
      lines += 1000
    }
    expect(await sink.summary()).toMatchObject({ distinct: 2000, duplicates: 0 })
  },
)

withImage(
  'in the image the program prints its version, and an error if it cannot write because nothing is mounted',
  async () => {
    const { command } = await container('')
    expect((await run(['--version'], { command })).stdout).toStartWith('shipper ')
    const refused = await run(['-i', 'tail', '-p', 'path=/var/log/a', '-p', 'db=/pos.db', '-o', 'null'], {
      command,
    })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('/pos.db')
  },
)
