import { escapeControls, truncate } from '../../core/escape-controls.ts'
import { JsonEvents } from '../json/json-events.ts'

/**
 * What an error says about the request.
 *
 * - `throttling`: rate exceeded; retry the request
 * - `credentials`: expired, unknown or revoked ones; others may be accepted
 * - `clock`: signed with a time that the service does not accept, or with a wrong key
 * - `access`: the credentials lack a permission
 * - `missing`: the stream, group or bucket does not exist
 * - `validation`: the request will never be accepted as it is
 * - `server`: a failure of the service; retry the request
 * - `unknown`: unknown error; retry the request
 */
type AwsErrorClass =
  | 'throttling'
  | 'credentials'
  | 'clock'
  | 'access'
  | 'missing'
  | 'validation'
  | 'server'
  | 'unknown'

export interface AwsError {
  /** Name such as `ThrottlingException`; empty when the answer has none. */
  readonly name: string
  /** Message of the service, one line of limited length; may be empty. */
  readonly message: string
  readonly class: AwsErrorClass
}

const MAX_MESSAGE_CHARS = 500
const NAME = /^[A-Za-z][\w.]{0,99}$/
/** From here on the message of a wrong signature repeats the request with its headers, the session token among them. */
const REPEATED_REQUEST = /The Canonical String|StringToSign|\n\n|\\n\\n/i

const NAMES: Record<Exclude<AwsErrorClass, 'unknown'>, readonly string[]> = {
  throttling: [
    'Throttling',
    'ThrottlingException',
    'ThrottledException',
    'RequestThrottled',
    'RequestThrottledException',
    'TooManyRequestsException',
    'ProvisionedThroughputExceededException',
    'TransactionInProgressException',
    'RequestLimitExceeded',
    'BandwidthLimitExceeded',
    'LimitExceededException',
    'PriorRequestNotComplete',
    'KMSThrottlingException',
    'SlowDown',
  ],
  credentials: [
    'ExpiredToken',
    'ExpiredTokenException',
    'InvalidToken',
    'TokenRefreshRequired',
    'UnrecognizedClientException',
    'UnrecognizedClient',
    'InvalidClientTokenId',
    'InvalidAccessKeyId',
    'AuthFailure',
  ],
  clock: [
    'RequestTimeTooSkewed',
    'RequestExpired',
    'RequestInTheFuture',
    'InvalidSignatureException',
    'SignatureDoesNotMatch',
  ],
  access: [
    'AccessDenied',
    'AccessDeniedException',
    'UnauthorizedOperation',
    'NotAuthorized',
    'OptInRequired',
    'SubscriptionRequiredException',
    'KMSAccessDeniedException',
    'KMSDisabledException',
    'KMSInvalidStateException',
    'KMSNotFoundException',
    'KMSOptInRequired',
    'InvalidKMSResourceException',
    'MissingAuthenticationToken',
    'MissingAuthenticationTokenException',
    'IncompleteSignature',
    'IncompleteSignatureException',
    'AuthorizationHeaderMalformed',
  ],
  missing: [
    'ResourceNotFoundException',
    'ResourceNotFound',
    'NoSuchBucket',
    'NoSuchKey',
    'NoSuchUpload',
    'UnknownOperationException',
  ],
  validation: [
    'ValidationException',
    'ValidationError',
    'InvalidArgumentException',
    'InvalidArgument',
    'InvalidParameterException',
    'InvalidParameterValue',
    'InvalidRequest',
    'InvalidRequestException',
    'SerializationException',
    'MalformedXML',
    'EntityTooLarge',
    'RecordTooLargeException',
  ],
  server: [
    'InternalFailure',
    'InternalError',
    'InternalFailureException',
    'InternalServiceError',
    'InternalServiceException',
    'ServiceUnavailable',
    'ServiceUnavailableException',
    'RequestTimeout',
    'IDPCommunicationError',
  ],
}
const CLASSES = new Map(
  Object.entries(NAMES).flatMap(([group, names]) => names.map((name) => [name, group as AwsErrorClass])),
)

/**
 * Returns the error in an answer, whose text may be the beginning of JSON, of XML or of anything else. `type` is the header `x-amzn-errortype`.
 *
 * ```
 *   {"__type": "com.amazonaws.kinesis#ResourceNotFoundException", "message": "..."}
 *   <ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>...</Message></Error></ErrorResponse>
 * ```
 */
export function awsErrorOf(status: number, text: string, type: string | undefined): AwsError {
  const fields = text.trimStart().startsWith('<') ? xmlFields(text) : jsonFields(text)
  const name = nameIn(type) ?? nameIn(fields.name) ?? ''
  const [words = ''] = (fields.message ?? '').split(REPEATED_REQUEST)
  const message = truncate(escapeControls(words.trim()), MAX_MESSAGE_CHARS)
  return { name, message, class: classOf(name, status) }
}

/** Returns an error as text: `status 400 ExpiredTokenException: the token has expired`. */
export function describeAwsError(status: number, { name, message }: AwsError): string {
  return `status ${status}${name === '' ? '' : ` ${name}`}${message === '' ? '' : `: ${message}`}`
}

/** Returns the class of an error by its name, or by the status of an answer without a known one. */
export function classOf(name: string, status: number): AwsErrorClass {
  const known = CLASSES.get(name)
  if (known !== undefined) return known
  if (status === 429) return 'throttling'
  if (status === 401 || status === 403) return 'access'
  return status >= 500 ? 'server' : 'unknown'
}

/** Returns the text of the first element of this name in XML of known form, or undefined. */
export function xmlText(xml: string, element: string): string | undefined {
  const start = xml.indexOf(`<${element}>`)
  if (start < 0) return undefined
  const from = start + element.length + 2
  const end = xml.indexOf('<', from)
  if (end < 0 || !xml.startsWith(`</${element}>`, end)) return undefined
  return xml.slice(from, end).replace(ENTITY, (all, name: string) => ENTITIES[name] ?? all)
}

const ENTITY = /&(lt|gt|amp|quot|apos|#13|#xD|#10|#xA);/g
const ENTITIES: Record<string, string> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
  '#10': '\n',
  '#xA': '\n',
}

interface Fields {
  name?: string | undefined
  message?: string | undefined
}

function xmlFields(text: string): Fields {
  return { name: xmlText(text, 'Code'), message: xmlText(text, 'Message') }
}

/** Members of errors: with one of them an answer leaves open what became of the records, whatever its status. */
export const ERROR_FIELDS: readonly string[] = [
  '__type',
  'code',
  'Code',
  'message',
  'Message',
  'error',
  'errors',
]

const NAME_FIELDS = ['__type', 'code', 'Code']
const MESSAGE_FIELDS = ['message', 'Message', 'errorMessage']

/** Returns the fields in the beginning of an object of JSON, which may be cut off. */
function jsonFields(text: string): Fields {
  const fields = new Map<string, string>()
  const events = new JsonEvents({
    scalar: (depth, key, value, isString) => {
      if (depth === 1 && isString && !fields.has(key)) fields.set(key, value)
    },
    open: () => {},
    close: () => {},
  })
  try {
    events.write(Buffer.from(text))
    // Ends a text that is cut off.
    if (!events.isComplete) events.write(Buffer.from('"'))
  } catch {
    // What is read until then is of the service, or else nothing is.
  }
  const first = (names: readonly string[]): string | undefined =>
    names.map((name) => fields.get(name)).find((value) => value !== undefined)
  return { name: first(NAME_FIELDS), message: first(MESSAGE_FIELDS) }
}

/** Returns the name without its namespace and the address after it. */
function nameIn(text: string | undefined): string | undefined {
  const name = text?.split(':')[0]?.split('#').at(-1)?.trim()
  return name !== undefined && NAME.test(name) ? name : undefined
}
