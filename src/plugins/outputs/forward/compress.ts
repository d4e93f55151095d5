import { promisify } from 'node:util'

type Compress = (bytes: Buffer) => Promise<Buffer>

/** Level 1 for both: measured, higher levels cost three times the CPU for a tenth fewer bytes of logs. */
const LEVEL = 1

const loaded = new Map<string, Promise<Compress>>()

/** One gzip member or zstd frame; runs on the runtime's thread pool. node:zlib is loaded at the first use. */
export async function compress(bytes: Buffer, how: 'gzip' | 'zstd'): Promise<Buffer> {
  let ready = loaded.get(how)
  if (ready === undefined) {
    ready = load(how)
    loaded.set(how, ready)
  }
  return (await ready)(bytes)
}

async function load(how: 'gzip' | 'zstd'): Promise<Compress> {
  const zlib = await import('node:zlib')
  if (how === 'gzip') {
    const gzip = promisify(zlib.gzip) as (bytes: Buffer, options: object) => Promise<Buffer>
    return (bytes) => gzip(bytes, { level: LEVEL, chunkSize: roomFor(bytes) })
  }
  const zstd = promisify(zlib.zstdCompress) as (bytes: Buffer, options: object) => Promise<Buffer>
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL }
  return (bytes) => zstd(bytes, { params, chunkSize: roomFor(bytes) })
}

const LEAST_ROOM = 1024

/** All of the result in one piece: by default it comes in pieces of 16 KB, each by way of the thread pool. */
function roomFor(bytes: Buffer): number {
  return Math.max(LEAST_ROOM, bytes.length)
}

/** Frees the memory of a result now: the garbage collector sees small objects and lets many of them pile up. */
export function discard(bytes: Buffer): void {
  const memory = bytes.buffer as ArrayBuffer
  // A small one may be part of a pool that others use.
  if (memory.byteLength === bytes.length) memory.transfer(0)
}
