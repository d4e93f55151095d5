import { describe, expect, test } from 'bun:test'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OffsetRow } from '../../../../../src/core/offset-store.ts'
import type { FsFailure } from '../../../../../src/lib/fs/file-system.ts'
import { xxh3 } from '../../../../../src/lib/hash/xxh3.ts'
import {
  fingerprintOf,
  isAllHole,
  isHole,
  markerOf,
  mismatch,
  peek,
} from '../../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { row } from '../../../../contract/offset-store/bench.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'

const TEXT = 'one two three\n'.repeat(200)

function fdOf(content: string): number {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, content)
  const fd = openSync(path, 'r')
  atEnd(() => closeSync(fd))
  return fd
}

test('bytes are looked at only where a file has all of them, and at most a kilobyte', () => {
  const fd = fdOf(TEXT)
  expect(peek(fd, 4, 3)?.toString()).toBe('two')
  expect(peek(fd, 0, 1024)?.length).toBe(1024)
  expect([peek(fd, 0, 1025), peek(fd, -1, 3), peek(fd, TEXT.length - 2, 3)]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

describe('a hole', () => {
  const hole = { fingerprint: fingerprintOf(Buffer.alloc(100)), fingerprintSize: 100 }

  test('is a content that begins with NUL bytes, as far as its fingerprint goes', () => {
    expect(isHole(hole)).toBe(true)
    expect(isHole({ fingerprint: fingerprintOf(Buffer.from(TEXT)), fingerprintSize: 100 })).toBe(false)
    expect(isHole({ fingerprint: undefined, fingerprintSize: undefined })).toBe(false)
  })

  test('is not looked for in a fingerprint of more bytes than any has', () => {
    expect(isHole({ fingerprint: fingerprintOf(Buffer.alloc(1025)), fingerprintSize: 1025 })).toBe(false)
  })

  test('is all of a content when there are no other bytes before the offset', () => {
    const nul = markerOf(Buffer.alloc(32))
    const text = { ...hole, fingerprint: fingerprintOf(Buffer.from(TEXT)) }
    expect(isAllHole({ ...hole, marker: nul.marker, markerSize: 32 })).toBe(true)
    expect(isAllHole({ ...hole, marker: 5n, markerSize: 0 })).toBe(true)
    expect(isAllHole({ ...hole, marker: markerOf(Buffer.from('text')).marker, markerSize: 4 })).toBe(false)
    expect(isAllHole({ ...text, marker: 0n, markerSize: 0 })).toBe(false)
    expect(isAllHole({ ...text, marker: nul.marker, markerSize: 32 })).toBe(false)
  })
})

describe('a row of a file', () => {
  const fd = fdOf(TEXT)
  const known: OffsetRow = {
    ...row(1),
    name: '/a/a.log',
    offset: 14,
    ...markerOf(Buffer.from(TEXT.slice(0, 14))),
    fingerprint: fingerprintOf(Buffer.from(TEXT.slice(0, 100))),
    fingerprintSize: 100,
  }
  const differs = (change: Partial<OffsetRow>, size = TEXT.length): string | FsFailure | undefined =>
    mismatch({ ...known, ...change }, fd, size, '/b/a.log', true)

  test('matches by name, offset, marker and fingerprint', () => {
    expect(differs({})).toBeUndefined()
    expect(differs({ name: '/a/b.log' })).toContain('name')
    expect(differs({ offset: TEXT.length + 1 })).toContain('beyond')
    expect(differs({ marker: 1n })).toContain('before the stored offset')
    expect(differs({ fingerprint: 'other' })).toContain('first bytes')
  })

  test('is not compared where it says nothing that can be compared', () => {
    expect(differs({ marker: 1n, markerSize: 0 })).toBeUndefined()
    expect(differs({ marker: 1n, markerSize: 33 })).toBeUndefined()
    expect(differs({ fingerprint: 'other', fingerprintSize: 0 })).toBeUndefined()
    expect(differs({ fingerprint: undefined })).toBeUndefined()
  })

  test('does not match when the file has lost the bytes since its size was seen', () => {
    const seen = TEXT.length + 100
    const marker = { marker: xxh3(Buffer.from('gone')), markerSize: 4 }
    expect(differs({ offset: seen, ...marker }, seen)).toContain('before the stored offset')
    const short = fdOf('one')
    const unmarked = { ...known, offset: 0, markerSize: 0 }
    expect(mismatch(unmarked, short, TEXT.length, '/b/a.log', true)).toContain('first bytes')
  })
})
