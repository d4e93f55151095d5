import { readFileSync } from 'node:fs'

/** Returns the CPU time of this process in milliseconds, which does not depend on what else the machine does. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Returns the time in milliseconds for which the main thread of a process was ready and had no processor. */
export function waitedMs(pid = process.pid): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6
}
