/** Resolves with the function that decompresses the block format of snappy, of the package. */
export async function loadSnappyUncompress(): Promise<(bytes: Buffer) => Buffer> {
  const { default: snappy } = await import('snappyjs')
  return (bytes) => Buffer.from(snappy.uncompress(bytes))
}
