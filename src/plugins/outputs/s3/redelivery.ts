import type { Chunk } from '../../../core/chunk.ts'
import type { LateDelivery } from '../../../core/plugin.ts'

/**
 * How the records of a chunk are delivered again after a restart. Chunks of two kinds are never in one object.
 *
 * - `placed`: read again by their input, with the same ids
 * - `read`: read again by their input, which gives them no places
 * - `buffer`: read again from the buffer on disk, with the same ids
 * - `none`: not at all
 */
export type Redelivery = 'placed' | 'read' | 'buffer' | 'none'

export function redeliveryOf(chunk: Chunk, late: Pick<LateDelivery, 'readAgainBy'>): Redelivery {
  const by = late.readAgainBy(chunk)
  if (by !== 'input') return by ?? 'none'
  return chunk.places === undefined ? 'read' : 'placed'
}

/** True when records that are delivered again have the ids that they had before. */
export function keepsIds(redelivery: Redelivery): boolean {
  return redelivery === 'placed' || redelivery === 'buffer'
}
