import { expect, test } from 'bun:test'
import { makePath } from '../../src/engine/path.ts'
import { PathCache } from '../../src/engine/path-cache.ts'

test('a path is built once for all tags on which the stages decide alike', () => {
  const made: string[] = []
  const cache = new PathCache(
    (tag) => tag.slice(0, 1),
    (tag) => {
      made.push(tag)
      return makePath('', [], [])
    },
  )
  const paths = ['a1', 'a2', 'b1', 'a1', 'b2', 'a3'].map((tag) => cache.find(tag))
  expect(made).toEqual(['a1', 'b1'])
  expect(paths.map((path) => paths.indexOf(path))).toEqual([0, 0, 2, 0, 2, 0])
})
