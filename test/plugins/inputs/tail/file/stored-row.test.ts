import { describe, expect, test } from 'bun:test'
import { type BigIntStats, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  isBlank,
  isLater,
  isOfOtherBirth,
  rowForFile,
  StoredRow,
} from '../../../../../src/plugins/inputs/tail/file/stored-row.ts'
import { row } from '../../../../contract/offset-store/bench.ts'
import { tailFile } from '../../../../support/tail/tail-file.ts'
import { tmp } from '../../../../support/tmp.ts'

const born = (birthMs: number): BigIntStats =>
  ({ birthtimeNs: BigInt(birthMs) * 1_000_000n + 7n }) as BigIntStats

describe('a stored row', () => {
  test('gives its fingerprint to a file that is read on from its offset only', () => {
    const stored = row(1, { id: 4, offset: 90, created: 55 })
    const resumed = new StoredRow(stored, 90, 1_000_000)
    expect([resumed.id, resumed.created, resumed.isResumed, resumed.hasNoFingerprint]).toEqual([
      4,
      55,
      true,
      false,
    ])
    expect([resumed.fingerprint, resumed.fingerprintSize]).toEqual([stored.fingerprint, 1024])
    const skipped = new StoredRow(stored, 0, 1_000_000)
    expect([skipped.id, skipped.fingerprint, skipped.fingerprintSize]).toEqual([4, undefined, 0])
    const fresh = new StoredRow(undefined, 0, 1_234_567)
    expect([fresh.id, fresh.created, fresh.isResumed, fresh.hasNoFingerprint]).toEqual([
      undefined,
      1234,
      false,
      true,
    ])
  })

  test('names a content anew after each truncation, whatever the clock says, and in a new row', () => {
    const names = new Set<string>()
    const first = new StoredRow(undefined, 0, 5000)
    for (const nowMs of [5000, 5000, 1000, 5000]) {
      names.add(first.placeId)
      expect(first.placeId).toBe(first.placeId)
      first.restart(nowMs)
    }
    names.add(first.placeId)
    names.add(new StoredRow(undefined, 0, 5000).placeId)
    expect(names.size).toBe(6)
  })

  test('keeps the name of a content that is read on, and of no other', () => {
    const stored = row(1, { offset: 90, placeId: 'a'.repeat(16) })
    const resumed = new StoredRow(stored, 90, 1_000_000)
    expect([resumed.placeId, resumed.isPlaceStored]).toEqual(['a'.repeat(16), true])
    const copy = new StoredRow(undefined, 0, 1_000_000)
    copy.continuePlaces(resumed, { size: 90, hash: 'b', hashed: 32 })
    expect([copy.placeId, copy.isPlaceStored, copy.placeMark?.size]).toEqual(['a'.repeat(16), false, 90])
    copy.recordWritten({ id: 7, placeId: copy.placeId })
    expect([copy.isPlaceStored, copy.isMarkStored]).toEqual([true, false])
    copy.recordMarkWritten(copy.placeMark)
    expect(copy.isMarkStored).toBe(true)
    copy.leavePlace()
    expect([copy.isPlaceStored, copy.placeMark]).toEqual([false, undefined])
    expect(copy.placeId).not.toBe('a'.repeat(16))
    const gzip = new StoredRow({ ...stored, offset: 20, streamOffset: 90 }, 90, 1_000_000)
    expect(gzip.placeId).toBe('a'.repeat(16))
    resumed.restart(1_000_000)
    expect(resumed.placeId).not.toBe(copy.placeId)
    expect(resumed.isPlaceStored).toBe(false)
    expect(new StoredRow(stored, 0, 1_000_000).placeId).not.toBe('a'.repeat(16))
  })

  test('is blank while the content cannot be told from others', () => {
    expect(isBlank({ offset: 0, fingerprint: 'a', fingerprintSize: 63 })).toBe(true)
    expect(isBlank({ offset: 0, fingerprint: 'a', fingerprintSize: 64 })).toBe(false)
    expect(isBlank({ offset: 1, fingerprint: undefined, fingerprintSize: undefined })).toBe(false)
    expect(isBlank({ offset: 0, fingerprint: undefined, fingerprintSize: undefined })).toBe(true)
  })

  test('without content is not that of a file that was created later', () => {
    const blank = row(1, { offset: 0, fingerprintSize: 0, fingerprint: undefined, created: 1000 })
    expect(rowForFile(blank, born(1_000_999))).toBe(blank)
    expect(rowForFile(blank, born(1_001_000))).toBeUndefined()
    const known = { ...blank, birthMs: 999_000 }
    expect(rowForFile(known, born(999_000))).toBe(known)
    expect(rowForFile(known, born(999_001))).toBeUndefined()
    // On a file system without times of birth.
    expect(rowForFile(known, { birthtimeNs: 0n } as BigIntStats)).toBe(known)
    const read = row(1, { created: 1 })
    expect(rowForFile(read, born(9_000_000))).toBe(read)
    expect(rowForFile(undefined, born(1))).toBeUndefined()
    expect(isLater(known, 0n)).toBe(false)
  })

  test('is of another birth only if both are known', () => {
    expect(isOfOtherBirth(row(1), 5)).toBe(false)
    expect(isOfOtherBirth(row(1, { birthMs: 0 }), 5)).toBe(false)
    expect(isOfOtherBirth(row(1, { birthMs: 5 }), 0)).toBe(false)
    expect(isOfOtherBirth(row(1, { birthMs: 5 }), 5.7)).toBe(false)
    expect(isOfOtherBirth(row(1, { birthMs: 5 }), 6)).toBe(true)
  })
})

describe('the fingerprint', () => {
  test('grows with the file up to 1,024 bytes, and never shrinks', () => {
    const path = join(tmp(), 'a.log')
    const { stored, handle } = tailFile(path, 'x'.repeat(10))
    stored.growFingerprint(handle, 10)
    expect([stored.fingerprintSize, stored.head?.toString()]).toEqual([10, 'x'.repeat(10)])
    const short = stored.fingerprint
    stored.growFingerprint(handle, 5)
    expect([stored.fingerprintSize, stored.fingerprint]).toEqual([10, short])
    writeFileSync(path, 'x'.repeat(5000))
    stored.growFingerprint(handle, 5000)
    expect([stored.fingerprintSize, stored.head?.toString()]).toEqual([1024, 'x'.repeat(1024)])
    expect(stored.fingerprint).not.toBe(short)
    // It cannot be read any more: what is known stays.
    const long = stored.fingerprint
    truncateSync(path)
    stored.growFingerprint(handle, 5000)
    expect(stored.fingerprint).toBe(long)
  })

  test('does not grow over another content', () => {
    const path = join(tmp(), 'a.log')
    const { stored, handle } = tailFile(path, 'first line\n')
    stored.growFingerprint(handle, 11)
    const known = stored.fingerprint
    writeFileSync(path, 'other line, which is longer\n')
    stored.growFingerprint(handle, 28)
    expect([stored.fingerprint, stored.fingerprintSize]).toEqual([known, 11])
  })

  test('tells other first bytes, and nothing when there are fewer', () => {
    const path = join(tmp(), 'a.log')
    const { stored, handle } = tailFile(path, 'first line\n')
    expect([stored.firstBytesDiffer(handle), stored.beginsAs(Buffer.from('any'))]).toEqual([false, true])
    stored.growFingerprint(handle, 11)
    expect(stored.firstBytesDiffer(handle)).toBe(false)
    expect(stored.beginsAs(Buffer.from('first line\nand more'))).toBe(true)
    expect(stored.beginsAs(Buffer.from('first'))).toBe(false)
    expect(stored.beginsAs(Buffer.from('other line\nand more'))).toBe(false)
    writeFileSync(path, 'other line\n')
    expect(stored.firstBytesDiffer(handle)).toBe(true)
    writeFileSync(path, 'other')
    expect(stored.firstBytesDiffer(handle)).toBe(false)
  })

  test('is forgotten with the content; each content of one second has its own id', () => {
    const { stored, handle } = tailFile(join(tmp(), 'a.log'), 'first line\n', 5000)
    stored.growFingerprint(handle, 11)
    const ids = [stored.contentId]
    for (const nowMs of [5500, 5900, 6000, 6100]) {
      stored.restart(nowMs)
      ids.push(stored.contentId)
      expect([stored.fingerprint, stored.fingerprintSize, stored.head]).toEqual([undefined, 0, undefined])
    }
    expect(ids).toEqual(['5.0', '5.1', '5.2', '6.0', '6.1'])
    expect(stored.created).toBe(6)
  })

  test('keeps the first bytes of contents up to a megabyte in all', () => {
    const dir = tmp()
    const files = Array.from({ length: 1100 }, (_, i) => tailFile(join(dir, `${i}.log`), 'x'.repeat(1000)))
    const grow = (): number => {
      for (const { stored, handle } of files) if (handle.isOpen) stored.growFingerprint(handle, 1000)
      return files.filter(({ stored }) => stored.head !== undefined).length
    }
    const kept = grow()
    expect(kept).toBeGreaterThan(900)
    expect(kept).toBeLessThanOrEqual(1000)
    for (const file of files) file.close()
    expect(files.filter(({ stored }) => stored.head !== undefined)).toHaveLength(0)
    // What the closed ones had is free again.
    const next = Array.from({ length: 900 }, (_, i) => tailFile(join(dir, `${i}.log`)))
    for (const { stored, handle } of next) stored.growFingerprint(handle, 1000)
    expect(next.filter(({ stored }) => stored.head !== undefined)).toHaveLength(900)
  })
})
