import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { Mounts, withMounts } from '../support/mounts.ts'
import { type Running, run, shipperCommand, start } from '../support/process.ts'
import { allArrive } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'

/**
 * Makes a root for the program alone, like that of a container from scratch: the binary, its loader and libraries, /proc
 * (without which the runtime ends), the folder of the logs, which is read-only, and the state folder, mounted noexec.
 */
async function makeRoot(folders: readonly string[] = [], finish = ''): Promise<Root> {
  const dir = tmp()
  const [root, state, logs] = ['root', 'state', 'logs'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ]
  const [binary = ''] = shipperCommand()
  const files = [[binary, '/shipper'], ...librariesOf(binary).map((path) => [path, path])] as [
    string,
    string,
  ][]
  for (const folder of [state, logs]) mkdirSync(folder, { recursive: true })
  for (const name of ['proc', 'state', 'logs', ...folders]) mkdirSync(join(root, name), { recursive: true })
  for (const [, place] of files) {
    mkdirSync(join(root, dirname(place)), { recursive: true })
    writeFileSync(join(root, place), '')
  }
  const mounts = await Mounts.make(
    [
      `mount --bind ${root} ${root}`,
      ...files.map(([file, place]) => `mount --bind ${file} ${root}${place}`),
      `mount --rbind /proc ${root}/proc`,
      `mount --bind ${state} ${root}/state`,
      `mount -o remount,bind,noexec ${root}/state`,
      `mount --bind ${logs} ${root}/logs`,
      `mount -o remount,bind,ro ${root}/logs`,
      finish.replaceAll('ROOT', root),
    ].join('\n'),
  )
  return { mounts, root, state, logs }
}

interface Root {
  mounts: Mounts
  /** Paths of the root, the state folder and the logs outside of the namespace. */
  root: string
  state: string
  logs: string
}

const LIBRARY = /(\/\S+) \(0x/g

function librariesOf(binary: string): string[] {
  const { stdout } = spawnSync('ldd', [binary], { encoding: 'utf8' })
  return [...stdout.matchAll(LIBRARY)].map(([, path]) => path as string)
}

/** Starts the program: it follows /logs/a.log, stores offsets in /state, and has only this environment. */
function follow({ mounts, root }: Root, port: number, cwd = '/', env: readonly string[] = []): Running {
  const tail = ['-i', 'tail', '-p', 'path=/logs/*.log', '-p', 'db=/state/pos.db', '-p', 'read_from_head=on']
  const args = [...tail, '-o', 'forward', '-p', `port=${port}`, '-m', '*', '-f', '0.1']
  const inside = ['unshare', `--root=${root}`, `--wd=${cwd}`, '/shipper']
  return start(args, { command: mounts.command(['env', '-i', ...env, ...inside]) })
}

function storedOffset(state: string): number {
  const db = new Database(join(state, 'pos.db'), { readonly: true })
  const row = db.query('SELECT offset FROM in_tail_files').get() as { offset: number }
  db.close()
  return row.offset
}

/** Lists every file and folder with its size and modification time, which shows even a file that was created and removed. */
function listing(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .concat('.')
    .map((name) => [name, lstatSync(join(root, name), { bigint: true })] as const)
    .map(([name, { mtimeNs, size }]) => `${name} ${mtimeNs} ${size}`)
    .sort()
}

/** Writes lines while the program runs and while it does not; each run has to store its offset. */
async function drainsAndStores(container: Root, run: (port: number) => Running): Promise<void> {
  const sink = await Sink.start('lines')
  const log = join(container.logs, 'a.log')
  writeLines(log, 0, 20_000)
  let lines = 20_000
  for (let round = 0; round < 2; round++) {
    const agent = run(sink.port)
    await allArrive(sink, agent, lines)
    writeLines(log, lines, lines + 5000)
    await allArrive(sink, agent, lines + 5000)
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
    expect(storedOffset(container.state)).toBe(statSync(log).size)
    writeLines(log, lines + 5000, lines + 10_000)
    lines += 10_000
  }
  expect((await sink.summary()).duplicates).toBe(0)
  const names = readdirSync(container.state).filter((name) => !name.startsWith('pos.db'))
  expect(names).toEqual([])
}

withMounts(
  'on a read-only root with nothing but the program, without /tmp and with an empty environment, it drains and stores offsets',
  async () => {
    const container = await makeRoot([], 'mount -o remount,bind,ro ROOT')
    expect(() => writeFileSync(join(container.mounts.outside(container.root), 'a'), '')).toThrow('EROFS')
    await drainsAndStores(container, (port) => follow(container, port))
  },
)

withMounts(
  'on a writable root it writes nothing outside of its state folder, and does not touch any other folder',
  async () => {
    const folders = ['tmp', 'var/tmp', 'home/me', 'work', 'dev/shm', 'run', 'etc']
    const container = await makeRoot(folders)
    const before = listing(container.root)
    const env = [
      'HOME=/home/me',
      'TMPDIR=/tmp',
      'XDG_CACHE_HOME=/home/me/.cache',
      'XDG_RUNTIME_DIR=/run',
      'PWD=/work',
    ]
    await drainsAndStores(container, (port) => follow(container, port, '/work', env))
    expect(listing(container.root)).toEqual(before)
  },
)

test('nothing is written to the home, temporary and working folders', async () => {
  const [state, home, temp, cwd] = [tmp(), tmp(), tmp(), tmp()]
  writeFileSync(join(state, 'a.log'), 'one\ntwo\n')
  const before = [home, temp, cwd].map(listing)
  const tail = ['-i', 'tail', '-p', `path=${state}/a.log`, '-p', `db=${state}/pos.db`, '-p', 'exit_on_eof=on']
  const env = { HOME: home, TMPDIR: temp, TMP: temp, TEMP: temp, BUN_TMPDIR: temp, XDG_CACHE_HOME: home }
  const result = await run([...tail, '-p', 'read_from_head=on', '-o', 'stdout', '-m', '*'], { env, cwd })
  expect(result.code).toBe(0)
  expect(result.stdout).toContain('two')
  expect([home, temp, cwd].map(listing)).toEqual(before)
  expect(readdirSync(state).filter((name) => !name.startsWith('pos.db'))).toEqual(['a.log'])
})
