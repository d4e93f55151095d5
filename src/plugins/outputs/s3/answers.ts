import { ShipperError } from '../../../core/error.ts'
import { type AwsError, awsErrorOf, describeAwsError, xmlText } from '../../../lib/aws/error-answer.ts'

/**
 * What an answer says about the step that was tried.
 *
 * - `later`: nothing; the request is retried
 * - `exists`: an object with the key exists, so the conditional request has written nothing
 * - `gone`: the upload does not exist (any more)
 * - `refused`: the parts that were uploaded will never become an object
 * - `missing`: there is no such object
 * - `unsure`: this account is not allowed to know whether there is one
 */
type AnswerKind = 'later' | 'exists' | 'gone' | 'refused' | 'missing' | 'unsure'

type FailureFacts = Partial<Pick<S3Failure, 'mayBeDone' | 'waitMs' | 'isDefinite' | 'isOfService'>>

/** An unexpected answer of S3. */
export class S3Failure extends ShipperError {
  readonly kind: AnswerKind
  /** True when the request may have been, or may still be, carried out. */
  readonly mayBeDone: boolean
  /** Time that the service asks to wait, in milliseconds. */
  readonly waitMs: number
  /** True when the service refuses the request until its configuration, or that of the output, is changed. */
  readonly isDefinite: boolean
  /** True when other requests would fail the same way. */
  readonly isOfService: boolean
  /** Code such as `SlowDown`; empty when the answer has none. */
  readonly errorName: string

  constructor(
    kind: AnswerKind,
    error: Pick<AwsError, 'name' | 'class'>,
    message: string,
    hint: string,
    { mayBeDone = false, waitMs = 0, isDefinite = false, isOfService = false }: FailureFacts = {},
  ) {
    const isAuth = error.class === 'access' || error.class === 'credentials' || error.class === 'clock'
    super(isAuth ? 'E_PEER_AUTH' : 'E_HTTP_ANSWER', message, { retryable: true, scope: 'peer', hint })
    this.kind = kind
    this.mayBeDone = mayBeDone
    this.waitMs = waitMs
    this.isDefinite = isDefinite
    this.isOfService = isOfService
    this.errorName = error.name
  }

  /** True when the service says that an object has the key: another server may answer with this status as well. */
  get provesObject(): boolean {
    return this.kind === 'exists' && this.errorName === 'PreconditionFailed'
  }
}

/** An answer with its body. */
export interface S3Answer {
  status: number
  header(name: string): string | undefined
  text: string
}

/** Where objects are written, as the options say. */
export interface BucketPlace {
  readonly bucket: string
  readonly region: string
}

/** Hints for errors that last until something is changed. */
const HINTS: Record<string, string> = {
  EntityTooSmall: 'raise Upload_Chunk_Size: this store wants larger parts; nothing is lost in the meantime',
  EntityTooLarge: 'lower Total_File_Size, or Upload_Chunk_Size for a part; nothing is lost in the meantime',
  NotImplemented: 'the store does not know this request; nothing is lost in the meantime',
}
const MD5_HINT =
  'set Send_Content_Md5 on, as buckets with object lock require; nothing is lost in the meantime'
const MAX_WAIT_MS = 300_000

/** True for an HTML page, which the service never answers with. */
export function isHtml(text: string): boolean {
  return /^\ufeff?\s*(?:<!--(?:[^-]|-(?!->))*-->\s*)*<(?:!doctype html|html|head|body)\b/i.test(text)
}

/** Returns the code of an error answer, whatever its status; empty when it is none. */
export function codeOf(text: string): string {
  return /<Error[\s>]/.test(text) ? awsErrorOf(0, text, undefined).name : ''
}

/** Returns the failure for an unexpected answer. `what` is the request, for the message. */
export function failureOf(what: string, answer: S3Answer, place: BucketPlace): S3Failure {
  const { status, text } = answer
  const error = awsErrorOf(status, text, undefined)
  const code = error.name
  const words = isHtml(text)
    ? `status ${status} with an HTML page, as from a proxy`
    : describeAwsError(status, error)
  const message = `${what}: ${words}`
  const isElsewhere = isInOtherRegion(answer, place)
  const isLasting = isDefinite(answer, error) && !isElsewhere
  const fail = (kind: AnswerKind, hint: string, mayBeDone = false): S3Failure =>
    new S3Failure(kind, error, message, hint, {
      mayBeDone,
      waitMs: retryAfterMs(answer),
      isDefinite: isLasting,
      isOfService: (kind === 'later' || kind === 'missing') && status !== 409 && !isLasting,
    })
  if (status === 412 && !isHtml(text)) return fail('exists', 'the object was written before')
  if (code === 'NoSuchUpload') return fail('gone', 'something aborted the upload, e.g. a lifecycle rule')
  if (code === 'InvalidPart') return fail('refused', 'the records are read again')
  if (code === 'NoSuchBucket')
    return fail('later', 'create the bucket, or correct Bucket and Region; nothing is lost in the meantime')
  if (status === 409) return fail('later', 'another request for the same key was under way')
  if ((status >= 300 && status < 400) || code === 'AuthorizationHeaderMalformed' || isElsewhere)
    return fail('later', redirectHint(answer, place))
  if (error.class === 'credentials' || error.class === 'clock')
    return fail(
      'later',
      'check the credentials and the clock of this machine; nothing is lost in the meantime',
    )
  if (status === 401 || status === 403)
    return fail(
      'later',
      'the credentials need s3:PutObject and s3:AbortMultipartUpload on the bucket; nothing is lost in the meantime',
    )
  if (status === 404) return fail('missing', 'check Endpoint and Bucket; nothing is lost in the meantime')
  if (status === 503 || status === 429) return fail('later', 'the service is throttling requests', true)
  if (isHtml(text))
    return fail(
      'later',
      'check the proxy and the server behind it; nothing is lost in the meantime',
      status >= 500,
    )
  // An answer to HEAD has no text.
  if (isLasting && text.trim() === '')
    return fail(
      'later',
      `the answer does not say why: check Bucket ${place.bucket}, Region ${place.region} and Endpoint, and whether the store accepts the key; nothing is lost in the meantime`,
    )
  if (isLasting) {
    const hint = HINTS[code] ?? 'correct what the message names, in the options or in the bucket'
    return fail('later', /md5|object.?lock/i.test(error.message) ? MD5_HINT : hint)
  }
  return fail('later', 'the request is sent again', status >= 500 || status === 200)
}

/** Returns what a failed request says: the service fails, it refuses this object, or nothing about other requests. */
export function failureScopeOf(error: unknown): 'service' | 'object' | 'request' {
  if (error instanceof S3Failure)
    return error.isDefinite ? 'object' : error.isOfService ? 'service' : 'request'
  return error instanceof ShipperError && error.code !== 'E_INTERNAL' ? 'service' : 'request'
}

/** Statuses that may be temporary. */
const PASSING = new Set([401, 407, 408, 409, 425, 429])

function isDefinite({ status, text }: S3Answer, error: AwsError): boolean {
  if (error.class === 'credentials' || error.class === 'clock' || isHtml(text)) return false
  if (status === 404 && error.name === '') return false
  if (error.name === 'NoSuchBucket' || error.name === 'AuthorizationHeaderMalformed') return false
  return (status >= 400 && status < 500 && !PASSING.has(status)) || status === 501
}

/** True when the service says that the bucket is in another region than that of the options. */
function isInOtherRegion(answer: S3Answer, { region }: BucketPlace): boolean {
  const named = answer.status >= 400 && answer.status < 500 ? regionIn(answer) : undefined
  return answer.text.trim() === '' && named !== undefined && named !== region
}

function redirectHint(answer: S3Answer, { bucket, region }: BucketPlace): string {
  const named = regionIn(answer)
  if (named !== undefined && named !== region)
    return `set Region ${named}: the bucket ${bucket} is there, not in ${region}`
  return `set Region and Endpoint of the bucket ${bucket}: redirects are not followed`
}

function regionIn(answer: S3Answer): string | undefined {
  const region = answer.header('x-amz-bucket-region') ?? xmlText(answer.text, 'Region')
  return region !== undefined && /^[a-z0-9-]{1,40}$/.test(region) ? region : undefined
}

function retryAfterMs({ header }: S3Answer): number {
  const seconds = Number(header('retry-after') ?? '')
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, MAX_WAIT_MS) : 0
}
