import { defineOptions } from '../../core/options/option.ts'
import type { InputContext } from '../../core/plugin.ts'
import { matchTag } from '../../core/tag.ts'

/** Option of inputs whose senders choose tags. */
export const TAG_RESERVED_OPTION = defineOptions({
  tag_reserved: {
    type: 'clist',
    help: 'Patterns of tags that senders may not use, as they could forge records of others; `off`: none. Default: the tags that a filter kubernetes of this agent takes for pods (`kube.*`). Set `off` on an aggregator that gets them from agents of its own.',
  },
})

/** Tags that senders may not use: with them they could forge the records of others. */
export class ReservedTags {
  readonly #patterns: readonly string[] | undefined
  readonly #own: string | undefined
  readonly #ctx: Pick<InputContext, 'isIdentity'>
  /** The last tag that was looked up, and whether it is reserved: most have that of the one before. */
  #tag: string | undefined
  #isReserved = false

  /** `patterns`: value of Tag_Reserved; `own`: tag that the input gives to records, which is the operator's choice. */
  constructor(
    patterns: readonly string[] | undefined,
    own: string | undefined,
    ctx: Pick<InputContext, 'isIdentity'>,
  ) {
    this.#own = own
    this.#patterns = patterns?.filter((pattern) => pattern.toLowerCase() !== 'off')
    this.#ctx = ctx
  }

  has(tag: string): boolean {
    if (tag !== this.#tag) {
      this.#tag = tag
      this.#isReserved = tag !== this.#own && this.#matches(tag)
    }
    return this.#isReserved
  }

  #matches(tag: string): boolean {
    return this.#patterns?.some((pattern) => matchTag(pattern, tag)) ?? this.#ctx.isIdentity(tag)
  }
}
