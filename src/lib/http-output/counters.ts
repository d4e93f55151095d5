import type { CounterTable } from '../../core/services.ts'

/** Counters of every output over HTTP. */
export const HTTP_OUTPUT_COUNTERS = {
  requests: 'requests sent',
  request_failures: {
    help: 'requests whose records are sent again, or were refused',
    reasons: {
      auth: 'answers 401, 403 and 407: the credentials are refused',
      overload: 'answers 408, 429, 502, 503 and 504, and records of an answer that ask for a wait',
      refused: 'answers 400, 413 and 422: the whole request is refused because of one of its records',
      server: 'other unsuccessful answers',
      unknown: 'no answer, or one that cannot be read: it is unknown whether the records were stored',
    },
  },
  refused_records: 'records that the server refused for good',
  body_bytes: 'bytes of request bodies before compression',
  sent_bytes: 'bytes of request bodies as sent',
} as const satisfies CounterTable
