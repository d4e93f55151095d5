import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

const CACHE = resolve(import.meta.dirname, '../../../.cache')
const INSTALLED = ['/usr/lib/systemd', '/lib/systemd']
const NEEDED = /^Inst (lib\S+|systemd|systemd-journal-remote) /gm
const LIMIT_MS = 120_000

/** Programs of systemd: journalctl, and systemd-journal-remote, which writes journal files. */
export interface JournalTools {
  /** Reason why they are not available; empty when they are. */
  reason: string
  /** Path of systemd-journal-remote. */
  remote: string
  /** Environment for `remote`. */
  env: NodeJS.ProcessEnv
  /** PATH that contains journalctl, for the agent. */
  path: string
}

/**
 * Returns the tools of this machine. systemd-journal-remote is rarely installed: without it, Debian's package is unpacked
 * into .cache and run from there; nothing is installed.
 */
export function journalTools(): JournalTools {
  const path = process.env.PATH ?? ''
  const found = INSTALLED.map((dir) => join(dir, 'systemd-journal-remote')).find((file) => existsSync(file))
  if (found !== undefined && hasJournalctl()) return { reason: '', remote: found, env: process.env, path }
  try {
    const root = unpacked()
    const env = { ...process.env, LD_LIBRARY_PATH: libraries(root).join(delimiter) }
    const remote = ['usr/lib', 'lib']
      .map((dir) => join(root, dir, 'systemd/systemd-journal-remote'))
      .find(existsSync)
    if (remote === undefined) throw new Error('the package has no systemd-journal-remote')
    execFileSync(remote, ['--version'], { env, stdio: 'ignore', timeout: LIMIT_MS })
    return {
      reason: '',
      remote,
      env,
      path: hasJournalctl() ? path : `${join(root, 'wrap')}${delimiter}${path}`,
    }
  } catch (error) {
    return { reason: String(error).split('\n')[0] ?? '', remote: '', env: process.env, path }
  }
}

function hasJournalctl(): boolean {
  return spawnSync('journalctl', ['--version'], { stdio: 'ignore', timeout: LIMIT_MS }).status === 0
}

/** Returns the directory with the unpacked packages; created atomically, because several test files may run at once. */
function unpacked(): string {
  const dir = join(CACHE, `journal-tools-${process.arch}`)
  if (existsSync(dir)) return dir
  mkdirSync(CACHE, { recursive: true })
  const work = mkdtempSync(join(CACHE, 'journal-tools-'))
  try {
    const root = join(work, 'root')
    mkdirSync(join(root, 'wrap'), { recursive: true })
    for (const deb of download(work)) execFileSync('dpkg-deb', ['-x', deb, root], { timeout: LIMIT_MS })
    const journalctl = ['usr/bin', 'bin']
      .map((bin) => join(bin, 'journalctl'))
      .find((p) => existsSync(join(root, p)))
    const wrapper = `#!/bin/sh\nLD_LIBRARY_PATH=${libraries(join(dir)).join(':')} exec ${dir}/${journalctl} "$@"\n`
    writeFileSync(join(root, 'wrap/journalctl'), wrapper, { mode: 0o755 })
    if (!existsSync(dir)) renameSync(root, dir)
  } catch (error) {
    // Another process was faster.
    if (!existsSync(dir)) throw error
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return dir
}

/** Downloads what installing systemd-journal-remote would install, with a private package list if the machine has none. */
function download(work: string): string[] {
  const dirs = ['lists', 'cache'].map((name) => join(work, name))
  for (const dir of dirs) mkdirSync(dir)
  const [lists, cache] = dirs
  const privateLists = [
    '-o',
    `Dir::State::lists=${lists}`,
    '-o',
    `Dir::Cache=${cache}`,
    '-o',
    'APT::Sandbox::User=',
  ]
  for (const options of [[], privateLists]) {
    if (options.length > 0) apt([...options, 'update'], work)
    const plan = apt([...options, '-s', 'install', '--no-install-recommends', 'systemd-journal-remote'], work)
    const names = [...plan.matchAll(NEEDED)].map(([, name = '']) => name)
    if (names.length === 0) continue
    apt([...options, 'download', ...names], work)
    return readdirSync(work).flatMap((name) => (name.endsWith('.deb') ? [join(work, name)] : []))
  }
  throw new Error('apt-get knows no package systemd-journal-remote')
}

function apt(args: string[], cwd: string): string {
  const { stdout, status, stderr, error } = spawnSync('apt-get', ['-qq', ...args], {
    cwd,
    timeout: LIMIT_MS,
    encoding: 'utf8',
  })
  if (error !== undefined) throw error
  // Without a package list "-s install" fails: the next attempt has one.
  if (status !== 0 && !args.includes('-s')) throw new Error(`apt-get ${args.at(-1)}: ${stderr.trim()}`)
  return stdout
}

function libraries(root: string): string[] {
  const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
  return ['usr/lib', 'lib'].flatMap((dir) => [
    join(root, dir, triple),
    join(root, dir, triple, 'systemd'),
    join(root, dir, 'systemd'),
  ])
}
