import type { Answer } from '../../../lib/http-output/api.ts'
import { readJsonAnswer } from '../../../lib/http-output/json-answer.ts'

/**
 * Returns those of these ids that an answer says `true` of; undefined for an empty answer.
 *
 * ```
 *   {"acks":{"7":true,"8":false}}
 * ```
 * What is not in `acks`, is no id as it was asked for or has several values says nothing.
 */
export async function readAcks(
  answer: Answer,
  ids: readonly number[],
): Promise<ReadonlySet<number> | undefined> {
  const byKey = new Map(ids.map((id) => [String(id), id]))
  const acknowledged = new Set<number>()
  const seen = new Set<number>()
  let isInAcks = false
  const isJson = await readJsonAnswer(
    answer,
    (depth, key, text, isString) => {
      const id = depth === 2 && isInAcks ? byKey.get(key) : undefined
      if (id === undefined) return
      if (text === 'true' && !isString && !seen.has(id)) acknowledged.add(id)
      else acknowledged.delete(id)
      seen.add(id)
    },
    (depth, key, isArray) => {
      if (depth === 1) isInAcks = key === 'acks' && !isArray
    },
  )
  return isJson ? acknowledged : undefined
}
