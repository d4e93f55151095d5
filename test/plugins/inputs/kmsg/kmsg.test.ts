import { describe, expect, test } from 'bun:test'
import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import type { OffsetOptions } from '../../../../src/core/offset-store.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { InputContext, PreviewContext } from '../../../../src/core/plugin.ts'
import { type Device, KernelLog, NONE, OVERWRITTEN } from '../../../../src/plugins/inputs/kmsg/device.ts'
import { spec } from '../../../../src/plugins/inputs/kmsg/index.ts'
import { KmsgInput } from '../../../../src/plugins/inputs/kmsg/kmsg.ts'
import { MACHINE } from '../../../../src/plugins/inputs/kmsg/machine.ts'
import type { KmsgOptions } from '../../../../src/plugins/inputs/kmsg/options.ts'
import { openOffsets } from '../../../../src/store/open.ts'
import { InputRun } from '../../../support/engine/input-run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** A kernel that gives one message in each read, as /dev/kmsg does. */
class FakeDevice implements Device {
  readonly queue: (string | number)[] = []
  isOpen = false
  reads = 0

  open(): void {
    this.isOpen = true
  }

  read(buf: Buffer): number {
    this.reads++
    const next = this.queue.shift() ?? NONE
    return typeof next === 'number' ? next : buf.write(next, 0, 'latin1')
  }

  close(): void {
    this.isOpen = false
  }
}

describe('kmsg', () => {
  const UPTIME_MS = 100_000

  function started(
    options: Record<string, string> = {},
    limit?: number,
    device = new FakeDevice(),
    boot = 'boot-1',
  ): { run: InputRun; device: FakeDevice } {
    const faked = {
      ...spec,
      create: (parsed: KmsgOptions, ctx: InputContext) =>
        new KmsgInput(parsed, ctx, device, { uptimeMs: () => UPTIME_MS, bootId: () => boot }),
    }
    return { run: new InputRun(faked as never, options, limit), device }
  }

  async function recordsOf(messages: (string | number)[], options = {}): Promise<unknown[]> {
    const { run, device } = started(options)
    device.queue.push(...messages)
    await run.pass(1000, 100)
    const records = run.takeRecords().map(({ record }) => record)
    await run.stop()
    expect(device.isOpen).toBe(false)
    return records
  }

  test('a record has the fields of fluent-bit; the facility is left out of the priority', async () => {
    expect(await recordsOf(['6,339,5140900,-;NET: Registered protocol family 10\n'])).toEqual([
      { priority: 6, sequence: 339, sec: 5, usec: 140_900, msg: 'NET: Registered protocol family 10' },
    ])
    expect(await recordsOf(['30,7,1000000,-,caller=T1;systemd[1]: a;b\n'])).toEqual([
      { priority: 6, sequence: 7, sec: 1, usec: 0, msg: 'systemd[1]: a;b' },
    ])
  })

  test('lines that describe the device are part of the message, and escapes are kept', async () => {
    const message = '4,1,2,-;pci: off\\x0a\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:01.0\n'
    expect(await recordsOf([message])).toEqual([
      {
        priority: 4,
        sequence: 1,
        sec: 0,
        usec: 2,
        msg: 'pci: off\\x0a\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:01.0',
      },
    ])
    expect(await recordsOf(['4,1,2,c;\n'])).toMatchObject([{ msg: '' }])
  })

  test('a record has the time of its message, which was stamped before the start', async () => {
    const device = new FakeDevice()
    device.queue.push('6,1,40000500,-;x\n', '6,2,40000600,-;y\n')
    const { run } = started({}, undefined, device)
    const startMs = run.bench.clock.nowMs() - UPTIME_MS
    await run.pass(100, 100)
    const times = run.takeRecords().map(({ time }) => Number(time))
    expect(times[0]).toBeCloseTo(startMs / 1000 + 40.0005, 3)
    expect(times[1]).toBeCloseTo(startMs / 1000 + 40.0006, 3)
    await run.stop()
  })

  test('a message that comes now has the time of now, also when the clock of its stamp stood still', async () => {
    const { run, device } = started()
    await run.pass(1000, 100)
    // The machine was suspended for most of its 100 seconds.
    device.queue.push('6,1,3000000,-;x\n', '6,2,3000100,-;y\n')
    await run.pass(100, 100)
    const nowMs = run.bench.clock.nowMs()
    const times = run.takeRecords().map(({ time }) => Number(time))
    expect(times[0]).toBeCloseTo(nowMs / 1000, 1)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeCloseTo(0.0001, 4)
    await run.stop()
  })

  test('Prio_Level leaves out what is less urgent, and gaps are not made by that', async () => {
    const messages = [0, 3, 4, 7].map((priority, i) => `${priority},${i},0,-;m\n`)
    const priorities = async (level: string): Promise<unknown> =>
      (await recordsOf(messages, { prio_level: level })).map((r) => (r as { priority: number }).priority)
    expect(await priorities('8')).toEqual([0, 3, 4, 7])
    expect(await priorities('3')).toEqual([0, 3])
    expect(await priorities('0')).toEqual([0])
    const { run, device } = started({ prio_level: '0' })
    device.queue.push(...messages)
    await run.pass(300, 100)
    expect(run.counters.get('lost_messages')).toBe(0)
    await run.stop()
    expect(() => started({ prio_level: '9' })).toThrow()
  })

  test('messages that the kernel has overwritten are counted by their numbers, and logged', async () => {
    const { run, device } = started()
    device.queue.push('6,10,0,-;a\n', OVERWRITTEN, '6,15,0,-;b\n', '6,16,0,-;c\n', '6,18,0,-;d\n')
    await run.pass(300, 100)
    expect(run.takeRecords()).toHaveLength(4)
    expect(run.counters.get('lost_messages')).toBe(5)
    expect(run.log.some((line) => line.includes('4 messages of the kernel were overwritten'))).toBe(true)
    expect(run.log.some((line) => line.includes('a message of the kernel was overwritten'))).toBe(true)
    expect(run.input.status?.()).toEqual({ sequence: 18, lost: 5 })
    await run.stop()
  })

  test('the first message is the oldest that is kept: what was before it is not counted', async () => {
    const { run, device } = started()
    device.queue.push(OVERWRITTEN, '6,5000,0,-;a\n')
    await run.pass(300, 100)
    expect(run.counters.get('lost_messages')).toBe(0)
    await run.stop()
  })

  describe('with DB', () => {
    /** Runs once on a kernel that has these messages; returns the numbers of the records, which are acknowledged or not. */
    async function numbersOf(
      db: string,
      numbers: number[],
      { boot = 'boot-1', acks = true, level = '8' } = {},
    ): Promise<{ numbers: unknown[]; lost: number }> {
      const { run, device } = started({ db, prio_level: level }, undefined, new FakeDevice(), boot)
      device.queue.push(...numbers.map((number) => `6,${number},0,-;m\n`))
      await until(async () => {
        await run.pass(200, 100)
        return device.queue.length === 0
      })
      await run.pass(300, 100)
      const found = acks ? run.takeRecords().map(({ record }) => record.sequence) : []
      const lost = run.counters.get('lost_messages')
      await run.stop()
      return { numbers: found, lost }
    }

    test('a restart continues after the last acknowledged message, and counts what was overwritten meanwhile', async () => {
      const db = join(tmp(), 'pos.db')
      expect(await numbersOf(db, [5, 6, 7])).toEqual({ numbers: [5, 6, 7], lost: 0 })
      expect(await numbersOf(db, [5, 6, 7])).toEqual({ numbers: [], lost: 0 })
      expect(await numbersOf(db, [6, 7, 8, 9])).toEqual({ numbers: [8, 9], lost: 0 })
      expect(await numbersOf(db, [20, 21])).toEqual({ numbers: [20, 21], lost: 10 })
      expect(await numbersOf(db, [20, 21])).toEqual({ numbers: [], lost: 0 })
    })

    test('what was not acknowledged is read again', async () => {
      const db = join(tmp(), 'pos.db')
      await numbersOf(db, [1, 2])
      await numbersOf(db, [1, 2, 3, 4], { acks: false })
      expect((await numbersOf(db, [1, 2, 3, 4])).numbers).toEqual([3, 4])
    })

    test('after a start of the machine, when the numbers begin anew, all messages are read', async () => {
      const db = join(tmp(), 'pos.db')
      await numbersOf(db, [0, 1, 2])
      const next = await numbersOf(db, [0, 1], { boot: 'boot-2' })
      expect(next).toEqual({ numbers: [0, 1], lost: 0 })
    })

    test('what Prio_Level leaves out moves the position: when it is overwritten, nothing is lost', async () => {
      const db = join(tmp(), 'pos.db')
      await numbersOf(db, [0, 1, 2, 3], { level: '5' })
      expect(await numbersOf(db, [4, 5])).toEqual({ numbers: [4, 5], lost: 0 })
    })

    test('-D says from where a start would read', async () => {
      const db = join(tmp(), 'pos.db')
      const preview = async (path?: string) => {
        const ctx = {
          name: 'kmsg.0',
          tag: 't',
          maxSources: 1,
          openOffsets: (file: string | undefined, options: OffsetOptions) =>
            openOffsets(file, options, { log: { error() {}, warn() {}, info() {}, debug() {} } }),
        }
        const options = parseOptions(spec.options, path === undefined ? {} : { db: path })
        const found = await spec.preview?.(options as never, ctx as unknown as PreviewContext)
        return [found?.sources[0]?.start, found?.notes.length]
      }
      await numbersOf(db, [0, 1, 2], { boot: MACHINE.bootId() })
      expect(await preview(db)).toEqual([`after message 2 (position in ${db})`, 0])
      expect(await preview()).toEqual(['from the oldest message that the kernel has kept', 1])
    })
  })

  test('nothing is read while there is no memory, and all of it afterwards', async () => {
    const { run, device } = started({}, 200_000)
    const text = 'x'.repeat(8000)
    for (let i = 0; i < 100; i++) device.queue.push(`6,${i},0,-;${text}\n`)
    await run.pass(1000, 10)
    expect(device.queue.length).toBeGreaterThan(50)
    let n = 0
    for (let i = 0; i < 100 && n < 100; i++) {
      n += run.takeRecords().length
      await run.pass(200, 10)
    }
    expect(n + run.takeRecords().length).toBe(100)
    expect(run.counters.get('lost_messages')).toBe(0)
    await run.stop()
  })

  test('an idle kernel is looked at ten times a second', async () => {
    const { run, device } = started()
    await run.pass(10_000, 10)
    expect(device.reads).toBeLessThanOrEqual(102)
    expect(device.reads).toBeGreaterThan(90)
    await run.stop()
  })

  test('what is no message ends the input with an error', async () => {
    for (const text of [
      '',
      'x',
      '6',
      '6,1',
      '6,1,2',
      '6,x,2,-;m\n',
      ',,,;',
      '6,99999999999999999999,2,-;m\n',
    ]) {
      const { run, device } = started()
      device.queue.push(text === '' ? ';' : text)
      await run.pass(300, 100)
      await expect(run.stop()).rejects.toThrow('no message of the kernel')
    }
  })

  test('a device that is not there, or not to be read, gives an error that names the drop-in', () => {
    expect(() => new KernelLog(join(tmp(), 'gone')).open()).toThrow(
      expect.objectContaining({ code: 'E_KMSG', hint: expect.stringContaining('kmsg.conf') }),
    )
  })

  test('the real log of the kernel is read where that is allowed', async () => {
    try {
      closeSync(openSync('/dev/kmsg', constants.O_RDONLY))
    } catch {
      return
    }
    const run = new InputRun(spec, {})
    await run.pass(1000, 100)
    const records = run.takeRecords()
    expect(records.length).toBeGreaterThan(0)
    for (const { record } of records)
      expect(Object.keys(record)).toEqual(['priority', 'sequence', 'sec', 'usec', 'msg'])
    const sequences = records.map(({ record }) => Number(record.sequence))
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
    await run.stop()
  })
})
