import type { InputPreview, PreviewContext } from '../../../core/plugin.ts'
import { credentialNotes } from '../../../lib/kubernetes/options.ts'
import { openStored } from '../../../lib/plugin/database-options.ts'
import { EventPositions } from './event-positions.ts'
import { oldestSeconds } from './event-source.ts'
import { ownerOf } from './kubernetes-events.ts'
import type { KubernetesEventsOptions } from './options.ts'

/** Returns what a start would read; asks no server. */
export async function previewEvents(
  options: KubernetesEventsOptions,
  ctx: PreviewContext,
): Promise<InputPreview> {
  const { kubeUrl, kubeNamespace, db } = options
  const store = await openStored(ctx, options, ownerOf(options, ctx.tag))
  const positions = new EventPositions(store, oldestSeconds(options, ctx.clock.nowMs()), ctx)
  const { acked } = positions
  positions.close()
  const oldest = store.damaged
    ? `from the oldest event that the server has (${db} is damaged)`
    : `from the events of the last ${options.kubeRetentionTime / 1000} s`
  const scope = kubeNamespace === undefined ? 'all namespaces' : `namespace ${kubeNamespace}`
  const start = acked === undefined ? oldest : `after resourceVersion ${acked} (position in ${db})`
  const notes = ['run it once per cluster: on every node, each event would be sent once per node']
  notes.push(...credentialNotes(options))
  if (db === undefined) notes.push('no DB: a restart sends the events of Kube_Retention_Time again')
  return {
    source: `watches the events of ${scope} at ${kubeUrl}`,
    sources: [{ name: scope, start, tag: ctx.tag }].slice(0, ctx.maxSources),
    more: ctx.maxSources > 0 ? 0 : 1,
    tags: [ctx.tag],
    notes,
  }
}
