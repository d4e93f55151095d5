import { spawn } from 'node:child_process'
import { checkedCredentials, jsonObject, unusable } from './credentials-form.ts'
import type { Credentials } from './signature.ts'

/** Limits as in fluent-bit. */
const TIMEOUT_MS = 60_000
const MAX_OUTPUT_BYTES = 65_536
/** Time after the end of the program within which its output has to end. */
const OUTPUT_MS = 1000
const WHERE = 'credential_process'
const STOPPED = 'the agent stops, or has waited too long'
const WORD = /"([^"]*)"(?=\s|$)|([^\s"]+)(?=\s|$)/gy

/**
 * Runs a `credential_process` of a profile, without a shell, and resolves with the credentials that it prints:
 * `{"Version": 1, "AccessKeyId": ..., "SecretAccessKey": ..., "SessionToken": ..., "Expiration": ...}`. Its errors and its output
 * are not shown: they may hold secrets.
 */
export async function runCredentialProcess(command: string, signal: AbortSignal): Promise<Credentials> {
  const [program, ...args] = wordsOf(command, WHERE)
  if (program === undefined) throw unusable(WHERE, 'it names no program')
  const output = await outputOf(program, args, signal)
  const fields = jsonObject(output, `the output of ${WHERE}`)
  if (fields.Version !== 1) throw unusable(`the output of ${WHERE}`, 'its Version is not 1')
  return checkedCredentials(
    {
      accessKeyId: fields.AccessKeyId,
      secretAccessKey: fields.SecretAccessKey,
      sessionToken: fields.SessionToken,
      expiration: fields.Expiration,
    },
    `the output of ${WHERE}`,
  )
}

/** Splits words at blanks; one with blanks is in double quotation marks. There are no escapes. */
function wordsOf(command: string, where: string): string[] {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (command[at] === ' ' || command[at] === '\t') at++
    if (at === command.length) return words
    WORD.lastIndex = at
    const match = WORD.exec(command)
    if (match === null) throw unusable(where, 'a quotation mark is not at the beginning or the end of a word')
    words.push(match[1] ?? match[2] ?? '')
    at = WORD.lastIndex
  }
}

/** Runs the program in a process group of its own, which is killed as a group: a script may wait for a child that hangs. */
function outputOf(program: string, args: string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(unusable(WHERE, STOPPED))
      return
    }
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
    const pieces: Buffer[] = []
    let bytes = 0
    const settle = (reason: string | undefined): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      if (reason !== undefined) killGroup(child.pid)
      child.stdout.destroy()
      if (reason === undefined) resolve(Buffer.concat(pieces).toString())
      else reject(unusable(WHERE, reason))
    }
    const abort = (): void => settle(STOPPED)
    let timer = setTimeout(() => settle(`it did not end within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS)
    signal.addEventListener('abort', abort, { once: true })
    child.stdout.on('data', (piece: Buffer) => {
      bytes += piece.length
      pieces.push(piece)
      if (bytes > MAX_OUTPUT_BYTES) settle(`it prints more than ${MAX_OUTPUT_BYTES} bytes`)
    })
    child.once('error', (error) => settle(reasonOf(error)))
    const ended = (status: number | null, by: string | null): void => {
      if (status === 0) settle(undefined)
      else settle(by === null ? `it exited with status ${status}` : `it was ended by ${by}`)
    }
    child.once('close', ended)
    // A process that it left behind may keep its output open.
    child.once('exit', (status, by) => {
      clearTimeout(timer)
      timer = setTimeout(() => ended(status, by), OUTPUT_MS)
    })
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of its processes have ended.
  }
}

function reasonOf(error: Error & { code?: unknown }): string {
  if (error.code === 'ENOENT') return 'the program does not exist'
  if (error.code === 'EACCES') return 'the program may not be run'
  return 'it failed'
}
