import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { disableFaultAround } from '../../src/agent/fault-around.ts'
import { ownMappings } from '../../src/agent/mappings.ts'
import { shipperCommand, start } from '../support/process.ts'
import { peerOrSkip } from '../support/skip.ts'
import { HANG_MS, until } from '../support/until.ts'

const MAPPING = /^[0-9a-f]+-[0-9a-f]+ r-xp .*\/(?:bun(?:\.exe)?|shipper-linux-\w+)$/m
const NEXT_MAPPING = /^(?=[0-9a-f]+-[0-9a-f]+ )/m
/** Flag of a mapping that is registered for write protection by userfaultfd. */
const REGISTERED = /^VmFlags:.* uw\b/m
const RESIDENT = /^Rss:\s+(\d+) kB$/m

/** Returns the entry of the code of an executable in /proc/PID/smaps. */
function code(pid: number | 'self'): string {
  const smaps = readFileSync(`/proc/${pid}/smaps`, 'latin1')
  return smaps.split(NEXT_MAPPING).find((entry) => MAPPING.test(entry)) ?? ''
}

/** Kernel and seccomp profile of a machine are not ours to require: a container on a machine for CI refuses the call, too. */
const testWithUserfaultfd = peerOrSkip(
  'userfaultfd',
  // The second registration of a process is refused, and another test file may have made the first.
  (await disableFaultAround(ownMappings())) || REGISTERED.test(code('self')),
  'refused by the kernel (before Linux 6.7) or by the seccomp profile of a container',
  'nowhere',
)

test('what cannot be registered is refused, and leaves no descriptor', async () => {
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = descriptors()
  for (let i = 0; i < 10; i++) expect(await disableFaultAround([{ start: 4096, bytes: 4096 }])).toBe(false)
  expect(await disableFaultAround([])).toBe(false)
  // Those of tests before may be closed meanwhile.
  expect(descriptors()).toBeLessThanOrEqual(before)
})

testWithUserfaultfd('the agent registers its code, and has a small part of it resident', async () => {
  const agent = start(['-i', 'dummy', '-o', 'null'], { command: shipperCommand() })
  const pid = agent.child.pid as number
  await until(() => REGISTERED.test(code(pid)), { limitMs: HANG_MS, what: () => code(pid) })
  await until(() => Number(RESIDENT.exec(code(pid))?.[1]) < 10_000, {
    limitMs: HANG_MS,
    what: () => code(pid),
  })
  agent.child.kill()
  expect((await agent.exited).code).toBe(0)
})
