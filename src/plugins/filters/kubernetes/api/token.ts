import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { promisify } from 'node:util'
import { messageOf, ShipperError } from '../../../../core/error.ts'

interface TokenOptions {
  file: string
  /** Instead of the file; run by `sh -c`. */
  command: string | undefined
  ttlMs: number
  nowMs: () => number
}

const COMMAND_TIMEOUT_MS = 30_000
const MOST_BYTES = 65_536

/**
 * The bearer token. The kubelet replaces the file's content when about 80 % of its time has passed: a change of the file
 * is seen by the next request, and a 401 makes it read again in any case.
 */
export class Token {
  readonly #o: TokenOptions
  #value: string | undefined
  #stamp = ''
  #readMs = Number.NEGATIVE_INFINITY

  constructor(options: TokenOptions) {
    this.#o = options
  }

  /** Undefined when there is no file: an API without authentication, or a proxy that adds it. */
  async read(): Promise<string | undefined> {
    return this.#o.command === undefined ? this.#fromFile() : this.#fromCommand(this.#o.command)
  }

  /** True when there is another token than before. */
  async renew(): Promise<boolean> {
    const before = this.#value
    this.#stamp = ''
    this.#readMs = Number.NEGATIVE_INFINITY
    return (await this.read()) !== before
  }

  #fromFile(): string | undefined {
    const { file } = this.#o
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) return undefined
    const stamp = `${stat.dev}:${stat.ino}:${stat.mtimeNs}:${stat.size}`
    if (stamp !== this.#stamp) {
      try {
        this.#value = readFileSync(file, 'latin1').trim()
      } catch (cause) {
        throw new ShipperError('E_KUBE_TOKEN', `cannot read ${file}: ${messageOf(cause)}`, {
          retryable: true,
          cause,
        })
      }
      this.#stamp = stamp
    }
    return this.#value
  }

  async #fromCommand(command: string): Promise<string | undefined> {
    const { nowMs, ttlMs } = this.#o
    if (nowMs() - this.#readMs < ttlMs) return this.#value
    try {
      const limits = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: MOST_BYTES }
      this.#value = (await promisify(execFile)('/bin/sh', ['-c', command], limits)).stdout.trim()
    } catch {
      // The error of a command may hold what it printed.
      throw new ShipperError('E_KUBE_TOKEN', 'Kube_Token_Command failed', { retryable: true })
    }
    this.#readMs = nowMs()
    return this.#value
  }
}
