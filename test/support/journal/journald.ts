import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { atEnd } from '../tmp.ts'
import { HANG_MS, within } from '../until.ts'

const PROGRAM = ['/usr/lib/systemd/systemd-journald', '/lib/systemd/systemd-journald'].find((p) =>
  existsSync(p),
)
export const MACHINE = '0123456789abcdef0123456789abcdef'

const CONFIG = `[Journal]
Storage=volatile
RateLimitBurst=0
RateLimitIntervalSec=0
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToWall=no
`

/** Mounts the test's directories in place of those of the machine. Each line on stdin is a command, answered by a line. */
const SCRIPT = `
mount --bind "$1/run" /run/systemd && mount --bind "$1/log" /run/log && mount --bind "$1/conf" /etc/systemd/journald.conf &&
mount --bind "$1/machine-id" /etc/machine-id || exit 1
"$2" >/dev/null 2>&1 & pid=$!
while ! [ -S /run/systemd/journal/stdout ]; do sleep 0.02; done
echo "$pid"
while read -r command file; do
  case $command in
    send)
      systemd-cat -t test < "$file"
      while ! journalctl -q --merge -o cat -n 50 | grep -qxF "$(tail -n 1 "$file")"; do sleep 0.02; done ;;
    rotate) journalctl -q --rotate ;;
    vacuum) journalctl -q --vacuum-files="$file" >/dev/null 2>&1 ;;
  esac
  echo done
done
kill $pid
`

/** Returns why journald cannot run here; empty when it can. */
export function journaldUnavailable(): string {
  if (PROGRAM === undefined) return 'systemd-journald is not installed'
  const { status } = spawnSync('unshare', ['--mount', 'mount', '--bind', '/tmp', '/tmp'], {
    timeout: HANG_MS,
  })
  return status === 0 ? '' : 'it needs root and its own mount namespace'
}

/** A real systemd-journald in its own mount namespace; stopped at the end of the test. */
export class Journald {
  /** Directory of its journal files. */
  readonly path: string
  readonly #dir: string
  readonly #child: ChildProcess
  readonly #answers: ((line: string) => void)[] = []
  #files = 0

  private constructor(dir: string) {
    this.#dir = dir
    this.path = join(dir, 'log/journal', MACHINE)
    for (const name of ['run', 'log']) mkdirSync(join(dir, name))
    writeFileSync(join(dir, 'conf'), CONFIG)
    writeFileSync(join(dir, 'machine-id'), `${MACHINE}\n`)
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'journald', dir, PROGRAM ?? '']
    this.#child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    let rest = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#answers.shift()?.(line)
    })
  }

  static async start(dir: string): Promise<Journald> {
    const journald = new Journald(dir)
    const exited = new Promise((resolve) => journald.#child.once('exit', resolve))
    const pid = await journald.#answer('the start of journald')
    atEnd(async () => {
      journald.#child.stdin?.end()
      await within(exited, 10_000, 'the end of journald').catch(() => process.kill(Number(pid), 'SIGKILL'))
    })
    return journald
  }

  /** Writes one entry per line, and resolves when journalctl shows the last one. */
  async send(lines: string[]): Promise<void> {
    const file = join(this.#dir, `lines-${this.#files++}`)
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''))
    await this.#do(`send ${file}`)
  }

  /** Archives the active journal file. */
  rotate(): Promise<void> {
    return this.#do('rotate')
  }

  /** Vacuums all but the newest `files` archived files. */
  vacuum(files: number): Promise<void> {
    return this.#do(`vacuum ${files}`)
  }

  async #do(command: string): Promise<void> {
    const answer = this.#answer(command)
    this.#child.stdin?.write(`${command}\n`)
    await answer
  }

  #answer(what: string): Promise<string> {
    return within(new Promise((resolve) => this.#answers.push(resolve)), HANG_MS, what)
  }
}
