import { expect, test } from 'bun:test'
import { checkKeyFormat, KeyFormat } from '../../../../src/plugins/outputs/s3/key-format.ts'

const PARTS = { tag: 'kube.web-1_x', sec: 1_700_000_000, unique: 'AbCd1234', index: 7 }

test.each([
  ['/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S', '.', 'fluent-bit-logs/kube.web-1_x/2023/11/14/22/13/20'],
  ['/$TAG[0]/$TAG[1]/$TAG[2]/%H', '.-', 'kube/web/1_x/22'],
  ['$TAG[9]a$UUID-$INDEX', '.', 'aAbCd1234-7'],
  ['//x/%%/$OTHER', '.', 'x/%/$OTHER'],
])('%s', (format, delimiters, key) => {
  expect(new KeyFormat(format, delimiters).keyOf(PARTS, '')).toBe(key)
})

test('a key has at most 1,024 bytes, and its suffix in any case', () => {
  const key = new KeyFormat('/$TAG', '.').keyOf({ ...PARTS, tag: 'ä'.repeat(2000) }, '-object12345678')
  expect(Buffer.byteLength(key)).toBeLessThanOrEqual(1024)
  expect(key.endsWith('ä-object12345678')).toBe(true)
})

test('no other object has a key with $UUID, and another may have one with $INDEX', () => {
  expect(['/a/$UUID', '/a/$INDEX', '/a/$TAG/%s'].map((text) => new KeyFormat(text, '.').isUnique)).toEqual([
    true,
    false,
    false,
  ])
})

test('a part of the tag that is none, and a format without a name, are refused', () => {
  for (const bad of ['/$TAG[10]/x', '/$TAG[a]', '/', '']) expect(checkKeyFormat(bad)).toBeDefined()
  expect(checkKeyFormat('/$TAG[0]/%Y')).toBeUndefined()
})

test('a directive that strftime does not have is doubtful', () => {
  expect(checkKeyFormat('/$TAG/%Y/%Q')?.doubt).toContain('%Q, which is not a directive')
  for (const good of ['/%Y/%m/%d/%H/%M/%S', '/%-d/%%Q/%j', '/%3N%:z%F'])
    expect(checkKeyFormat(good)).toBeUndefined()
})

test('a placeholder in braces is no directive', () => {
  expect(checkKeyFormat('/x/%{filename}/$UUID')?.doubt).toContain('%{filename}, which is not a directive')
  expect(checkKeyFormat('/x/%Y/100%/$UUID')?.doubt).toContain('has %/, which')
  expect(checkKeyFormat('/x/%-d/%%/%3N/$UUID')).toBeUndefined()
})
