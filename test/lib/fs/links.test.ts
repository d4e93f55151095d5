import { afterEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  constants as fsConstants,
  lchownSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { close, FsFailure } from '../../../src/lib/fs/file-system.ts'
import {
  isReached,
  LINK_CHANGED,
  LINK_REFUSED,
  type LinkRule,
  openFollowing,
  refusalOf,
} from '../../../src/lib/fs/links.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { tmp } from '../../support/tmp.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

const TENANT = 65534
const OTHER = 65533
const asRoot = peerOrSkip('root', process.getuid?.() === 0, 'only root can give links to other users')

/** Returns the code of the failure, or `opened`. */
function codeOf(path: string, rule: LinkRule): string {
  const opened = openFollowing(path, rule)
  if (opened instanceof FsFailure) return opened.code
  close(opened.fd)
  return 'opened'
}

/** Makes a link that belongs to a user. */
function link(target: string, path: string, uid: number): string {
  symlinkSync(target, path)
  lchownSync(path, uid, uid)
  return path
}

/** Makes a file that belongs to a user. */
function file(path: string, uid: number): string {
  writeFileSync(path, 'secret\n')
  lchownSync(path, uid, uid)
  return path
}

function folder(path: string, uid: number): string {
  mkdirSync(path)
  lchownSync(path, uid, uid)
  return path
}

describe('same_owner', () => {
  asRoot('follows the links of root and of the owner of their target, and no others', () => {
    const dir = tmp()
    const [roots, tenants] = [file(join(dir, 'root'), 0), file(join(dir, 'tenant'), TENANT)]
    const cases: [target: string, owner: number, code: string][] = [
      [roots, 0, 'opened'],
      [tenants, 0, 'opened'],
      [tenants, TENANT, 'opened'],
      ['tenant', TENANT, 'opened'],
      [roots, TENANT, LINK_REFUSED],
      ['root', TENANT, LINK_REFUSED],
      [tenants, OTHER, LINK_REFUSED],
    ]
    for (const [i, [target, owner, code]] of cases.entries())
      expect([i, codeOf(link(target, join(dir, `${i}.log`), owner), 'same_owner')]).toEqual([i, code])
  })

  asRoot('judges each link of a chain by what the chain leads to', () => {
    const dir = tmp()
    file(join(dir, 'root'), 0)
    file(join(dir, 'tenant'), TENANT)
    // A link of root leads to one that its owner switches at will.
    link('root', join(dir, 'switched'), TENANT)
    link('switched', join(dir, 'trusted.log'), 0)
    link('root', join(dir, 'of-root'), 0)
    link('of-root', join(dir, 'chain.log'), TENANT)
    link('tenant', join(dir, 'own'), TENANT)
    link('own', join(dir, 'good.log'), 0)
    expect(
      ['trusted', 'chain', 'good'].map((name) => codeOf(join(dir, `${name}.log`), 'same_owner')),
    ).toEqual([LINK_REFUSED, LINK_REFUSED, 'opened'])
  })

  asRoot('judges links in the directories of a path, relative ones, and ways back up', () => {
    const dir = tmp()
    const roots = folder(join(dir, 'private'), 0)
    file(join(roots, 'x.log'), 0)
    const home = folder(join(dir, 'home'), TENANT)
    folder(join(home, 'real'), TENANT)
    file(join(home, 'real/x.log'), TENANT)
    link('../private', join(home, 'relative'), TENANT)
    link(roots, join(home, 'absolute'), TENANT)
    link('real/../../private', join(home, 'up'), TENANT)
    link('.', join(home, 'self'), TENANT)
    link('real', join(home, 'current'), TENANT)
    link('self/self/../private', join(home, 'winding'), TENANT)
    for (const name of [
      'relative',
      'absolute',
      'up',
      'winding',
      'self/relative',
      'current/../../home/relative',
    ])
      expect([name, codeOf(`${home}/${name}/x.log`, 'same_owner')]).toEqual([name, LINK_REFUSED])
    for (const name of ['real', 'current', 'self/current'])
      expect([name, codeOf(`${home}/${name}/x.log`, 'same_owner')]).toEqual([name, 'opened'])
  })

  asRoot('names the link, its owner, and what it leads to', () => {
    const dir = tmp()
    const target = file(join(dir, 'root'), 0)
    const path = link(target, join(dir, 'x.log'), TENANT)
    expect(refusalOf(path, 'same_owner')?.message).toBe(
      `the link ${path} of user ${TENANT} leads to ${target}, which belongs to user 0`,
    )
  })
})

test('off follows no link, neither to the file nor in its directories; on follows all', () => {
  const dir = tmp()
  mkdirSync(join(dir, 'real'))
  writeFileSync(join(dir, 'real/x.log'), 'x')
  symlinkSync('real', join(dir, 'link'))
  symlinkSync('real/x.log', join(dir, 'x.log'))
  const codes = (rule: LinkRule): string[] =>
    ['real/x.log', 'link/x.log', 'x.log'].map((path) => codeOf(join(dir, path), rule))
  expect(codes('off')).toEqual(['opened', LINK_REFUSED, LINK_REFUSED])
  expect(codes('on')).toEqual(['opened', 'opened', 'opened'])
})

test('a loop of links and a missing target are what the kernel says', () => {
  const dir = tmp()
  symlinkSync('loop', join(dir, 'loop'))
  symlinkSync('none', join(dir, 'dangling'))
  expect([codeOf(join(dir, 'loop'), 'same_owner'), codeOf(join(dir, 'dangling'), 'same_owner')]).toEqual([
    'ELOOP',
    'ENOENT',
  ])
  expect(refusalOf(join(dir, 'dangling'), 'same_owner')).toBeUndefined()
  expect(refusalOf(join(dir, 'loop'), 'same_owner')?.code).toBe('ELOOP')
})

describe('a link that is switched while the file is opened', () => {
  asRoot('is refused when it led to the secret only during the open call', () => {
    const dir = tmp()
    const secret = file(join(dir, 'secret'), 0)
    const own = file(join(dir, 'own'), TENANT)
    const path = link(own, join(dir, 'x.log'), TENANT)
    const turnTo = (target: string): void => {
      unlinkSync(path)
      link(target, path, TENANT)
    }
    // As fast as can be: switched before the open call, and back right after it.
    systemCalls.openSync = ((name: string, ...rest: [number]) => {
      turnTo(secret)
      const fd = original.openSync(name, ...rest)
      turnTo(own)
      return fd
    }) as typeof original.openSync
    expect(codeOf(path, 'same_owner')).toBe(LINK_CHANGED)
  })

  test('is opened at the next attempt when nothing forbids it', () => {
    const dir = tmp()
    for (const name of ['a', 'b']) writeFileSync(join(dir, name), name)
    symlinkSync('a', join(dir, 'x.log'))
    systemCalls.openSync = ((name: string, ...rest: [number]) => {
      Object.assign(systemCalls, original)
      const fd = original.openSync(name, ...rest)
      symlinkSync('b', join(dir, 'next'))
      renameSync(join(dir, 'next'), join(dir, 'x.log'))
      return fd
    }) as typeof original.openSync
    expect(codeOf(join(dir, 'x.log'), 'same_owner')).toBe('opened')
  })

  asRoot('is refused when a directory of the path was a link to the secret only during the open call', () => {
    const dir = tmp()
    const secrets = folder(join(dir, 'secrets'), 0)
    file(join(secrets, 'x.log'), 0)
    const logs = folder(join(dir, 'logs'), TENANT)
    file(join(logs, 'x.log'), TENANT)
    const { lstatSync } = original
    renameSync(logs, `${logs}.away`)
    link(secrets, logs, TENANT)
    // A plain directory whenever it is examined, and a link for all other calls.
    systemCalls.lstatSync = ((name: string, ...rest: [{ bigint: true }]) => {
      if (name !== logs) return lstatSync(name, ...rest)
      unlinkSync(logs)
      renameSync(`${logs}.away`, logs)
      const found = lstatSync(name, ...rest)
      renameSync(logs, `${logs}.away`)
      link(secrets, logs, TENANT)
      return found
    }) as typeof lstatSync
    expect(codeOf(join(logs, 'x.log'), 'same_owner')).toBe(LINK_CHANGED)
  })
})

test('any errno of any call on the way is a value, and no descriptor stays open', () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a'), 'a')
  symlinkSync('a', join(dir, 'x.log'))
  for (const call of ['openSync', 'fstatSync', 'lstatSync', 'readlinkSync', 'statfsSync'] as const) {
    for (const code of Object.keys(constants.errno)) {
      const open = new Set<number>()
      systemCalls.openSync = ((name: string) => {
        const fd = original.openSync(name, fsConstants.O_RDONLY)
        open.add(fd)
        return fd
      }) as typeof original.openSync
      systemCalls.closeSync = (fd) => {
        open.delete(fd)
        original.closeSync(fd)
      }
      Object.assign(systemCalls, {
        [call]: () => {
          throw Object.assign(new Error(`${code}: injected`), { code })
        },
      })
      const opened = openFollowing(join(dir, 'x.log'), 'same_owner')
      // The type of the file system is only an additional check.
      if (opened instanceof FsFailure) expect([call, opened.code]).toEqual([call, code])
      else close(opened.fd)
      expect([call, code, open.size]).toEqual([call, code, 0])
      Object.assign(systemCalls, original)
    }
  }
})

asRoot('a file that is gone counts as reached only where nobody else could have switched a link', () => {
  const dir = tmp()
  const secret = statSync(file(join(dir, 'secret'), 0), { bigint: true })
  const own = statSync(file(join(dir, 'own'), TENANT), { bigint: true })
  folder(join(dir, 'tenant'), TENANT)
  mkdirSync(join(dir, 'all'))
  chmodSync(join(dir, 'all'), 0o777)
  const reached = (name: string, stat: typeof secret): boolean =>
    isReached(join(dir, name), 'same_owner', stat)
  expect([reached('gone', secret), reached('tenant/gone', secret), reached('tenant/gone', own)]).toEqual([
    true,
    false,
    true,
  ])
  expect([reached('all/gone', secret), reached('secret', secret), reached('secret', own)]).toEqual([
    false,
    true,
    false,
  ])
  link('../secret', join(dir, 'tenant/x.log'), TENANT)
  expect(reached('tenant/x.log', secret)).toBe(false)
  expect(isReached(join(dir, 'tenant/x.log'), 'on', secret)).toBe(true)
})
