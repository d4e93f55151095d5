import { join } from 'node:path'
import { start } from '../process.ts'
import { HANG_MS } from '../until.ts'

/** Lines a second of the writer. */
export const RATE = 50_000
const WRITER = join(import.meta.dirname, 'writer-process.ts')

export interface Rotation {
  how: 'rename' | 'copytruncate'
  rotations: number
  everyMs: number
  /** Time after a rename in which the program still writes to the renamed file. */
  lateMs: number
}

/** Runs a program that writes and rotates its log. Returns the number of lines that it wrote, with line 0. */
export async function writeAndRotate(
  path: string,
  { how, rotations, everyMs, lateMs }: Rotation,
): Promise<number> {
  const args = [WRITER, path, RATE, rotations, everyMs, lateMs, how].map(String)
  const writer = start(args, { command: [process.execPath] })
  const { code } = await writer.ended(rotations * (everyMs + lateMs) + HANG_MS)
  if (code !== 0) throw new Error(`the writer ended with ${code}: ${writer.stderr}`)
  return Number(writer.stdout)
}
