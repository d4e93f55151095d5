import { join } from 'node:path'
import type { Running } from './process.ts'

/** Environment with which the binary can have a bad disk; see bad-disk-preload.ts. */
export const BAD_DISK = { BUN_OPTIONS: `--preload ${join(import.meta.dirname, 'bad-disk-preload.ts')}` }

/** Makes the disk of the buffer bad, or good again. Resolves when it is. */
export async function setDisk(agent: Running, state: 'bad' | 'good'): Promise<void> {
  agent.kill('SIGUSR2')
  await agent.waitForStderr(`the disk is ${state}`)
}
