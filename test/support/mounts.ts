import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerOrSkip } from './skip.ts'
import { atEnd } from './tmp.ts'
import { HANG_MS, within } from './until.ts'

/** Root makes a namespace of mounts of its own; other users may where the kernel lets them have one of users too. */
const WAYS = [
  { unshare: ['unshare', '-m'], enter: ['-m'] },
  { unshare: ['unshare', '-rm'], enter: ['-U', '-m', '--preserve-credentials'] },
] as const

const way = WAYS.find(works)

/** `test`, where a process may have mounts that nobody else sees. */
export const withMounts = peerOrSkip(
  'a private mount namespace',
  way !== undefined,
  'neither `unshare -m` nor `unshare -rm` may mount here',
)

/** Mounts that only those see who enter: made by a process that holds them until the test ends. */
export class Mounts {
  readonly #pid: number
  readonly #enter: string[]

  private constructor(pid: number, enter: readonly string[]) {
    this.#pid = pid
    this.#enter = ['nsenter', '-t', String(pid), ...enter]
  }

  /** Runs the script in a new namespace; it must end without error. */
  static async make(script: string): Promise<Mounts> {
    const { unshare, enter } = way ?? WAYS[0]
    const [file = '', ...args] = [...unshare, 'sh', '-c', `set -e\n${script}\necho ready\nexec cat`]
    const holder = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    atEnd(() => void holder.kill('SIGKILL'))
    let said = ''
    holder.stderr.on('data', (text: Buffer) => {
      said += text.toString()
    })
    const ready = new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve())
      holder.once('close', (code) => reject(new Error(`the mounts failed with ${code}: ${said}`)))
    })
    await within(ready, HANG_MS, `the mounts of ${script}`)
    return new Mounts(holder.pid as number, enter)
  }

  /** A command that runs in the namespace; its pid is that of what it runs. */
  command(inner: readonly string[]): string[] {
    return [...this.#enter, ...inner]
  }

  /** The same file, for those outside. */
  outside(path: string): string {
    return join(`/proc/${this.#pid}/root`, path)
  }
}

/** Tried and not guessed: a container may allow the namespace and forbid the mount. */
function works({ unshare }: (typeof WAYS)[number]): boolean {
  if (unshare[1] === '-m' && process.getuid?.() !== 0) return false
  const dir = mkdtempSync(join(tmpdir(), 'shipper-mounts-'))
  const script = 'command -v nsenter && mount -t tmpfs -o size=64k none "$1" && mount -o remount,bind,ro "$1"'
  const [file, ...args] = [...unshare, 'sh', '-c', script, 'sh', dir]
  const { status } = spawnSync(file as string, args, { stdio: 'ignore', timeout: HANG_MS })
  rmSync(dir, { recursive: true, force: true })
  return status === 0
}
