import type { InputPreview, PreviewContext } from '../../../core/plugin.ts'
import { openStored } from '../../../lib/plugin/database-options.ts'
import { MACHINE } from './machine.ts'
import { type KmsgOptions, ownerOf } from './options.ts'
import { storedMessage } from './position.ts'

/** Returns what a start would read; does not open the device. */
export async function previewKmsg(options: KmsgOptions, ctx: PreviewContext): Promise<InputPreview> {
  const { db } = options
  const store = await openStored(ctx, options, ownerOf(ctx.tag))
  const stored = storedMessage(store)
  store.close()
  const start =
    stored?.boot === MACHINE.bootId()
      ? `after message ${stored.sequence} (position in ${db})`
      : 'from the oldest message that the kernel has kept'
  return {
    source: '/dev/kmsg',
    sources: [{ name: '/dev/kmsg', start, tag: ctx.tag }].slice(0, ctx.maxSources),
    more: ctx.maxSources > 0 ? 0 : 1,
    tags: [ctx.tag],
    notes: db === undefined ? ['no DB: a restart sends the messages that the kernel has kept again'] : [],
  }
}
