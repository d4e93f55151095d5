import type { ErrorCode } from '../../core/error.ts'
import type { FailedAnswer, Judgement } from '../http-output/api.ts'
import { failed, wordsOf } from '../http-output/judge-status.ts'
import { retryAfterMs } from '../http-output/retry-after.ts'
import { type AwsError, awsErrorOf, describeAwsError } from './error-answer.ts'

interface JudgeSettings {
  /** Name of the server in messages. */
  readonly peer: string
  readonly nowMs: number
  /** What to do when the stream, the group or the bucket does not exist. */
  readonly missingHint: string
}

/** Words in the refusal of a request that is too large as a whole. */
const TOO_LARGE = /too large|exceeds?\b.*\b(?:size|bytes|limit|MiB|MB)|size.*exceed/i

/**
 * Returns the judgement of an error response of a JSON or query service; undefined when it names no error, so that only its status
 * tells. Only a validation error is about records; errors about credentials, permissions, names and load are retried.
 */
export function judgeAwsFailure(answer: FailedAnswer, settings: JudgeSettings): Judgement | undefined {
  const { status, text, header } = answer
  const context = { ...settings, scope: 'peer' as const }
  const error = awsErrorOf(status, text, header('x-amzn-errortype'))
  // The service always names its error: something else answered, or the answer is truncated.
  if (error.name === '' && (status === 400 || status === 422))
    return failed(context, 'E_HTTP_ANSWER', `an answer without an error of the service: ${wordsOf(answer)}`, {
      hint: 'check endpoint, and that no proxy answers in place of the service; the request is retried',
    })
  // 413 has no name, or one of many.
  if (error.name === '' || status === 413) return undefined
  const words = describeAwsError(status, error)
  if (error.class === 'validation')
    return { kind: TOO_LARGE.test(withoutValues(error.message)) ? 'too large' : 'bad', reason: words }
  // A name that is not known here may be one of those of validation.
  if (error.class === 'unknown') return undefined
  const afterMs = retryAfterMs(header('retry-after'), context.nowMs)
  const { code, what, hint } = meaningOf(error, settings)
  const isOverload = error.class === 'throttling' || status === 503
  return failed(context, code, `${what}: ${words}`, { hint, isOverload, afterMs })
}

/** Returns a message without the values that it quotes, which may be texts of records: `Value 'TEXT' at 'records.1.member...` */
function withoutValues(message: string): string {
  return message.replace(/\bValue '.*' at '/s, "Value at '")
}

function meaningOf(
  { class: kind }: AwsError,
  { missingHint }: JudgeSettings,
): { code: ErrorCode; what: string; hint: string } {
  switch (kind) {
    case 'throttling':
      return {
        code: 'E_HTTP_ANSWER',
        what: 'the service accepts no more at present',
        hint: 'no action is needed: the request is retried, with fewer requests at a time; raise the capacity of the stream if it lasts',
      }
    case 'credentials':
      return {
        code: 'E_PEER_AUTH',
        what: 'the credentials are refused',
        hint: 'renew them at their source, which is read at each attempt; records wait, and none is lost',
      }
    case 'clock':
      return {
        code: 'E_PEER_AUTH',
        what: 'the signature is refused',
        hint: 'check the secret access key, the region, and the clock of this machine; records wait, and none is lost',
      }
    case 'access':
      return {
        code: 'E_PEER_AUTH',
        what: 'access is denied',
        hint: 'grant the role or user the action named in the message; records wait, and none is lost',
      }
    case 'missing':
      return { code: 'E_HTTP_ANSWER', what: 'the destination does not exist', hint: missingHint }
    default:
      return {
        code: 'E_HTTP_ANSWER',
        what: 'the service has failed',
        hint: 'no action is needed: the request is retried, with fewer requests at a time',
      }
  }
}
