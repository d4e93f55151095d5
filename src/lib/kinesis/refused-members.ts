import { awsErrorOf, describeAwsError } from '../aws/error-answer.ts'
import type { FailedAnswer, Judgement } from '../http-output/api.ts'
import { Verdicts } from '../http-output/verdicts.ts'

/**
 * A constraint on the data of a record of the request, which is counted from 1. Of values in quotes only that of data is allowed: another one,
 * such as a partition key, is the text of a record, which may look like a constraint.
 */
const TOO_LONG =
  /Value (?:'java\.nio\.\w{1,40}\[[^'\]]{0,100}\]' )?at 'records\.(\d{1,4})\.member\.data' failed to satisfy constraint: Member must have length less than or equal to \d{1,9}/gi
/** A message of nothing else. */
const ALL_TOO_LONG = new RegExp(
  `^(?:\\d{1,4} validation errors? detected: ?)?(?:${TOO_LONG.source}[; ]{0,4}){1,500}$`,
  'i',
)

/**
 * Returns the verdicts of a refusal that names the records whose data is too long; undefined when it names none. They are refused for
 * good, and the other ones, which were not looked at, are sent again. A message with anything else names none. `counts`: number of records of the chunk in each record of the
 * request.
 *
 * ```
 *   ValidationException: 1 validation error detected: Value at 'records.1.member.data' failed to satisfy constraint: Member must have
 *   length less than or equal to 1048576
 * ```
 */
export function readRefusedMembers(
  { status, text, header }: FailedAnswer,
  counts: readonly number[],
): Judgement | undefined {
  const error = awsErrorOf(status, text, header('x-amzn-errortype'))
  if (status !== 400 || error.name !== 'ValidationException') return undefined
  const refused = new Map<number, string>()
  if (!ALL_TOO_LONG.test(error.message)) return undefined
  for (const [words, member] of error.message.matchAll(TOO_LONG)) {
    const index = Number(member) - 1
    if (index < 0 || index >= counts.length) return undefined
    refused.set(index, words)
  }
  if (refused.size === 0) return undefined
  const verdicts = new Verdicts(counts.reduce((sum, count) => sum + count, 0))
  let record = 0
  for (const [index, count] of counts.entries()) {
    const words = refused.get(index)
    const reason = words && describeAwsError(status, { ...error, message: words })
    for (let i = 0; i < count; i++, record++) {
      if (reason === undefined) verdicts.next(record)
      else verdicts.refuse(record, reason)
    }
  }
  return { kind: 'records', verdicts }
}
