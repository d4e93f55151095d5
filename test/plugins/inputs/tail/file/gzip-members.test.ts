import { expect, test } from 'bun:test'
import * as zlib from 'node:zlib'
import { GzipMembers } from '../../../../../src/plugins/inputs/tail/file/gzip-members.ts'
import { fc } from '../../../../support/property.ts'

/** Returns a member whose header has every optional field. */
function memberWithAllFields(text: string): Buffer {
  const deflated = zlib.deflateRawSync(text)
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(zlib.crc32(text), 0)
  trailer.writeUInt32LE(text.length, 4)
  const header = Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3])
  const fields = [
    Buffer.from([3, 0, 1, 0, 2]),
    Buffer.from('name.log\0'),
    Buffer.from('comment\0'),
    Buffer.from([1, 2]),
  ]
  return Buffer.concat([header, ...fields, deflated, trailer])
}

/** Inflates a file that arrives in pieces which end at `cuts`. */
async function inflate(file: Buffer, cuts: number[]): Promise<{ text: string; members: GzipMembers }> {
  let text = ''
  const members = new GzipMembers(zlib, 0, (data) => {
    text += data.toString()
  })
  let from = 0
  for (const to of [...new Set(cuts), file.length].sort((a, b) => a - b)) {
    if (to > from) await members.take(file.subarray(from, to))
    from = Math.max(from, to)
  }
  return { text, members }
}

const FILE = Buffer.concat([
  zlib.gzipSync('one\n'),
  memberWithAllFields('two\n'),
  Buffer.alloc(5),
  zlib.gzipSync('three\n'),
])

test('inflates members with all header fields, and zeros between them, wherever the input is cut', async () => {
  const all = Array.from(FILE.keys())
  expect((await inflate(FILE, all)).text).toBe('one\ntwo\nthree\n')
  for (const cut of all) {
    const { text, members } = await inflate(FILE, [cut])
    expect([cut, text, members.isBetween, members.memberEnd]).toEqual([
      cut,
      'one\ntwo\nthree\n',
      true,
      FILE.length,
    ])
  }
})

test('knows at every byte whether the bytes so far are complete members', async () => {
  const first = zlib.gzipSync('one\n').length
  const second = first + memberWithAllFields('two\n').length
  const boundaries = [first, ...Array.from({ length: 6 }, (_, i) => second + i), FILE.length]
  for (let end = 1; end <= FILE.length; end++) {
    const { members } = await inflate(FILE.subarray(0, end), [])
    expect([end, members.isBetween]).toEqual([end, boundaries.includes(end)])
  }
})

test('inflates the output of gzip for any text, in any pieces', async () => {
  const texts = fc.array(fc.string({ maxLength: 400 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(texts, fc.array(fc.nat(500)), async (parts, cuts) => {
      const file = Buffer.concat(parts.map((part) => zlib.gzipSync(part)))
      const { text } = await inflate(
        file,
        cuts.filter((cut) => cut < file.length),
      )
      expect(text).toBe(parts.map((part) => Buffer.from(part).toString()).join(''))
    }),
  )
})

test.each([
  ['bytes that are not gzip', Buffer.from('hello world, this is text')],
  ['a single magic byte', Buffer.from([0x1f, 0x20, 0x20])],
])('%s after the last member are garbage', async (_, garbage) => {
  const file = Buffer.concat([zlib.gzipSync('one\n'), garbage])
  const { text, members } = await inflate(file, [])
  expect([text, members.isGarbage, members.memberEnd]).toEqual(['one\n', true, zlib.gzipSync('one\n').length])
})

test.each([
  ['a wrong checksum', (file: Buffer) => (file[file.length - 8] as number) ^ 1, -8],
  ['a wrong size', (file: Buffer) => (file[file.length - 4] as number) ^ 1, -4],
  ['an unknown method', () => 7, 2],
])('%s is damage', async (_, change, at) => {
  const file = Buffer.from(zlib.gzipSync('one\n'))
  file[(at + file.length) % file.length] = change(file)
  expect(inflate(file, [])).rejects.toThrow()
})
