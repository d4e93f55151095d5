import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, start } from '../process.ts'
import { type Result, SCRIPT } from '../release/install.ts'
import { atEnd, tmp } from '../tmp.ts'
import { until } from '../until.ts'

const SYSTEMD = '/lib/systemd/systemd'
/** Time limit of a boot, which takes a second; the test is skipped when it neither completes nor fails. */
const MAX_BOOT_MS = 60_000

/**
 * Boots systemd on an overlay over the root file system of this machine, in its own namespaces and with its own /dev, /run,
 * /proc and control groups. `$1` is an empty directory.
 */
const BOOT = `
set -e
mount --make-rprivate /
cd "$1"
mkdir -p upper/etc/systemd/system work root
printf '[Unit]\\nDescription=only what a test starts\\n' >upper/etc/systemd/system/quiet.target
mkdir -p upper/etc/systemd/system/multi-user.target.wants
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work none root
cd root
mount -t proc none proc
for dir in run tmp; do mount -t tmpfs none $dir; done
mount -t tmpfs -o mode=755 none dev
mkdir dev/pts dev/shm dev/mqueue dev/hugepages
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mount -t sysfs -o ro none sys
mount -t tmpfs none sys/fs/cgroup
mount -t cgroup2 none sys/fs/cgroup
mkdir -p .old
pivot_root . .old
umount -l .old
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin ${SYSTEMD} --system --unit=quiet.target --log-target=null
`

/** A booted systemd. Its process 1 and everything it has started are stopped at the end of the test. */
export class Systemd {
  readonly #unshare: Running
  #pid = 0

  private constructor() {
    this.#unshare = start(
      ['-m', '-p', '-u', '-i', '-C', '-f', '--kill-child', 'sh', '-c', BOOT, 'sh', tmp()],
      {
        command: ['unshare'],
      },
    )
    atEnd(() => {
      if (this.#pid > 0) process.kill(this.#pid, 'SIGKILL')
    })
  }

  /** Boots systemd; resolves with undefined without root, overlay mounts or control groups of version 2. */
  static async boot(): Promise<Systemd | undefined> {
    if (process.getuid?.() !== 0 || !existsSync(SYSTEMD)) return undefined
    const systemd = new Systemd()
    const decided = (): boolean => systemd.#unshare.exit !== undefined || systemd.#isUp()
    const up = await until(decided, { limitMs: MAX_BOOT_MS }).catch(() => false)
    return up && systemd.#unshare.exit === undefined ? systemd : undefined
  }

  #isUp(): boolean {
    const { pid } = this.#unshare
    const children = `/proc/${pid}/task/${pid}/children`
    if (!existsSync(children)) return false
    this.#pid = Number(spawnSync('cat', [children], { encoding: 'utf8' }).stdout.trim())
    return this.#pid > 0 && this.sh('systemctl is-active quiet.target').stdout === 'active\n'
  }

  /** Runs a shell command in it. */
  sh(line: string): { status: number | null; stdout: string; stderr: string } {
    return spawnSync('nsenter', [...this.#enter(), 'sh', '-c', line], { encoding: 'utf8', timeout: 60_000 })
  }

  /** Runs the installer in it, as root and with the real paths. */
  async install(...args: string[]): Promise<Result> {
    const command = ['nsenter', ...this.#enter(), 'sh', '-s', '--']
    const installer = start(args, { command, stdin: `sleep() { command sleep 0.2; }\n${SCRIPT}` })
    const exit = await installer.ended()
    return { ...exit, stdout: installer.stdout, stderr: installer.stderr }
  }

  /** Returns the path of one of its files as seen from here. */
  path(path: string): string {
    return join(`/proc/${this.#pid}/root`, path)
  }

  /** Creates a directory in it and writes files into it. */
  folder(path: string, files: Map<string, Buffer>): void {
    mkdirSync(this.path(path), { recursive: true })
    for (const [name, bytes] of files) writeFileSync(join(this.path(path), name), bytes, { mode: 0o755 })
  }

  list(path: string): string[] {
    return existsSync(this.path(path)) ? readdirSync(this.path(path)) : []
  }

  #enter(): string[] {
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    return ['-t', String(this.#pid), '-m', '-p', '-u', '-i', '-C', 'env', '-i', path]
  }
}
