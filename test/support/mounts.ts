import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerOrSkip } from './skip.ts'
import { atEnd } from './tmp.ts'
import { HANG_MS, within } from './until.ts'

/** Root may make a mount namespace; other users may if the kernel also lets them make a user namespace. */
const METHODS = [
  { unshare: ['unshare', '-m'], enter: ['-m'] },
  { unshare: ['unshare', '-rm'], enter: ['-U', '-m', '--preserve-credentials'] },
] as const

const method = METHODS.find(works)

/** `test` for cases that need mounts which no other process sees. */
export const withMounts = peerOrSkip(
  'a private mount namespace',
  method !== undefined,
  'neither `unshare -m` nor `unshare -rm` may mount here',
)

/** Mounts in a namespace of a process that exists until the test ends; only processes that enter it see them. */
export class Mounts {
  readonly #pid: number
  readonly #enter: string[]

  private constructor(pid: number, enter: readonly string[]) {
    this.#pid = pid
    this.#enter = ['nsenter', '-t', String(pid), ...enter]
  }

  /** Runs the script in a new namespace; throws if it fails. */
  static async make(script: string): Promise<Mounts> {
    const { unshare, enter } = method ?? METHODS[0]
    const [file = '', ...args] = [...unshare, 'sh', '-c', `set -e\n${script}\necho ready\nexec cat`]
    const holder = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    atEnd(() => void holder.kill('SIGKILL'))
    let stderr = ''
    holder.stderr.on('data', (text: Buffer) => {
      stderr += text.toString()
    })
    const ready = new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve())
      holder.once('close', (code) => reject(new Error(`the mounts failed with ${code}: ${stderr}`)))
    })
    await within(ready, HANG_MS, `the mounts of ${script}`)
    return new Mounts(holder.pid as number, enter)
  }

  /** Returns a command that runs `inner` in the namespace, under the same pid. */
  command(inner: readonly string[]): string[] {
    return [...this.#enter, ...inner]
  }

  /** Takes every free block of the disk that this file is on. */
  fillDisk(path: string): void {
    const fd = openSync(this.outside(path), 'a')
    try {
      for (;;) writeSync(fd, Buffer.alloc(4096))
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error
    } finally {
      closeSync(fd)
    }
  }

  /** Returns the path of the file as processes outside of the namespace see it. */
  outside(path: string): string {
    return join(`/proc/${this.#pid}/root`, path)
  }
}

/** Tries the method, because a container may allow the namespace and forbid the mount. */
function works({ unshare }: (typeof METHODS)[number]): boolean {
  if (unshare[1] === '-m' && process.getuid?.() !== 0) return false
  const dir = mkdtempSync(join(tmpdir(), 'shipper-mounts-'))
  const script = 'command -v nsenter && mount -t tmpfs -o size=64k none "$1" && mount -o remount,bind,ro "$1"'
  const [file, ...args] = [...unshare, 'sh', '-c', script, 'sh', dir]
  const { status } = spawnSync(file as string, args, { stdio: 'ignore', timeout: HANG_MS })
  rmSync(dir, { recursive: true, force: true })
  return status === 0
}
