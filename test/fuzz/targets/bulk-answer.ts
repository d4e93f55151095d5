import { BulkAnswer } from '../../../src/lib/bulk/bulk-answer.ts'
import { pieces } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

interface Read {
  items: number[]
  errors: boolean | undefined
}

/** Reads an answer; of what is no JSON the error. */
async function read(parts: readonly Buffer[]): Promise<Read | Error> {
  const items: number[] = []
  const answer = new BulkAnswer((index, item) => {
    items[index] = item.status
    must(item.reason.length < 2000 && item.type.length < 2000, 'what is kept of an item has a bound')
    return item.status === 201
  })
  try {
    await answer.read(
      (async function* () {
        yield* parts
      })(),
    )
  } catch (error) {
    return error as Error
  }
  for (let i = 0; i < answer.items; i++) items[i] ??= 201
  return { items, errors: answer.errors }
}

/** Answers to bulk requests. What is read does not depend on how the answer is cut, and no other text is one that JSON.parse refuses. */
export const bulkAnswer: Target = {
  name: 'bulk-answer',
  seeds: () => [
    '{"took":1,"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}]}',
    '{"items":[{"create":{"status":400,"error":{"type":"a","reason":"b","caused_by":{"reason":"c"}}}},{"create":{"status":201}}],"errors":true}',
    '{"error":{"type":"x","reason":"\\u0041\\n"},"status":400}',
  ],
  dictionary: ['{"create":{"status":201}},', '"items":[', '"error":{', '\\u00e4', '\\'],
  maxBytes: 4000,
  async run(input) {
    const whole = await read([input])
    const cut = await read([...pieces(input)])
    if (whole instanceof Error || cut instanceof Error) {
      must(whole instanceof Error && cut instanceof Error, 'an answer is one, however it is cut')
      return kindOf(whole)
    }
    must(
      JSON.stringify(whole) === JSON.stringify(cut),
      'what is read does not depend on how the answer is cut',
    )
    return `${size(whole.items.length)} ${whole.errors}`
  },
}
