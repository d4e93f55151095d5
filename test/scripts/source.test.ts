import { expect } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commitOf, sourceTime } from '../../scripts/source.ts'
import { testWith } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'

const withGit = testWith('git')
const TIME = 1_700_000_000

/** Creates a project with one commit. */
function project(): { dir: string; id: string } {
  const dir = tmp()
  const date = `${TIME} +0100`
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', dir, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], {
      encoding: 'utf8',
      env: { ...process.env, GIT_COMMITTER_DATE: date, GIT_AUTHOR_DATE: date },
    })
  mkdirSync(join(dir, 'src'))
  writeFileSync(join(dir, 'src/main.ts'), '1\n')
  writeFileSync(join(dir, 'README.md'), '1\n')
  git('init', '-q')
  git('add', '.')
  git('commit', '-qm', 'a')
  return { dir, id: git('rev-parse', 'HEAD').slice(0, 10) }
}

withGit('a clean checkout has the id of its commit, even if a document was changed', () => {
  const { dir, id } = project()
  writeFileSync(join(dir, 'README.md'), '2\n')
  expect(commitOf(dir)).toBe(id)
})

withGit('a checkout with a changed or a new source is called dirty', () => {
  const changed = project()
  writeFileSync(join(changed.dir, 'src/main.ts'), '2\n')
  expect(commitOf(changed.dir)).toBe(`${changed.id}-dirty`)
  const added = project()
  writeFileSync(join(added.dir, 'src/other.ts'), '2\n')
  expect(commitOf(added.dir)).toBe(`${added.id}-dirty`)
})

withGit('a directory inside the work tree of another project has no commit', () => {
  const { dir } = project()
  expect(commitOf(join(dir, 'src'))).toBe('unknown')
  expect(sourceTime(join(dir, 'src'), {})).toBeUndefined()
})

withGit('the time is that of the commit, or SOURCE_DATE_EPOCH', () => {
  const { dir } = project()
  expect(sourceTime(dir, {})).toBe(TIME)
  expect(sourceTime(dir, { SOURCE_DATE_EPOCH: '12' })).toBe(12)
  expect(() => sourceTime(dir, { SOURCE_DATE_EPOCH: 'today' })).toThrow('SOURCE_DATE_EPOCH')
})
