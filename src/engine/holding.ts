import type { BufferSource } from '../core/buffer-source.ts'
import type { Account } from './budget.ts'

/**
 * What the records of one tag hold of an input's account, in chunks that are being filled and in those that have not
 * settled. As long as nothing shows that the destination takes the tag's records, it is in doubt whether and when the bytes
 * come back, and the account adds them up.
 */
export class Holding implements BufferSource {
  used = 0
  readonly account: Account
  #isTrusted = false

  constructor(account: Account) {
    this.account = account
  }

  /** True since a chunk of the tag was delivered, until one is refused. */
  get isTrusted(): boolean {
    return this.#isTrusted
  }

  trust(): void {
    if (this.#isTrusted) return
    this.#isTrusted = true
    this.account.countDoubtful(-this.used)
  }

  distrust(): void {
    if (!this.#isTrusted) return
    this.#isTrusted = false
    this.account.countDoubtful(this.used)
  }

  /** @internal Counts bytes that were taken, or given back. */
  count(bytes: number): void {
    this.used += bytes
    if (!this.#isTrusted) this.account.countDoubtful(bytes)
    this.account.count(bytes)
  }

  take(bytes: number): Buffer | undefined {
    return this.account.take(bytes, this)
  }

  force(bytes: number): Buffer {
    return this.account.force(bytes, this)
  }

  takeLongLived(bytes: number): Buffer {
    return this.account.takeLongLived(bytes)
  }

  give(buf: Buffer): void {
    this.account.give(buf)
  }
}
