import type { InputContext } from '../../core/plugin.ts'

/**
 * Tags whose chunks are sealed at the end of this turn: a sender that waits for its acknowledgement must not wait for Flush. Not at
 * once, so that what many small senders send shares a chunk under load.
 */
export class TagsToSeal {
  readonly #ctx: Pick<InputContext, 'appender'>
  readonly #tags = new Set<string>()

  constructor(ctx: Pick<InputContext, 'appender'>) {
    this.#ctx = ctx
  }

  add(tag: string): void {
    if (this.#tags.size === 0) setImmediate(() => this.#seal())
    this.#tags.add(tag)
  }

  #seal(): void {
    for (const tag of this.#tags) this.#ctx.appender(tag).seal()
    this.#tags.clear()
  }
}
