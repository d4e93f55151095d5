import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

/** Maximum number of streams that are read for processes that go on after their run. */
const MAX_DRAINED = 64

/** Commands that run; their groups are ended with the agent, also when it does not wait for them. */
const running = new Set<ChildProcess>()
let isHandled = false

/** Ends the group of the command when this process exits before `leaveRunning`; not when it is killed. */
export function endAtExit(child: ChildProcess): void {
  running.add(child)
  if (isHandled) return
  isHandled = true
  process.on('exit', () => {
    for (const { pid } of running) {
      try {
        if (pid !== undefined) process.kill(-pid, 'SIGKILL')
      } catch {
        // All of its processes have ended.
      }
    }
  })
}

/** Leaves what a command that has ended has started, as it may go on on purpose. */
export function leaveRunning(child: ChildProcess): void {
  running.delete(child)
}

const drained = new Set<Readable>()

/** Reads past what comes from the stream, until it ends. Of too many, the oldest one is closed. */
export function keepDraining(stream: Readable): void {
  drained.add(stream)
  stream.once('close', () => drained.delete(stream))
  stream.resume()
  // The stream of a child process is a socket: it must not keep the agent running.
  ;(stream as { unref?: () => void }).unref?.()
  for (const oldest of drained) {
    if (drained.size <= MAX_DRAINED) return
    drained.delete(oldest)
    oldest.destroy()
  }
}
