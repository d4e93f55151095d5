/**
 * Action that a producer takes on an error code of a broker.
 *
 * - `leader`: the partition has another leader or none: refresh the metadata and send again
 * - `later`: send the same request again later
 * - `operator`: the topic does not exist, access is denied, or a setting does not fit: retry until an operator fixes it
 * - `identity`: the broker does not accept producer id, epoch or sequence number: get a new producer id
 * - `written`: the batch is already in the log
 * - `refused`: the broker will never accept these records together, or one of them at all
 */
export type Remedy = 'leader' | 'later' | 'operator' | 'identity' | 'written' | 'refused'

/** The time of a record differs too much from the clock of the broker; nothing else is wrong with the record. */
export const INVALID_TIMESTAMP = 32

const ERRORS: Record<number, readonly [string, Remedy]> = {
  [-1]: ['UNKNOWN_SERVER_ERROR', 'later'],
  2: ['CORRUPT_MESSAGE', 'later'],
  // Also returned while a topic is being created or moved: only the metadata tells whether the topic exists.
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'leader'],
  5: ['LEADER_NOT_AVAILABLE', 'leader'],
  6: ['NOT_LEADER_OR_FOLLOWER', 'leader'],
  7: ['REQUEST_TIMED_OUT', 'later'],
  8: ['BROKER_NOT_AVAILABLE', 'leader'],
  9: ['REPLICA_NOT_AVAILABLE', 'leader'],
  10: ['MESSAGE_TOO_LARGE', 'refused'],
  13: ['NETWORK_EXCEPTION', 'later'],
  14: ['COORDINATOR_LOAD_IN_PROGRESS', 'later'],
  15: ['COORDINATOR_NOT_AVAILABLE', 'later'],
  16: ['NOT_COORDINATOR', 'later'],
  17: ['INVALID_TOPIC_EXCEPTION', 'operator'],
  18: ['RECORD_LIST_TOO_LARGE', 'refused'],
  19: ['NOT_ENOUGH_REPLICAS', 'later'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'later'],
  21: ['INVALID_REQUIRED_ACKS', 'operator'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'operator'],
  31: ['CLUSTER_AUTHORIZATION_FAILED', 'operator'],
  [INVALID_TIMESTAMP]: ['INVALID_TIMESTAMP', 'refused'],
  33: ['UNSUPPORTED_SASL_MECHANISM', 'operator'],
  34: ['ILLEGAL_SASL_STATE', 'operator'],
  35: ['UNSUPPORTED_VERSION', 'operator'],
  37: ['INVALID_PARTITIONS', 'operator'],
  38: ['INVALID_REPLICATION_FACTOR', 'operator'],
  41: ['NOT_CONTROLLER', 'later'],
  42: ['INVALID_REQUEST', 'operator'],
  43: ['UNSUPPORTED_FOR_MESSAGE_FORMAT', 'operator'],
  44: ['POLICY_VIOLATION', 'operator'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'identity'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'written'],
  47: ['INVALID_PRODUCER_EPOCH', 'identity'],
  49: ['INVALID_PRODUCER_ID_MAPPING', 'identity'],
  51: ['CONCURRENT_TRANSACTIONS', 'later'],
  53: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'operator'],
  56: ['KAFKA_STORAGE_ERROR', 'leader'],
  58: ['SASL_AUTHENTICATION_FAILED', 'operator'],
  59: ['UNKNOWN_PRODUCER_ID', 'identity'],
  72: ['LISTENER_NOT_FOUND', 'leader'],
  74: ['FENCED_LEADER_EPOCH', 'leader'],
  75: ['UNKNOWN_LEADER_EPOCH', 'leader'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'operator'],
  80: ['PREFERRED_LEADER_NOT_AVAILABLE', 'leader'],
  87: ['INVALID_RECORD', 'refused'],
  89: ['THROTTLING_QUOTA_EXCEEDED', 'later'],
  90: ['PRODUCER_FENCED', 'identity'],
  100: ['UNKNOWN_TOPIC_ID', 'operator'],
}

/** Returns the name of an error code, as in `MESSAGE_TOO_LARGE`, or `error 123` for an unknown code. */
export function errorName(code: number): string {
  return ERRORS[code]?.[0] ?? `error ${code}`
}

/** Returns the action for an error code. An unknown code comes from a newer broker and is retried. */
export function remedyOf(code: number): Remedy {
  return ERRORS[code]?.[1] ?? 'later'
}

/**
 * Errors that concern the topic of a record and not the cluster: it does not exist, its name is not valid or is that of an
 * internal topic, it may not be written or created.
 */
const TOPIC_REFUSALS = new Set([3, 17, 29, 37, 38, 44, 100])

/** Returns true when an error code says that the broker refuses this topic, and perhaps no other one. */
export function isTopicRefusal(code: number): boolean {
  return TOPIC_REFUSALS.has(code)
}
