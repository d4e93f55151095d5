import { afterEach, expect, test } from 'bun:test'
import { linkSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemCalls } from '../../../../../src/lib/fs/system-calls.ts'
import { IdentitySearch } from '../../../../../src/plugins/inputs/tail/rotation/identity-search.ts'
import type { Sibling } from '../../../../../src/plugins/inputs/tail/rotation/siblings.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'

function fileAt(...parts: string[]): string {
  const path = join(...parts)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
  return path
}

/** Searches for the file in the directories. The returned list gets the path found, or undefined. */
function lookFor(
  search: IdentitySearch,
  path: string,
  directories: string[],
  isIt: (sibling: Sibling) => boolean = () => true,
): (string | undefined)[] {
  const settled: (string | undefined)[] = []
  const inode = BigInt.asIntN(64, statSync(path, { bigint: true }).ino)
  search.add({ inode, directories, isIt, settle: (found) => settled.push(found?.path) })
  return settled
}

test('a file is found in its directory, within it and beside it, but not farther away', async () => {
  const root = join(tmp(), 'deep')
  const home = join(root, 'logs', 'app')
  mkdirSync(home, { recursive: true })
  const search = new IdentitySearch()
  const near = ['logs/app/a', 'logs/app/old/b', 'logs/archive/c', 'logs/d'].map((name) => fileAt(root, name))
  const far = ['logs/app/old/older/e', 'logs/archive/old/f', 'g', 'other/h'].map((name) => fileAt(root, name))
  const found = near.map((path) => lookFor(search, path, [home]))
  const missed = far.map((path) => lookFor(search, path, [home]))
  await search.run()
  expect(found).toEqual(near.map((path) => [path]))
  expect(missed).toEqual(far.map(() => [undefined]))
  expect(search.isPending).toBe(false)
})

test('the inode alone is not enough, and each file is settled once', async () => {
  const home = join(tmp(), 'logs', 'app')
  const path = fileAt(home, 'a')
  const search = new IdentitySearch()
  const other = lookFor(search, path, [home], () => false)
  const itself = lookFor(search, path, [home, join(home, '..')])
  await search.run()
  await search.run()
  expect([other, itself]).toEqual([[undefined], [path]])
})

test('one search runs at a time; files added meanwhile are searched for after it', async () => {
  const home = join(tmp(), 'logs', 'app')
  const [a, b] = [fileAt(home, 'a'), fileAt(home, 'b')]
  const search = new IdentitySearch()
  const first = lookFor(search, a, [home])
  const running = search.run()
  const second = lookFor(search, b, [home])
  await search.run()
  // The second call did nothing, as the first one has not had its turn yet.
  expect([first, second, search.isPending]).toEqual([[], [], true])
  await running
  expect([first, second, search.isPending]).toEqual([[a], [b], false])
})

test('a stopped search settles nothing', async () => {
  const home = join(tmp(), 'logs', 'app')
  const search = new IdentitySearch()
  const settled = lookFor(search, fileAt(home, 'a'), [home])
  const running = search.run()
  search.stop()
  await running
  expect(settled).toEqual([])
})

test('other work gets its turn while many entries are examined', async () => {
  const home = join(tmp(), 'logs', 'app')
  const path = fileAt(home, 'entry')
  for (let n = 1; n < 640; n++) linkSync(path, join(home, `entry-${n}`))
  const search = new IdentitySearch()
  // All entries have the inode, and each takes so long that they do not fit into one turn.
  const settled = lookFor(search, path, [home], () => {
    const begun = performance.now()
    while (performance.now() < begun + 0.2);
    return false
  })
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  atEnd(() => clearInterval(timer))
  await search.run()
  expect(settled).toEqual([undefined])
  expect(turns).toBeGreaterThan(1)
})

test('a directory that cannot be listed does not end the search', async () => {
  const home = join(tmp(), 'logs', 'app')
  const path = fileAt(home, 'a')
  const search = new IdentitySearch()
  const settled = lookFor(search, path, [join(home, 'missing', 'too'), home])
  await search.run()
  expect(settled).toEqual([path])
})

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

for (const [what, change, isComplete] of [
  ['all of it could be examined', () => {}, true],
  [
    'a directory could not be read',
    () =>
      Object.assign(systemCalls, {
        readdir: () => Promise.reject(Object.assign(new Error(), { code: 'EIO' })),
      }),
    false,
  ],
  [
    'an entry could not be examined',
    (entry: string) => {
      systemCalls.lstatSync = ((path: string, ...rest: never[]) => {
        if (path === entry) throw Object.assign(new Error(), { code: 'EIO' })
        return original.lstatSync(path, ...rest)
      }) as typeof original.lstatSync
    },
    false,
  ],
  [
    'an entry was renamed after its directory was read',
    (entry: string) => {
      systemCalls.readdir = (async (directory: string) => {
        const names = await original.readdir(directory)
        if (directory === dirname(entry)) renameSync(entry, `${entry}.1`)
        return names
      }) as unknown as typeof original.readdir
    },
    false,
  ],
] as const) {
  test(`a search in vain tells whether it was complete: ${what}`, async () => {
    const home = join(tmp(), 'logs', 'app')
    const entry = fileAt(home, 'a')
    const search = new IdentitySearch()
    const settled: unknown[] = []
    search.add({
      inode: 1n,
      directories: [home],
      isIt: () => false,
      settle: (...result) => settled.push(result),
    })
    change(entry)
    await search.run()
    expect(settled).toEqual([[undefined, isComplete]])
  })
}
