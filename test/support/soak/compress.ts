import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { gzipSync } from 'node:zlib'

/** Called between two steps of a rotation, with what has just been done. */
export type Between = (done: string) => Promise<void>

export interface Compression {
  /** True if the copy gets its name when it is complete, as the kubelet does. */
  aside: boolean
  /** True if the copy keeps the time of the original, as gzip does. */
  keepsTime: boolean
  /** True if the original stays, as with `gzip -k`. */
  keepsOriginal: boolean
}

/** Compresses a file next to itself and returns the path of the copy. */
export async function compress(path: string, how: Compression, between: Between): Promise<string> {
  const compressed = `${path}.gz`
  const { atimeMs, mtimeMs } = statSync(path)
  const bytes = gzipSync(readFileSync(path))
  if (how.aside) {
    writeFileSync(`${path}.tmp`, bytes)
    await between('compressed aside')
    renameSync(`${path}.tmp`, compressed)
  } else {
    const fd = openSync(compressed, 'w')
    const half = Math.floor(bytes.length / 2)
    writeSync(fd, bytes, 0, half)
    await between('half compressed')
    writeSync(fd, bytes, half)
    closeSync(fd)
    // Rounded down: it must not seem newer than a file that was created after it.
    if (how.keepsTime) utimesSync(compressed, atimeMs / 1000, (mtimeMs - 0.002) / 1000)
  }
  await between('compressed')
  if (!how.keepsOriginal) rmSync(path)
  return compressed
}
