import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ShipperError } from '../../core/error.ts'
import { FsFailure, isMissing, readRegular, stat } from '../fs/file-system.ts'

interface BearerTokenOptions {
  file: string
  /** Command that prints the token, run by `sh -c`; used instead of the file. */
  command: string | undefined
  /** Lifetime of the command's output in milliseconds. */
  ttlMs: number
  nowMs: () => number
  /** What to do when the token cannot be read. */
  hint: string
}

const COMMAND_TIMEOUT_MS = 30_000
const MAX_OUTPUT_BYTES = 65_536
/** Maximum size of Kube_Token_File: a header of a request has to hold it. */
const MAX_TOKEN_BYTES = 65_536

/**
 * The bearer token of API requests. The kubelet replaces the file's content when about 80 % of the token's lifetime has
 * passed: the next request notices the change, and a 401 forces a new read in any case.
 */
export class BearerToken {
  readonly #options: BearerTokenOptions
  #value: string | undefined
  #fileStamp = ''
  #commandRunMs = Number.NEGATIVE_INFINITY
  /** Path of the file that was not there at the last reading. */
  missing: string | undefined

  constructor(options: BearerTokenOptions) {
    this.#options = options
  }

  /** Resolves with the token; undefined without a file: the API needs no authentication, or a proxy adds it. */
  async read(): Promise<string | undefined> {
    return this.#options.command === undefined ? this.#readFile() : this.#runCommand(this.#options.command)
  }

  /** Reads the file or runs the command again; resolves true when the token has changed. */
  async reload(): Promise<boolean> {
    const before = this.#value
    this.#fileStamp = ''
    this.#commandRunMs = Number.NEGATIVE_INFINITY
    return (await this.read()) !== before
  }

  #readFile(): string | undefined {
    const { file } = this.#options
    const found = stat(file)
    this.missing = isMissing(found) ? file : undefined
    if (isMissing(found)) return undefined
    if (found instanceof FsFailure) throw this.#unreadable(found)
    const stamp = `${found.dev}:${found.ino}:${found.mtimeNs}:${found.size}`
    if (stamp !== this.#fileStamp) {
      const content = readRegular(file, MAX_TOKEN_BYTES)
      if (content instanceof FsFailure) throw this.#unreadable(content)
      this.#value = content.toString('latin1').trim()
      this.#fileStamp = stamp
    }
    return this.#value
  }

  async #runCommand(command: string): Promise<string | undefined> {
    const { nowMs, ttlMs, hint } = this.#options
    if (nowMs() - this.#commandRunMs < ttlMs) return this.#value
    try {
      const limits = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
      this.#value = (await promisify(execFile)('/bin/sh', ['-c', command], limits)).stdout.trim()
    } catch {
      // The error of a command may contain its output, the token.
      throw new ShipperError('E_KUBE_TOKEN', 'Kube_Token_Command failed', { retryable: true, hint })
    }
    this.#commandRunMs = nowMs()
    return this.#value
  }

  #unreadable({ message }: FsFailure): ShipperError {
    const { file, hint } = this.#options
    return new ShipperError('E_KUBE_TOKEN', `cannot read ${file}: ${message}`, { retryable: true, hint })
  }
}
