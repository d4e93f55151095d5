import { readFileSync } from 'node:fs'

/** What the input asks the machine for. Tests replace it. */
export interface Machine {
  /** Returns milliseconds since its start, suspensions included. */
  uptimeMs(): number
  /** Returns what distinguishes this boot from others. */
  bootId(): string
}

export const MACHINE: Machine = {
  uptimeMs: () => Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000,
  bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
}
