import { expect, test } from 'bun:test'
import { ShipperError } from '../../../../src/core/error.ts'
import { TagTurns } from '../../../../src/plugins/outputs/s3/tag-turns.ts'

const failure = (retryable: boolean) =>
  new ShipperError('E_HTTP_ANSWER', 'no', { retryable, scope: 'peer', hint: '' })

test('flushes of a tag run in the order of their calls, those of other tags at once', async () => {
  const turns = new TagTurns()
  const done: string[] = []
  const first = Promise.withResolvers<void>()
  const all = [
    turns.run('a', async () => {
      await first.promise
      done.push('a1')
    }),
    turns.run('a', async () => void done.push('a2')),
    turns.run('b', async () => void done.push('b1')),
  ]
  await all[2]
  expect(done).toEqual(['b1'])
  first.resolve()
  await Promise.all(all)
  expect(done).toEqual(['b1', 'a1', 'a2'])
})

test.each([
  [true, ['rejected', 'rejected', 'fulfilled']],
  [false, ['rejected', 'fulfilled', 'fulfilled']],
])('flushes behind one that fails fail with it if it comes again (%p)', async (retryable, expected) => {
  const turns = new TagTurns()
  const first = Promise.withResolvers<void>()
  const pair = Promise.allSettled([turns.run('a', () => first.promise), turns.run('a', async () => {})])
  first.reject(failure(retryable))
  const settled = await pair
  await new Promise((resolve) => setImmediate(resolve))
  settled.push(...(await Promise.allSettled([turns.run('a', async () => {})])))
  expect(settled.map(({ status }) => status)).toEqual(expected as never)
})
