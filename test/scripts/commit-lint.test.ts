import { expect, test } from 'bun:test'
import { complaints, parseLog } from '../../scripts/commit-lint.ts'

const of = (subject: string, ...paths: string[]): string[] => complaints({ id: 'abc', subject, paths })

test('a commit of one area, its tests and documents are well', () => {
  expect(
    of('engine: cap the wait', 'src/engine/retry.ts', 'test/engine/retry.test.ts', 'docs/DELIVERY.md'),
  ).toEqual([])
  expect(of('tail: read on after copytruncate', 'src/plugins/inputs/tail/file/tail-file.ts')).toEqual([])
  expect(of('out-forward: match acks in order', 'src/plugins/outputs/forward/index.ts')).toEqual([])
  expect(of('cli: take a URL after -o', 'src/cli/main.ts')).toEqual([])
  expect(of('ci: run npm test', '.ci/run')).toEqual([])
})

test('a second area is a complaint that names its files', () => {
  expect(of('engine: cap the wait', 'src/engine/retry.ts', 'src/config/config-tree.ts')).toEqual([
    'not of the area engine: src/config/config-tree.ts',
  ])
})

test('a subject without an area, past tense, a full stop, an issue number and length are complaints', () => {
  expect(of('make it faster')).toHaveLength(1)
  expect(of('engine: fixed the wait')).toEqual(['the subject is not imperative'])
  expect(of('engine: cap the wait.')).toEqual(['the subject ends with a full stop'])
  expect(of('engine: cap the wait #12')).toEqual(['an issue number belongs in the body'])
  expect(of(`engine: ${'x'.repeat(70)}`)).toHaveLength(1)
})

test('reads git’s log', () => {
  expect(parseLog('\0a1\tcore: one\n\nsrc/core/a.ts\nsrc/core/b.ts\n\0b2\tdocs: two\n\ndocs/x.md\n')).toEqual(
    [
      { id: 'a1', subject: 'core: one', paths: ['src/core/a.ts', 'src/core/b.ts'] },
      { id: 'b2', subject: 'docs: two', paths: ['docs/x.md'] },
    ],
  )
})
