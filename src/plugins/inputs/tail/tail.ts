import type { Input, InputStatus } from '../../../core/plugin.ts'
import type { StringMatcher } from '../../../lib/regex/string-matcher.ts'
import { buildStaticParts, buildTail, type StaticParts, type TailParts } from './build.ts'
import type { TailContext } from './counters.ts'
import { TailLoop } from './loop.ts'
import type { TailOptions } from './options.ts'
import { reportUnfinished } from './rotation/unfinished.ts'

/** Input that follows files. What opens or watches something is built when it runs. */
export class Tail implements Input {
  readonly #options: TailOptions
  readonly #ctx: TailContext
  readonly #tagRegex: StringMatcher | undefined
  readonly #staticParts: StaticParts
  #parts: TailParts | undefined
  #loop: TailLoop | undefined

  /** Throws E_CONFIG_BAD_VALUE when the multiline options are invalid. */
  constructor(options: TailOptions, ctx: TailContext, tagRegex: StringMatcher | undefined) {
    this.#options = options
    this.#ctx = ctx
    this.#tagRegex = tagRegex
    this.#staticParts = buildStaticParts(options, ctx)
  }

  async run(signal: AbortSignal): Promise<void> {
    const parts = await buildTail(this.#options, this.#ctx, this.#tagRegex, this.#staticParts)
    this.#parts = parts
    this.#loop = new TailLoop(this.#options, this.#ctx, parts)
    await this.#loop.run(signal)
  }

  get finite(): boolean {
    return this.#options.exitOnEof
  }

  found(): string | undefined {
    return this.#loop?.found
  }

  totalBytes(): number {
    let total = 0
    for (const { cursor } of this.#parts?.files.byKey.values() ?? [])
      total += Math.max(0, cursor.size - cursor.startedAt)
    return total
  }

  async close(): Promise<void> {
    this.#staticParts.otherInputs.close()
    if (this.#parts === undefined) return
    const { scheduler, slices, progressCheck, reconciler, joiner, positions, files, search, otherInputs } =
      this.#parts
    scheduler.stop()
    slices.stop()
    progressCheck.stop()
    search.stop()
    await reconciler.close()
    joiner?.close()
    reportUnfinished(files.byKey.values(), this.#options.db !== undefined, this.#ctx.counters, this.#ctx.log)
    positions.close()
    files.closeAll()
  }

  status(): InputStatus {
    const files = [...(this.#parts?.files.byKey.values() ?? [])]
    for (const file of files) if (file.handle.isOpen) file.refresh()
    return { files: files.map((file) => file.status()) }
  }
}
