import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerOrSkip } from '../skip.ts'
import { tmp } from '../tmp.ts'

const LIMIT_MS = 60_000
/** State files of dpkg, useradd and systemd's helper, and folders that these leave. */
const STATE_FILES = /^(?:var\/lib\/(?:dpkg|systemd)\/|etc\/(?:passwd|group)-?$|dpkg\.log$)/

const has = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
const missing = ['dpkg', 'dpkg-deb', 'useradd', 'deb-systemd-helper'].filter((name) => !has(name))

/** `test` for cases that need the tools of a Debian system. */
export const withDpkgDeb = peerOrSkip('dpkg', missing.length === 0, `no ${missing.join(', ')} on PATH`)

/** `test` for cases that install a package into a folder. */
export const withDpkgRoot =
  process.getuid?.() === 0 ? withDpkgDeb : peerOrSkip('root', false, 'only root can install a package')

/** A folder that dpkg uses as the root of a system without packages. Scripts run outside of it. */
export class DebianRoot {
  readonly path = tmp('shipper-debian-')

  constructor() {
    for (const dir of ['etc', 'var/lib/dpkg/info', 'var/lib/dpkg/updates', 'var/lib/dpkg/triggers'])
      mkdirSync(join(this.path, dir), { recursive: true })
    writeFileSync(join(this.path, 'var/lib/dpkg/status'), '')
    writeFileSync(join(this.path, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
    writeFileSync(join(this.path, 'etc/group'), 'root:x:0:\n')
  }

  dpkg(...args: string[]): { status: number | null; output: string } {
    const flags = [
      '--force-script-chrootless',
      '--force-depends',
      '--force-confold',
      `--log=${this.path}/dpkg.log`,
    ]
    const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
    const { status, stdout, stderr } = spawnSync('dpkg', [`--root=${this.path}`, ...flags, ...args], {
      encoding: 'utf8',
      env,
      timeout: LIMIT_MS,
    })
    return { status, output: `${stdout}${stderr}` }
  }

  /** Returns the files except the state files of the tools. */
  files(): string[] {
    const names = readdirSync(this.path, { recursive: true, encoding: 'utf8' })
    return names.filter((name) => !STATE_FILES.test(name) && !isFolder(join(this.path, name))).sort()
  }

  has(path: string): boolean {
    return existsSync(join(this.path, path))
  }

  read(path: string): string {
    return readFileSync(join(this.path, path), 'utf8')
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.path, path, '..'), { recursive: true })
    writeFileSync(join(this.path, path), text)
  }

  /** Returns `MODE UID:GID`, with the mode in octal. */
  owner(path: string): string {
    const { mode, uid, gid } = statSync(join(this.path, path))
    return `${(mode & 0o777).toString(8)} ${uid}:${gid}`
  }

  /** Returns `UID:GID` of the account, undefined if it does not exist. */
  account(name: string): string | undefined {
    const line = this.read('etc/passwd')
      .split('\n')
      .find((each) => each.startsWith(`${name}:`))
    return line?.split(':').slice(2, 4).join(':')
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false // a link to a path outside of the root
  }
}
