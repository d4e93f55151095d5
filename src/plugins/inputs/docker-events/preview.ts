import type { InputPreview, PreviewContext } from '../../../core/plugin.ts'
import { openStored } from '../../../lib/plugin/database-options.ts'
import { ownerOf } from './docker-events.ts'
import { sinceText } from './event-time.ts'
import type { DockerEventsOptions } from './options.ts'
import { storedSince } from './seen-events.ts'

/** Returns what a start would read; connects to no socket. */
export async function previewEvents(
  options: DockerEventsOptions,
  ctx: PreviewContext,
): Promise<InputPreview> {
  const { unixPath, db } = options
  const store = await openStored(ctx, options, ownerOf(options, ctx.tag))
  const since = storedSince(store, ctx.clock)
  const first = store.damaged
    ? `with all events that Docker has (${db} is damaged)`
    : 'with events from the start on'
  store.close()
  const start =
    since === undefined
      ? first
      : `with events since ${sinceText(since)} that are not acknowledged (position in ${db})`
  return {
    source: `reads events of Docker from ${unixPath}`,
    sources: [{ name: unixPath, start, tag: ctx.tag }].slice(0, ctx.maxSources),
    more: ctx.maxSources > 0 ? 0 : 1,
    tags: [ctx.tag],
    notes: db === undefined ? ['no DB: events while the agent is stopped are not read'] : [],
  }
}
