import { expect, test } from 'bun:test'
import { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'

/** Returns a file for tests of the order only. */
function file(): TailFile {
  const parts = { offset: 0, size: 0, isSkipping: false, openedMs: 0, contentSinceMs: 0 }
  return new TailFile(parts as unknown as ConstructorParameters<typeof TailFile>[0])
}

test('no file waits for itself, however many files are in between', () => {
  const [first, second, third] = [file(), file(), file()] as const
  second.readAfter(first)
  third.readAfter(second)
  for (const one of [first, second, third]) first.readAfter(one)
  expect(first.predecessor).toBeUndefined()
  expect([second.predecessor === first, third.predecessor === second]).toEqual([true, true])
})
