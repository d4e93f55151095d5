import { expect, test } from 'bun:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { SnappyInflater } from '../../../../src/lib/compression/snappy-frames.ts'
import { type Compression, loadCompress } from '../../../../src/plugins/outputs/s3/members.ts'

const PIECES = ['first piece\n', 'x'.repeat(200_000), '', '\0\xff end'].map((text) =>
  Buffer.from(text, 'latin1'),
)

function unsnappy(bytes: Buffer): Buffer {
  const out = Buffer.alloc(1_000_000)
  return out.subarray(0, new SnappyInflater(bytes, out.length).read(out, 0, out.length))
}

test.each([
  ['gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
  ['snappy', unsnappy],
] as const)('pieces compressed by %s are one text when they are joined', async (how, decompress) => {
  const compress = await loadCompress(how as Compression)
  const joined = Buffer.concat(PIECES.map((piece) => compress?.(piece) ?? piece))
  expect(Buffer.from(decompress(joined))).toEqual(Buffer.concat(PIECES))
})
