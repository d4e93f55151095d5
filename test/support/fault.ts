import { join } from 'node:path'

const PRELOAD = join(import.meta.dirname, 'fault-preload.ts')

/** Returns the environment with which the binary makes a fault on SIGUSR2; see fault-preload.ts. */
export function faultOnSignal(fault: 'throw' | 'reject' | 'value' | 'start' | `block ${number}`) {
  return { FAULT: fault, BUN_OPTIONS: `--preload ${PRELOAD}` }
}
