import { afterEach, describe, expect, test } from 'bun:test'
import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../../src/core/error.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import type { SegmentLog } from '../../../src/lib/segments/types.ts'
import { filesIn, openLog, stateAt, textChunk, textsOf } from '../../support/segments/logs.ts'
import { tmp } from '../../support/tmp.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

/** Makes a lock file as SQLite does: its folder has to exist, and it stays open, so that no other file gets its inode. */
const takeLock = (path: string): { release(): void } => {
  const fd = openSync(`${path}.lock`, 'a')
  return { release: () => closeSync(fd) }
}

/** Returns the files of a folder with their contents, in a form whose differences are short. */
const hashesIn = (folder: string): Record<string, string> =>
  Object.fromEntries(
    [...filesIn(folder)].map(([name, content]) => [name, `${content.length} ${Bun.hash(content)}`]),
  )

const FIRST = '00000000000000000001.seg'

describe('a buffer that is removed while it is in use', () => {
  test.each([
    ['its folder is deleted', (folder: string) => rmSync(folder, { recursive: true })],
    ['its folder is renamed', (folder: string) => renameSync(folder, `${folder}-moved`)],
    ['the segment is deleted', (folder: string) => rmSync(join(folder, FIRST))],
    ['the segment is renamed', (folder: string) => renameSync(join(folder, FIRST), join(folder, 'x'))],
  ])('acknowledges nothing of which no file has the name, and loses nothing: %s', async (_, remove) => {
    const folder = join(tmp(), 'buffer')
    const { log, lines } = openLog(folder, { takeLock })
    const one = log.append(textChunk('one'), ['a', 'b'])
    await log.sync()
    log.commit(new Map([['a', stateAt(one.next)]]))
    log.append(textChunk('two'), ['a', 'b'])
    remove(folder)
    expect(await log.sync().catch((error: ShipperError) => error.code)).toBe('E_BUFFER')
    expect(log.synced).toEqual(one.next)
    expect(lines).toEqual([
      expect.stringContaining(
        `the buffer ${folder}, or files in it, were removed or renamed while it was in use`,
      ),
    ])
    log.append(textChunk('two'), ['a', 'b'])
    await log.sync()
    expect(textsOf(log, 'b')).toEqual(['one', 'two'])
    // As a kill leaves it.
    const again = openLog(folder)
    expect([textsOf(again.log, 'b'), again.log.stateOf('a'), again.damage]).toEqual([
      ['one', 'two'],
      stateAt(one.next),
      [],
    ])
  })

  test('goes on when the folder is renamed just after a sync', async () => {
    const folder = join(tmp(), 'buffer')
    const { log } = openLog(folder, { takeLock })
    log.append(textChunk('one'), ['a'])
    await log.sync()
    log.append(textChunk('two'), ['a'])
    let isMoved = false
    const lstatSync = ((...args: Parameters<typeof original.lstatSync>) => {
      // The last thing that a sync looks at.
      if (String(args[0]).endsWith('.lock') && !isMoved) {
        isMoved = true
        renameSync(folder, `${folder}-away`)
      }
      return original.lstatSync(...args)
    }) as typeof original.lstatSync
    Object.assign(systemCalls, { lstatSync })
    await log.sync()
    Object.assign(systemCalls, original)
    log.append(textChunk('three'), ['a'])
    await log.sync()
    const again = openLog(folder)
    expect([textsOf(again.log, 'a'), again.damage]).toEqual([['one', 'two', 'three'], []])
  })

  test('makes the folder again when no file of it is open', async () => {
    const folder = join(tmp(), 'buffer')
    const { log, lines } = openLog(folder, { takeLock })
    rmSync(folder, { recursive: true })
    log.append(textChunk('one'), ['a'])
    await log.sync()
    expect(lines).toEqual([expect.stringContaining('the folder was created again')])
    expect(existsSync(join(folder, FIRST))).toBe(true)
    expect(textsOf(openLog(folder).log, 'a')).toEqual(['one'])
  })

  test('loses nothing however often its folder is deleted', async () => {
    const folder = join(tmp(), 'buffer')
    const { log } = openLog(folder, { takeLock })
    const texts = Array.from({ length: 9 }, (_, i) => `${i}`)
    for (const text of texts) {
      log.append(textChunk(text), ['a'])
      await log.sync()
      log.append(textChunk('x'), ['a'])
      rmSync(folder, { recursive: true })
      await expect(log.sync()).rejects.toThrow('cannot sync the buffer')
    }
    expect(textsOf(log, 'a')).toEqual(texts)
    // As a kill leaves it.
    const again = openLog(folder)
    expect([textsOf(again.log, 'a'), again.damage]).toEqual([texts, []])
  })

  test('counts what was in files that were not open', async () => {
    const folder = join(tmp(), 'buffer')
    const { log, damage } = openLog(folder, { takeLock, segmentBytes: 1 })
    for (let i = 0; i < 9; i++) log.append(textChunk(`${i}`, { count: 10 }), ['a'])
    await log.sync()
    rmSync(folder, { recursive: true })
    log.append(textChunk('next'), ['a'])
    await log.sync().catch(() => log.append(textChunk('next'), ['a']))
    await log.sync()
    const found = textsOf(log, 'a')
    expect(found.at(-1)).toBe('next')
    expect(damage.reduce((sum, { records }) => sum + (records ?? 0), 0)).toBe((10 - found.length) * 10)
    await log.close()
  })

  test('is over when another process has the lock of the new folder', async () => {
    const folder = join(tmp(), 'buffer')
    let isTaken = false
    const take = (path: string): { release(): void } => {
      if (isTaken) throw new ShipperError('E_STORE_LOCKED', 'x', { details: { pid: 77 } })
      return takeLock(path)
    }
    const lost: string[] = []
    const { log } = openLog(folder, { takeLock: take, onLost: ({ message }) => void lost.push(message) })
    log.append(textChunk('one'), ['a'])
    rmSync(folder, { recursive: true })
    isTaken = true
    const refused = { code: 'E_BUFFER_LOCKED' }
    await expect(log.sync()).rejects.toMatchObject(refused)
    expect(() => log.append(textChunk('one'), ['a'])).toThrow('in use by another agent (pid 77)')
    log.commit(new Map([['a', stateAt(log.end)]]))
    isTaken = false
    expect(() => log.append(textChunk('one'), ['a'])).toThrow('in use by another agent (pid 77)')
    await log.close()
    expect(readdirSync(folder)).toEqual([])
    expect(lost).toEqual([`the buffer ${folder} is in use by another agent (pid 77)`])
  })
})

describe('a buffer whose lock file was removed', () => {
  const file = (folder: string): string => join(folder, 'buffer.lock')
  const refused = 'was removed or replaced while it was in use'
  const remove = (folder: string): void => rmSync(file(folder))
  const replace = (folder: string): void => {
    renameSync(file(folder), `${file(folder)}-old`)
    writeFileSync(file(folder), '')
  }

  test.each([
    ['removed', remove],
    ['replaced', replace],
  ])('is over, and acknowledges nothing more: %s', async (_, change) => {
    const folder = tmp()
    const lost: string[] = []
    const { log } = openLog(folder, {
      takeLock,
      onLost: ({ code, message }) => void lost.push(`${code} ${message}`),
    })
    const one = log.append(textChunk('one'), ['a'])
    await log.sync()
    log.append(textChunk('two'), ['a'])
    change(folder)
    await expect(log.sync()).rejects.toThrow(refused)
    const before = hashesIn(folder)
    expect(() => log.append(textChunk('two'), ['a'])).toThrow(refused)
    log.commit(new Map([['a', stateAt(one.next)]]))
    await log.close()
    expect(hashesIn(folder)).toEqual(before)
    expect(lost).toEqual([expect.stringMatching(new RegExp(`^E_BUFFER_LOCKED .*${refused}`))])
  })

  test.each([
    ['appends', (log: SegmentLog) => void log.append(textChunk('two'), ['a'])],
    ['commits', (log: SegmentLog) => log.commit(new Map([['a', stateAt(log.end)]]))],
  ])('leaves alone what another agent has stored since, before it %s', async (_, act) => {
    const folder = tmp()
    const lost: string[] = []
    const first = openLog(folder, {
      takeLock,
      onLost: ({ code, message }) => void lost.push(`${code} ${message}`),
    })
    const one = first.log.append(textChunk('one'), ['a'])
    await first.log.sync()
    remove(folder)
    const second = openLog(folder, { takeLock })
    const other = second.log.append(textChunk('other'), ['a'])
    await second.log.sync()
    second.log.commit(new Map([['a', stateAt(other.at, [one.at])]]))
    await second.log.close()
    const before = hashesIn(folder)
    try {
      act(first.log)
    } catch {}
    await first.log.close()
    expect(hashesIn(folder)).toEqual(before)
    expect(lost).toEqual([expect.stringMatching(new RegExp(`^E_BUFFER_LOCKED .*${refused}`))])
    const third = openLog(folder, { takeLock })
    expect([textsOf(third.log, 'a', one.at), third.damage]).toEqual([['one', 'other'], []])
  })

  test('keeps what is only in open files when the others of the folder go after it', async () => {
    const folder = tmp()
    const { log } = openLog(folder, { takeLock })
    log.append(textChunk('one'), ['a'])
    await log.sync()
    remove(folder)
    expect(() => log.append(textChunk('two'), ['a'])).toThrow(refused)
    for (const name of readdirSync(folder)) rmSync(join(folder, name))
    await log.close()
    expect(textsOf(openLog(folder, { takeLock }).log, 'a')).toEqual(['one'])
  })
})
