import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { promisify } from 'node:util'
import { messageOf, ShipperError } from '../../../../core/error.ts'

export interface BearerTokenOptions {
  file: string
  /** Instead of the file; run by `sh -c`. */
  command: string | undefined
  ttlMs: number
  nowMs: () => number
}

const COMMAND_TIMEOUT_MS = 30_000
const MAX_OUTPUT_BYTES = 65_536

/**
 * The bearer token. The kubelet replaces the file's content when about 80 % of its time has passed: a change of the file
 * is seen by the next request, and a 401 makes it read again in any case.
 */
export class BearerToken {
  readonly #o: BearerTokenOptions
  #value: string | undefined
  #fileStamp = ''
  #commandRunMs = Number.NEGATIVE_INFINITY

  constructor(options: BearerTokenOptions) {
    this.#o = options
  }

  /** Undefined when there is no file: an API without authentication, or a proxy that adds it. */
  async read(): Promise<string | undefined> {
    return this.#o.command === undefined ? this.#readFile() : this.#runCommand(this.#o.command)
  }

  /** True when there is another token than before. */
  async reload(): Promise<boolean> {
    const before = this.#value
    this.#fileStamp = ''
    this.#commandRunMs = Number.NEGATIVE_INFINITY
    return (await this.read()) !== before
  }

  #readFile(): string | undefined {
    const { file } = this.#o
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) return undefined
    const stamp = `${stat.dev}:${stat.ino}:${stat.mtimeNs}:${stat.size}`
    if (stamp !== this.#fileStamp) {
      try {
        this.#value = readFileSync(file, 'latin1').trim()
      } catch (cause) {
        throw new ShipperError('E_KUBE_TOKEN', `cannot read ${file}: ${messageOf(cause)}`, {
          retryable: true,
          cause,
        })
      }
      this.#fileStamp = stamp
    }
    return this.#value
  }

  async #runCommand(command: string): Promise<string | undefined> {
    const { nowMs, ttlMs } = this.#o
    if (nowMs() - this.#commandRunMs < ttlMs) return this.#value
    try {
      const limits = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
      this.#value = (await promisify(execFile)('/bin/sh', ['-c', command], limits)).stdout.trim()
    } catch {
      // The error of a command may hold what it printed.
      throw new ShipperError('E_KUBE_TOKEN', 'Kube_Token_Command failed', { retryable: true })
    }
    this.#commandRunMs = nowMs()
    return this.#value
  }
}
