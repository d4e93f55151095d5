import type { BulkItem } from './bulk-answer.ts'

/**
 * Fate of a record. `held`: it waits for something that an operator has to fix. `misplaced`: the same for the index that the record itself
 * has named, for which others must not wait for ever.
 */
export type ItemFate = 'delivered' | 'refused' | 'later' | 'overload' | 'held' | 'misplaced'

/** What an output does with the bulk API. */
export interface BulkUse {
  readonly creates: boolean
  /** True when a field of each record names its index. */
  readonly recordsNameIndex: boolean
}

/** Types of errors that are about the index or the cluster, whatever their status. */
const HELD_TYPES =
  /^(?:index_not_found|index_closed|cluster_block|security|authentication|authorization|validation|unavailable_shards|process_cluster_event_timeout|master_not_discovered|no_such_index_template|alias_)/
/** Those of them that are about one index. */
const INDEX_TYPES = /^(?:index_not_found|index_closed|alias_)/
/** Beginning of the reason of a `cluster_block_exception` for one index. */
const INDEX_BLOCK = /^index \[/
/**
 * Reasons of `illegal_argument_exception` and `illegal_state_exception` that are about the pipeline or a quota, and those that are about
 * the index. Only their beginnings count: what follows may be the text of a record, as in `Provided Grok expressions do not match field
 * value: [...]`, or the name of a field.
 */
const HELD_REASONS =
  /^(?:pipeline with id \[|(?:default |final |index |request )?pipeline \[|pipeline processor configured for non-existent pipeline|(?:validation failed: 1: )?this action would add \[|(?:validation failed: 1: )?this cluster currently has \[)/i
const INDEX_REASONS =
  /^(?:no write index is defined|only write ops with an op_type of create|no matching index template|matching index template \[|alias \[)/i
const TEMPLATE = /^illegal_(?:argument|state)_/
/** Types of the conflict of a document whose id exists. */
const CONFLICT = /^(?:version_conflict_engine|document_already_exists)_exception$/

/**
 * Returns what the outcome of an operation means for its record.
 *
 * ```
 *   200, 201           delivered
 *   409                of the document: delivered where the operation creates, as the id exists; else another writer was faster
 *   429, 503           overload
 *   400, other 4xx     refused, unless the error is about the index, the pipeline or a quota; an invalid name of an index is
 *                      refused only where the record names it
 *   401, 403, 404      held, but for a document that an update does not find
 *   5xx, other 409     later
 * ```
 */
export function fateOfItem(item: BulkItem, { creates, recordsNameIndex }: BulkUse): ItemFate {
  const { status, type } = item
  if (status === 200 || status === 201) return 'delivered'
  if (status === 409 && (type === '' || CONFLICT.test(type))) return creates ? 'delivered' : 'later'
  if (status === 429 || type.includes('rejected_execution') || type.startsWith('circuit_breaking'))
    return 'overload'
  if (type.startsWith('invalid_index_name')) return recordsNameIndex ? 'refused' : 'held'
  if (status === 404 && type.startsWith('document_missing')) return 'refused'
  if (isOfIndex(item)) return recordsNameIndex ? 'misplaced' : 'held'
  if (isOfCluster(item)) return 'held'
  if (status === 503) return 'overload'
  return status >= 400 && status < 500 && status !== 409 ? 'refused' : 'later'
}

function isOfIndex({ type, reason }: BulkItem): boolean {
  if (type.startsWith('cluster_block')) return INDEX_BLOCK.test(reason)
  return INDEX_TYPES.test(type) || (TEMPLATE.test(type) && INDEX_REASONS.test(reason))
}

function isOfCluster({ status, type, reason }: BulkItem): boolean {
  if (HELD_TYPES.test(type) || (TEMPLATE.test(type) && HELD_REASONS.test(reason))) return true
  return status === 401 || status === 403 || status === 404
}
