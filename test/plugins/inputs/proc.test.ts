import { describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ProcessWatch, spec } from '../../../src/plugins/inputs/proc.ts'
import { InputRun, recordsWithin } from '../../support/engine/input-run.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

/** Returns the fields of /proc/PID/status about memory, in bytes as fluent-bit has them; it leaves out VmPin. */
function memoryOf(pid: number): Record<string, number> {
  const lines = readFileSync(`/proc/${pid}/status`, 'latin1').matchAll(/^(Vm\w+):\s+(\d+) kB$/gm)
  const fields = [...lines].map(([, name = '', kb]): [string, number] => [`mem.${name}`, 1000 * Number(kb)])
  return Object.fromEntries(fields.filter(([name]) => name !== 'mem.VmPin'))
}

describe('proc', () => {
  const KEYS = ['alive', 'proc_name', 'pid', ...Object.keys(memoryOf(process.pid)), 'fd']

  /** Starts a program under a name that no other has. */
  async function sleeping(name: string): Promise<{ pid: number; end(): Promise<void> }> {
    const path = join(tmp(), name)
    symlinkSync('/bin/sleep', path)
    const child = spawn(path, ['60'])
    await once(child, 'spawn')
    const pid = child.pid ?? 0
    await until(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(path))
    const end = async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    atEnd(end)
    return { pid, end }
  }

  test('a record has the process, its memory in units of 1000 bytes, and its descriptors', async () => {
    const name = `shipper-proc-${process.pid}-a`
    const { pid } = await sleeping(name)
    // A program that is still being loaded takes more from one moment to the next.
    const first = await until(async () => {
      const before = memoryOf(pid)
      const [made] = await recordsWithin(spec, { proc_name: name })
      return isDeepStrictEqual(before, memoryOf(pid)) && { record: made?.record ?? {}, memory: before }
    })
    expect(Object.keys(first.record)).toEqual(KEYS)
    expect(first.record).toMatchObject({ alive: true, proc_name: name, pid, ...first.memory })
    expect(first.record.fd).toBeGreaterThan(2)
  })

  test('the end of the process is in the next record, with the id -1 and zeros, and so is a new one', async () => {
    const name = `shipper-proc-${process.pid}-b`
    const one = await sleeping(name)
    const run = new InputRun(spec, { proc_name: name })
    await run.pass(1000, 100)
    await one.end()
    await run.pass(1000, 100)
    const [alive, dead] = run.takeRecords().map(({ record }) => record)
    expect(alive).toMatchObject({ alive: true, pid: one.pid })
    expect(Object.keys(dead ?? {})).toEqual(KEYS)
    expect(dead).toMatchObject({ alive: false, pid: -1, 'mem.VmRSS': 0, fd: 0 })
    const two = await sleeping(name)
    await run.pass(1000, 100)
    expect(run.takeRecords()[0]?.record).toMatchObject({ alive: true, pid: two.pid })
    await run.stop()
  })

  test('with Alert there is a record only without the process; Mem and Fd leave fields out', async () => {
    const name = `shipper-proc-${process.pid}-c`
    const missing = { proc_name: name, alert: 'on', mem: 'off', fd: 'off' }
    expect((await recordsWithin(spec, missing)).map(({ record }) => record)).toEqual([
      { alive: false, proc_name: name, pid: -1 },
    ])
    await sleeping(name)
    expect(await recordsWithin(spec, missing)).toEqual([])
  })

  test('only the last part of the path of the first word counts, as a whole', () => {
    const self = process.argv0.slice(process.argv0.lastIndexOf('/') + 1)
    expect(new ProcessWatch(self).find()).toBeGreaterThan(0)
    expect(new ProcessWatch(self.slice(0, -1)).find()).toBe(-1)
    expect(new ProcessWatch(`/${self}`).find()).toBe(-1)
  })
})
