/**
 * What a producer has to do about an error code of a broker.
 *
 * - `leader`: another broker has the partition now, or none: ask for metadata and send again
 * - `later`: the same request may succeed later
 * - `topic`: there is no such topic (any more), or it may not be written: an operator is needed, and waited for
 * - `identity`: the broker does not know producer id, epoch or sequence: a new identity is needed
 * - `written`: it is there already
 * - `size`: too large
 * - `fatal`: the request itself is refused
 */
export type Remedy = 'leader' | 'later' | 'topic' | 'identity' | 'written' | 'size' | 'fatal'

const ERRORS: Record<number, readonly [string, Remedy]> = {
  [-1]: ['UNKNOWN_SERVER_ERROR', 'later'],
  2: ['CORRUPT_MESSAGE', 'later'],
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'topic'],
  5: ['LEADER_NOT_AVAILABLE', 'leader'],
  6: ['NOT_LEADER_OR_FOLLOWER', 'leader'],
  7: ['REQUEST_TIMED_OUT', 'later'],
  8: ['BROKER_NOT_AVAILABLE', 'leader'],
  9: ['REPLICA_NOT_AVAILABLE', 'leader'],
  10: ['MESSAGE_TOO_LARGE', 'size'],
  13: ['NETWORK_EXCEPTION', 'later'],
  14: ['COORDINATOR_LOAD_IN_PROGRESS', 'later'],
  15: ['COORDINATOR_NOT_AVAILABLE', 'later'],
  16: ['NOT_COORDINATOR', 'later'],
  17: ['INVALID_TOPIC_EXCEPTION', 'topic'],
  18: ['RECORD_LIST_TOO_LARGE', 'size'],
  19: ['NOT_ENOUGH_REPLICAS', 'later'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'later'],
  21: ['INVALID_REQUIRED_ACKS', 'fatal'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'topic'],
  31: ['CLUSTER_AUTHORIZATION_FAILED', 'topic'],
  32: ['INVALID_TIMESTAMP', 'fatal'],
  33: ['UNSUPPORTED_SASL_MECHANISM', 'fatal'],
  34: ['ILLEGAL_SASL_STATE', 'fatal'],
  35: ['UNSUPPORTED_VERSION', 'fatal'],
  41: ['NOT_CONTROLLER', 'later'],
  42: ['INVALID_REQUEST', 'fatal'],
  43: ['UNSUPPORTED_FOR_MESSAGE_FORMAT', 'fatal'],
  44: ['POLICY_VIOLATION', 'topic'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'identity'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'written'],
  47: ['INVALID_PRODUCER_EPOCH', 'identity'],
  49: ['INVALID_PRODUCER_ID_MAPPING', 'identity'],
  51: ['CONCURRENT_TRANSACTIONS', 'later'],
  53: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'topic'],
  56: ['KAFKA_STORAGE_ERROR', 'leader'],
  58: ['SASL_AUTHENTICATION_FAILED', 'fatal'],
  59: ['UNKNOWN_PRODUCER_ID', 'identity'],
  72: ['LISTENER_NOT_FOUND', 'leader'],
  74: ['FENCED_LEADER_EPOCH', 'leader'],
  75: ['UNKNOWN_LEADER_EPOCH', 'leader'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'fatal'],
  80: ['PREFERRED_LEADER_NOT_AVAILABLE', 'leader'],
  87: ['INVALID_RECORD', 'fatal'],
  89: ['THROTTLING_QUOTA_EXCEEDED', 'later'],
  90: ['PRODUCER_FENCED', 'identity'],
  100: ['UNKNOWN_TOPIC_ID', 'topic'],
}

/** `MESSAGE_TOO_LARGE`, or `error 123`. */
export function errorName(code: number): string {
  return ERRORS[code]?.[0] ?? `error ${code}`
}

/** A code that is not known is one of a newer broker: it is tried again. */
export function remedyOf(code: number): Remedy {
  return ERRORS[code]?.[1] ?? 'later'
}
