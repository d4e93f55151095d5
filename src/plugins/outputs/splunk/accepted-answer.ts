import type { Answer } from '../../../lib/http-output/api.ts'
import { readJsonAnswer } from '../../../lib/http-output/json-answer.ts'

/**
 * Returns the id to ask for of an answer of success; undefined when it has none, or without `hasAcks`. Throws an Error for an answer that
 * does not say code 0, or has an id that cannot be asked for.
 *
 * ```
 *   {"text":"Success","code":0,"ackId":7}
 * ```
 */
export async function readAccepted(answer: Answer, hasAcks: boolean): Promise<number | undefined> {
  let code: number | undefined
  let ackId: number | undefined
  const isRead = (depth: number, key: string): boolean =>
    depth === 1 && (key === 'code' || (hasAcks && key === 'ackId'))
  await readJsonAnswer(
    answer,
    (depth, key, text, isString) => {
      if (!isRead(depth, key)) return
      if (isString || (key === 'code' ? code : ackId) !== undefined)
        throw new Error(`its ${key} is not a number or is repeated`)
      if (key === 'code') code = Number(text)
      else if (text !== 'null') ackId = idOf(text)
    },
    (depth, key) => {
      if (isRead(depth, key)) throw new Error(`its ${key} is not a number or is repeated`)
    },
  )
  if (code !== 0) throw new Error(code === undefined ? 'it has no code' : `its code is ${code}`)
  return ackId
}

function idOf(text: string): number {
  const id = Number(text)
  if (!Number.isSafeInteger(id) || id < 0) throw new Error('its ackId is not a non-negative integer')
  return id
}
