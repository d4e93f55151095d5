import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Returns the values of a topic as read by librdkafka's consumer, or undefined where Debian's `kcat` is not installed: it
 * is a second check that not every machine must have.
 */
export async function kcatValues(bootstrap: string, topic: string): Promise<Buffer[] | undefined> {
  // %R is the length of the value, four bytes, big-endian; %s its bytes.
  const args = ['-C', '-b', bootstrap, '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%R%s']
  let out: Buffer
  try {
    const done = await run('kcat', args, { encoding: 'buffer', maxBuffer: 256_000_000, timeout: 30_000 })
    out = done.stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const values: Buffer[] = []
  for (let at = 0; at < out.length; ) {
    const length = out.readUInt32BE(at)
    values.push(out.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return values
}
