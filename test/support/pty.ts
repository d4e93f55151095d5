import { spawnSync } from 'node:child_process'
import { start } from './process.ts'
import { peerOrSkip } from './skip.ts'

/** Runs the program on a terminal of 24 x 100 and copies its output to stdout; stderr of this script stays empty. */
const BRIDGE = `
import fcntl, os, pty, struct, sys, termios
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        data = os.read(master, 65536)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
`

type Environment = Record<string, string | undefined>

const present = spawnSync('python3', ['-c', 'import pty, termios']).status === 0

/** `test` for cases that need a real terminal. */
export const testOnTerminal = peerOrSkip('python3', present, 'no python3 with the pty module on PATH')

/** Runs a TypeScript program on a terminal of its own; resolves to its output and exit status. */
export function runOnTerminal(
  script: string,
  env: Environment = {},
): ReturnType<typeof runCommandOnTerminal> {
  return runCommandOnTerminal([process.execPath, script], env)
}

/** Runs a command on a terminal of its own; resolves to its output and exit status. */
export async function runCommandOnTerminal(
  command: string[],
  env: Environment = {},
): Promise<{ screen: string; code: number | null }> {
  const bridge = start(['-c', BRIDGE, ...command], {
    command: ['python3'],
    env: { TERM: 'xterm', NO_COLOR: undefined, ...env },
  })
  const exit = await bridge.ended()
  return { screen: bridge.stdout, code: exit.code }
}
