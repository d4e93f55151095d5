import { CloudwatchApi } from '../doubles/cloudwatch.ts'
import { EsApi } from '../doubles/es.ts'
import { DATADOG, JsonLogsApi } from '../doubles/json-logs.ts'
import { KinesisApi } from '../doubles/kinesis.ts'
import { LokiApi } from '../doubles/loki.ts'
import { OtlpApi } from '../doubles/otlp.ts'
import { S3Api } from '../doubles/s3.ts'
import { SplunkApi } from '../doubles/splunk.ts'
import type { StoreAnswer, StoreApi, StoreContext, StoreRequest } from '../doubles/store-double.ts'

/** What is wrong: `html` comes with 502, `page` with 200. */
export type BadInput = 'token' | 'certificate' | 'missing' | 'conflict' | 'large' | 'html' | 'page'

type Answers = StoreAnswer | ((request: StoreRequest) => StoreAnswer)

export interface BadCase {
  api: () => StoreApi
  /** Options, but for the address. */
  options: Record<string, string | number>
  /** Options with the address: host, port and tls unless the API has others. */
  address?: (url: string) => Record<string, string>
  /** Answer to a wrong token, and to a place that does not exist, in the words of the API. */
  token: Answers
  missing: Answers
  /** What cannot happen, and why. */
  never?: Partial<Record<BadInput, string>>
  /** Size of a record that is too large for the API itself; default: the server has a limit of its own. */
  largeBytes?: number
  /** Options of the input: a parser that leaves the time out, where old records are refused. */
  tail?: Record<string, string>
}

/** An API with another answer for as long as it is set. */
export class Answering implements StoreApi {
  answer: Answers | undefined
  readonly #api: StoreApi

  constructor(api: StoreApi) {
    this.#api = api
  }

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    if (this.answer === undefined) return this.#api.handle(request, store)
    return typeof this.answer === 'function' ? this.answer(request) : this.answer
  }

  error(status: number): StoreAnswer {
    return this.#api.error?.(status) ?? { status, body: 'no' }
  }
}

export const TOKEN = 'secret-token'

function json(status: number, body: object): StoreAnswer {
  return { status, body: JSON.stringify(body) }
}

function text(status: number, body: string): StoreAnswer {
  return { status, type: 'text/plain', body }
}

function amz(name: string, message: string): StoreAnswer {
  const body = JSON.stringify({ __type: name, message })
  return { status: 400, type: 'application/x-amz-json-1.1', body }
}

function xml(status: number, code: string, message: string): StoreAnswer {
  const body = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status, type: 'application/xml', body }
}

function items(status: number, type: string, reason: string): Answers {
  return ({ content }) => {
    const count = content.toString().trim().split('\n').length / 2
    const item = { create: { status, error: { type, reason } } }
    return json(200, { errors: true, items: Array.from({ length: count }, () => item) })
  }
}

const UNAUTHENTICATED = {
  type: 'security_exception',
  reason: 'unable to authenticate user [agent] for REST request [/_bulk]',
}
const BULK: BadCase = {
  api: () => new EsApi(),
  options: { http_user: 'agent', http_passwd: TOKEN },
  token: json(401, { error: { root_cause: [UNAUTHENTICATED], ...UNAUTHENTICATED }, status: 401 }),
  missing: items(
    404,
    'index_not_found_exception',
    'no such index [logs] and [action.auto_create_index] is [false]',
  ),
}
const PAGE_IS_AN_ANSWER = 'of the answers of a plain receiver only the status is known'
const NOTHING_IS_REFUSED = 'the API refuses no record for what it says'
const AWS_ADDRESS = (url: string): Record<string, string> => ({ endpoint: url })
const KINESIS: Omit<BadCase, 'options'> = {
  // The text of aggregated records is in the data as it is.
  api: () => new KinesisApi((data) => data.toString('latin1').match(/"n":\d+/g) ?? []),
  address: AWS_ADDRESS,
  token: amz('UnrecognizedClientException', 'The security token included in the request is invalid.'),
  missing: amz('ResourceNotFoundException', 'Stream logs under account 123456789012 not found.'),
  never: { conflict: NOTHING_IS_REFUSED },
  largeBytes: 1_200_000,
}

/** Each output over HTTP, with what its API answers. */
export const BAD_INPUT: Record<string, BadCase> = {
  es: BULK,
  opensearch: BULK,
  http: {
    api: () => new JsonLogsApi(),
    options: { format: 'json_lines', bearer_token: TOKEN },
    token: text(401, 'Unauthorized'),
    missing: text(404, '404 page not found'),
    never: { page: PAGE_IS_AN_ANSWER },
  },
  loki: {
    api: () => new LokiApi(),
    options: { http_user: 'agent', http_passwd: TOKEN },
    token: text(401, 'no org id'),
    missing: text(404, '404 page not found'),
  },
  opentelemetry: {
    api: () => new OtlpApi(),
    options: { header: `authorization ${TOKEN}` },
    token: json(401, { code: 16, message: 'Unauthenticated' }),
    missing: text(404, '404 page not found'),
    never: { conflict: 'of a part of a request OTLP does not say which records are rejected' },
  },
  splunk: {
    api: () => new SplunkApi(),
    options: { splunk_token: TOKEN },
    token: json(403, { text: 'Invalid token', code: 4 }),
    missing: json(400, { text: 'Incorrect index', code: 7, 'invalid-event-number': 0 }),
  },
  datadog: {
    api: () => new JsonLogsApi(DATADOG),
    options: { apikey: TOKEN },
    token: json(403, { errors: [{ status: '403', title: 'Forbidden' }] }),
    missing: json(404, { errors: [{ status: '404', title: 'Not Found' }] }),
  },
  nrlogs: {
    api: () => new JsonLogsApi({ path: '/log/v1', status: 202 }),
    options: { license_key: TOKEN },
    address: (url) => ({ base_uri: `${url}/log/v1` }),
    token: json(403, {}),
    missing: { status: 404 },
    never: { conflict: NOTHING_IS_REFUSED },
  },
  s3: {
    api: () => new S3Api(),
    options: { bucket: 'logs', upload_timeout: '1s' },
    address: AWS_ADDRESS,
    token: xml(
      403,
      'InvalidAccessKeyId',
      'The AWS Access Key Id you provided does not exist in our records.',
    ),
    missing: xml(404, 'NoSuchBucket', 'The specified bucket does not exist'),
    never: { conflict: 'an object takes any record', large: 'an object takes any record' },
  },
  cloudwatch_logs: {
    ...KINESIS,
    api: () => {
      const api = new CloudwatchApi()
      api.groups.set('logs', {})
      return api
    },
    options: { log_group_name: 'logs', log_stream_name: 'node', region: 'us-east-1' },
    missing: amz('ResourceNotFoundException', 'The specified log group does not exist.'),
    tail: { parser: 'untimed' },
  },
  kinesis_streams: { ...KINESIS, options: { stream: 'logs', region: 'us-east-1' } },
  kinesis_firehose: { ...KINESIS, options: { delivery_stream: 'logs', region: 'us-east-1' } },
  kinesis_aggregation: { ...KINESIS, options: { stream_name: 'logs', region: 'us-east-1' } },
}
