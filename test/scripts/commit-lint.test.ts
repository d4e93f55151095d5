import { expect, test } from 'bun:test'
import { complaints, parseLog } from '../../scripts/commit-lint.ts'

const check = (subject: string, ...paths: string[]): string[] => complaints({ id: 'abc', subject, paths })

const NO_VERB = 'the subject does not begin with an imperative verb'

test('accepts a commit of one area with its tests and documents', () => {
  expect(
    check('engine: cap the wait', 'src/engine/retry.ts', 'test/engine/retry.test.ts', 'docs/DELIVERY.md'),
  ).toEqual([])
  expect(check('tail: read on after copytruncate', 'src/plugins/inputs/tail/file/tail-file.ts')).toEqual([])
  expect(check('forward: bound what is received', 'src/protocol/forward/option.ts', 'SECURITY.md')).toEqual(
    [],
  )
  expect(check('out-forward: match acks in order', 'src/plugins/outputs/forward/index.ts')).toEqual([])
  expect(check('cli: take a URL after -o', 'src/cli/main.ts')).toEqual([])
  expect(check('ci: run npm test', '.ci/run')).toEqual([])
  expect(check('test: print the slowest files', 'scripts/test.mjs', 'test/a.test.ts')).toEqual([])
})

test('reports the files of a second area', () => {
  expect(check('engine: cap the wait', 'src/engine/retry.ts', 'src/config/config-tree.ts')).toEqual([
    'not of the area engine: src/config/config-tree.ts',
  ])
})

test('allows a commit of the area src to cross folders, scripts and benchmarks, but no others', () => {
  const paths = [
    'src/lib/a.ts',
    'src/main.ts',
    'bench/a.ts',
    'scripts/docs.ts',
    'tsconfig.json',
    'biome.json',
  ]
  expect(check('src: rename exported classes', ...paths)).toEqual([])
  expect(check('src: rename exported classes', 'conf/shipper.conf')).toEqual([
    'not of the area src: conf/shipper.conf',
  ])
})

test('reports a missing area, a full stop, an issue number and a subject that is too long', () => {
  expect(check('make it faster')).toEqual(['the subject is not `area: what it does`'])
  expect(check('engine: cap the wait.')).toEqual(['the subject ends with a full stop'])
  expect(check('engine: cap the wait #12')).toEqual(['an issue number belongs in the body'])
  expect(check(`engine: cap ${'x'.repeat(61)}`)).toEqual(['the subject has 73 characters, the limit is 72'])
})

test.each([
  'engine: fixed the wait',
  'engine: caps the wait',
  'engine: the wait has a cap',
  'engine: a cap for the wait',
  'docs: README',
  'test: --write',
])('reports a subject that does not begin with an imperative verb: %s', (subject) => {
  expect(check(subject)).toEqual([NO_VERB])
})

test.each([
  'src: share sleep and the stop error, split services from plugin.ts',
  'docs: rewrite decision records in plain English, add the six packages',
  'tail: move files into rooms',
  'store: re-open the database',
])('accepts an imperative verb: %s', (subject) => {
  expect(check(subject)).toEqual([])
})

test('reads the log of git', () => {
  expect(parseLog('\0a1\tcore: one\n\nsrc/core/a.ts\nsrc/core/b.ts\n\0b2\tdocs: two\n\ndocs/x.md\n')).toEqual(
    [
      { id: 'a1', subject: 'core: one', paths: ['src/core/a.ts', 'src/core/b.ts'] },
      { id: 'b2', subject: 'docs: two', paths: ['docs/x.md'] },
    ],
  )
})
