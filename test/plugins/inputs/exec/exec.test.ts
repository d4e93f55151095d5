import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeStr } from '../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Parser } from '../../../../src/core/parser.ts'
import { spec } from '../../../../src/plugins/inputs/exec/index.ts'
import { InputRun } from '../../../support/engine/input-run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const ONCE = { exit_after_oneshot: 'on' }

test('a preview names the program, and no word that may be a secret', async () => {
  const options = parseOptions(spec.options, { command: 'curl -u me:abcde --token abcde', interval_sec: '5' })
  const { source } = (await spec.preview?.(options, {} as never)) ?? {}
  expect(source).toBe('runs curl (4 more words) every 5 s')
})

describe('exec', () => {
  /** Lets the clock run until a condition holds. */
  async function passUntil(run: InputRun, condition: () => boolean, stepMs = 10): Promise<void> {
    await until(async () => {
      await run.pass(stepMs, stepMs)
      return condition()
    })
  }

  async function outputOf(
    command: string,
    options: Record<string, string> = {},
  ): Promise<{ run: InputRun; lines: unknown[] }> {
    const run = new InputRun(spec, { command, ...ONCE, ...options })
    const lines: unknown[] = []
    await passUntil(run, () => {
      lines.push(...run.takeRecords().map(({ record }) => record.exec))
      return run.finished
    })
    lines.push(...run.takeRecords().map(({ record }) => record.exec))
    await run.stop()
    return { run, lines }
  }

  test('each line is a record, an empty one and one without newline too; what is no newline is kept', async () => {
    const { lines } = await outputOf('printf "one\\n\\ntwo\\r\\n\\tthree"')
    expect(lines).toEqual(['one', '', 'two\r', '\tthree'])
    expect((await outputOf('true')).lines).toEqual([])
  })

  test('the command is run by a shell', async () => {
    const { lines } = await outputOf('for i in 1 2; do echo "$((i * 2))"; done | tac')
    expect(lines).toEqual(['4', '2'])
  })

  test('a line that is longer than Buf_Size less one comes in parts, and no empty one after them', async () => {
    const { run, lines } = await outputOf('printf "12345678\\n1234\\n123456789\\n\\nx"', { buf_size: '5' })
    expect(lines).toEqual(['1234', '5678', '1234', '1234', '5678', '9', '', 'x'])
    expect(run.counters.get('split_lines')).toBe(3)
  })

  test('lines of 1 MB come whole when Buf_Size allows it, and in parts of 4095 bytes by default', async () => {
    const command =
      'head -c 1000000 /dev/zero | tr "\\0" x; echo; head -c 1000000 /dev/zero | tr "\\0" y; echo; echo z'
    const whole = await outputOf(command, { buf_size: '2M' })
    expect(whole.lines.map((line) => [String(line)[0], String(line).length])).toEqual([
      ['x', 1_000_000],
      ['y', 1_000_000],
      ['z', 1],
    ])
    const { lines } = await outputOf(command)
    expect(lines.join('')).toBe(`${'x'.repeat(1_000_000)}${'y'.repeat(1_000_000)}z`)
    expect(lines).toHaveLength(2 * Math.ceil(1_000_000 / 4095) + 1)
  })

  test('stderr is in the log and not in the records, its first 20 lines only', async () => {
    const { run, lines } = await outputOf(
      'echo out; i=0; while [ $i -lt 50 ]; do echo "bad $i" >&2; i=$((i+1)); done',
    )
    expect(lines).toEqual(['out'])
    const shown = run.log.filter((line) => line.includes('stderr of the command: bad'))
    expect(shown).toHaveLength(20)
    expect(run.log.some((line) => line.includes('more bytes to stderr'))).toBe(true)
  })

  test('control characters and endless lines on stderr are escaped and cut in the log', async () => {
    const { run } = await outputOf('printf "\\033[31mred\\n" >&2; head -c 100000 /dev/zero | tr "\\0" e >&2')
    expect(run.log.some((line) => line.includes('\\x1b[31mred'))).toBe(true)
    expect(Math.max(...run.log.map((line) => line.length))).toBeLessThan(1000)
  })

  test('an exit status and a signal are logged and counted; a command that is not there has status 127', async () => {
    const failed = await outputOf('echo x; exit 3')
    expect(failed.lines).toEqual(['x'])
    expect(failed.run.log.some((line) => line.includes('the command exited with status 3'))).toBe(true)
    expect(failed.run.counters.get('failed_runs', 'status')).toBe(1)
    const killed = await outputOf('echo x; kill -KILL $$')
    expect(killed.lines).toEqual(['x'])
    expect(killed.run.log.some((line) => line.includes('was ended by SIGKILL'))).toBe(true)
    const missing = await outputOf('surely-no-such-command')
    expect(missing.run.log.some((line) => line.includes('exited with status 127'))).toBe(true)
    expect((await outputOf('true')).run.counters.get('failed_runs')).toBe(0)
  })

  test.each([
    ['exit 0', 0],
    ['exit 3', 3],
    ['kill -TERM $$', 143],
    ['surely-no-such-command', 127],
  ])('Propagate_Exit_Code passes on that of `%s`', async (command, status) => {
    const { run } = await outputOf(command, { propagate_exit_code: 'on' })
    expect(run.status).toBe(status)
    expect((await outputOf(command)).run.status).toBe(0)
  })

  test('Propagate_Exit_Code without Exit_After_Oneshot is refused', () => {
    expect(() => new InputRun(spec, { command: 'x', propagate_exit_code: 'on' })).toThrow('exit to propagate')
  })

  test('without Oneshot it runs at each interval, first after one', async () => {
    const file = join(tmp(), 'runs')
    const run = new InputRun(spec, { command: `echo r >> ${file}; echo x`, interval_sec: '2' })
    await run.pass(1990, 10)
    expect(existsSync(file)).toBe(false)
    await passUntil(run, () => run.takeRecords().length > 0)
    await passUntil(run, () => run.counters.get('runs') === 2, 100)
    await run.stop()
  })

  test('a run that goes on is not started again: the runs that are left out are counted', async () => {
    const run = new InputRun(spec, { command: 'sleep 600', time_limit: '5' })
    await run.pass(4000, 100)
    expect(run.counters.get('runs')).toBe(1)
    await passUntil(run, () => run.counters.get('skipped_runs') > 0, 100)
    expect(run.counters.get('failed_runs', 'time_limit')).toBe(1)
    expect(run.log.some((line) => line.includes('Time_Limit, 5 s'))).toBe(true)
    await passUntil(run, () => run.counters.get('runs') === 2, 100)
    await run.stop()
  })

  test('a command without an end is told of after a minute', async () => {
    const run = new InputRun(spec, { command: 'sleep 600' })
    await run.pass(61_500, 500)
    expect(run.log.filter((line) => line.includes('has run for 1 min'))).toHaveLength(1)
    await run.stop()
  })

  /** Numbers of the complete lines: a shell makes the file before it writes to it. */
  const pidsIn = (file: string): number[] =>
    existsSync(file) ? (readFileSync(file, 'utf8').match(/^\d+\n/gm) ?? []).map(Number) : []
  const isAlive = (pid: number): boolean => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  }

  test('a stop ends the command with all that it has started, also what ignores SIGTERM', async () => {
    const file = join(tmp(), 'pids')
    const command = `trap "" TERM; echo $$ >> ${file}; (echo begin; sleep 600 & echo $! >> ${file}; wait) & sleep 600 & echo $! >> ${file}; wait`
    const run = new InputRun(spec, { command, oneshot: 'on' })
    await passUntil(run, () => pidsIn(file).length === 3)
    const pids = pidsIn(file)
    expect(pids.filter(isAlive)).toEqual(pids)
    const stopped = run.stop()
    await passUntil(run, () => !pids.some(isAlive))
    await stopped
  })

  test('what the command writes when it is stopped is kept', async () => {
    const run = new InputRun(spec, {
      command: 'trap "echo last; exit" TERM; echo first; sleep 600 & wait',
      oneshot: 'on',
    })
    const lines: unknown[] = []
    await passUntil(run, () => {
      lines.push(...run.takeRecords().map(({ record }) => record.exec))
      return lines.length === 1
    })
    let hasEnded = false
    const ended = run.end().then(() => {
      hasEnded = true
    })
    await passUntil(run, () => hasEnded)
    await ended
    lines.push(...run.takeRecords().map(({ record }) => record.exec))
    expect(lines).toEqual(['first', 'last'])
    await run.stop()
  })

  test('a process that has left the group and holds the pipe does not hold the stop', async () => {
    const file = join(tmp(), 'pid')
    const run = new InputRun(spec, {
      command: `setsid sh -c 'echo $$ > ${file}; exec sleep 600' & sleep 600`,
      oneshot: 'on',
    })
    await passUntil(run, () => pidsIn(file).length === 1)
    const [pid = 0] = pidsIn(file)
    let isStopped = false
    const stopped = run.stop().then(() => {
      isStopped = true
    })
    await passUntil(run, () => isStopped)
    await stopped
    expect(isAlive(pid)).toBe(true)
    process.kill(pid, 'SIGKILL')
  })

  test('a process that holds only stderr does not hold the run, and may write there after it', async () => {
    const dir = tmp()
    const [pid, go, done] = ['pid', 'go', 'done'].map((name) => join(dir, name)) as [string, string, string]
    const background = `(trap "" HUP; echo $$ >${pid}; until [ -e ${go} ]; do sleep 0.01; done; echo late >&2 && echo ok >${done}) >/dev/null &`
    const run = new InputRun(spec, { command: `${background} echo early >&2; echo tick`, interval_sec: '1' })
    const lines: unknown[] = []
    await passUntil(run, () => {
      lines.push(...run.takeRecords().map(({ record }) => record.exec))
      return run.counters.get('runs') === 2
    })
    expect(lines[0]).toBe('tick')
    expect(run.log.some((line) => line.includes('stderr of the command: early'))).toBe(true)
    writeFileSync(go, '')
    await passUntil(run, () => existsSync(done), 1)
    expect(run.counters.get('failed_runs')).toBe(0)
    let isStopped = false
    const stopped = run.stop().then(() => {
      isStopped = true
    })
    await passUntil(run, () => isStopped)
    await stopped
  })

  test.each(['oneshot', 'interval'])(
    'a process that holds stdout after its command is told of, with %s',
    async (kind) => {
      const file = join(tmp(), 'pid')
      const run = new InputRun(spec, {
        command: `sleep 600 & echo $! >${file}`,
        ...(kind === 'oneshot' ? { oneshot: 'on' } : {}),
      })
      await passUntil(run, () => pidsIn(file).length === 1)
      // The shell ends some time after it has written the file.
      const shell = run.input.status?.().pid
      await until(() => !existsSync(`/proc/${shell}`))
      await run.pass(62_000, 500)
      expect(run.log.filter((line) => line.includes('a process that it has started goes on'))).toHaveLength(1)
      expect(run.log.join('\n')).not.toContain('has run for')
      const stopped = run.stop()
      await passUntil(run, () => !pidsIn(file).some(isAlive))
      await stopped
    },
  )

  test('a flood waits in the pipe while there is no memory, and every line of it comes', async () => {
    const run = new InputRun(spec, { command: 'seq 1 400000', ...ONCE }, 300_000)
    let next = 1
    let largest = 0
    const take = (): void => {
      largest = Math.max(largest, run.bench.account.used)
      for (const { record } of run.takeRecords()) {
        if (record.exec !== String(next)) throw new Error(`${record.exec} instead of ${next}`)
        next++
      }
    }
    await passUntil(run, () => {
      take()
      return run.finished
    })
    take()
    expect(next).toBe(400_001)
    expect(largest).toBeLessThanOrEqual(300_000)
    await run.stop()
  })

  test('while there is no memory the command stands still, with at most a megabyte read ahead', async () => {
    const run = new InputRun(spec, { command: 'exec yes', oneshot: 'on' }, 300_000)
    await passUntil(run, () => run.bench.account.used > 150_000 && run.input.isWaiting === false)
    const pid = run.input.status?.().pid
    const written = (): number => Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1])
    let [last, still] = [-1, 0]
    await passUntil(run, () => {
      const now = written()
      still = now === last ? still + 1 : 0
      last = now
      return still === 20 || now > 20_000_000
    })
    expect(last).toBeLessThan(2_000_000)
    const stopped = run.stop()
    await passUntil(run, () => run.input.status?.().pid === undefined)
    await stopped
  })

  test('Time_Limit does not count the time in which there is no memory: what the command has written comes', async () => {
    const command = 'seq 1 20000; echo end'
    const run = new InputRun(spec, { command, ...ONCE, time_limit: '1s' }, 30_000)
    // The clock stands still while the command writes: how long that takes is no part of the claim.
    await until(() => run.bench.sealed.length > 0)
    await run.pass(60_000, 500)
    const lines: unknown[] = []
    await until(() => {
      lines.push(...run.takeRecords().map(({ record }) => record.exec))
      return run.finished
    })
    lines.push(...run.takeRecords().map(({ record }) => record.exec))
    expect([lines.length, lines.at(-1)]).toEqual([20_001, 'end'])
    expect(run.counters.get('failed_runs')).toBe(0)
    await run.stop()
    expect(run.bench.clock.waiting).toBe(0)
  })

  test('after Time_Limit what is in the pipe is read, however long there is no memory for it', async () => {
    const written = join(tmp(), 'written')
    const command = `trap "" TERM; seq 1 5000; : > ${written}; exec sleep 600`
    const run = new InputRun(spec, { command, ...ONCE, time_limit: '1s' }, 30_000)
    const lines: unknown[] = []
    const take = (): void => void lines.push(...run.takeRecords().map(({ record }) => record.exec))
    await until(() => run.bench.sealed.length > 0 && existsSync(written))
    // Time passes with memory and without.
    for (let i = 0; i < 40 && !run.finished; i++) {
      await run.pass(400, 100)
      take()
      await run.pass(5000, 500)
    }
    await passUntil(run, () => {
      take()
      return run.finished
    })
    take()
    expect([lines.length, lines.at(-1)]).toEqual([5000, '5000'])
    expect(run.counters.get('failed_runs')).toBe(1)
    await run.stop()
  })

  test('a stop while there is no memory ends, and counts what is lost', async () => {
    const run = new InputRun(spec, { command: 'yes', oneshot: 'on' }, 300_000)
    await passUntil(run, () => run.bench.account.used > 150_000 && run.input.isWaiting === false)
    let isStopped = false
    const stopped = run.stop().then(() => {
      isStopped = true
    })
    await passUntil(run, () => isStopped)
    await stopped
    expect(run.counters.get('lost_bytes')).toBeGreaterThan(0)
  })

  test('a command that the system does not start is a failed run with status 128', async () => {
    // Longer than an argument may be.
    const { run, lines } = await outputOf(`echo ${'x'.repeat(200_000)}`, { propagate_exit_code: 'on' })
    expect(lines).toEqual([])
    expect(run.status).toBe(128)
    expect(run.log.some((line) => line.includes('the command cannot be started'))).toBe(true)
    expect(run.log.every((line) => line.length < 1000)).toBe(true)
    const next = new InputRun(spec, { command: `echo ${'x'.repeat(200_000)}` })
    await passUntil(next, () => next.counters.get('failed_runs', 'status') === 2, 100)
    await next.stop()
  })

  test('a Parser makes the records and their times; a line that it does not match is kept', async () => {
    const parser: Parser = {
      timeFailures: 0,
      bound: (length) => length + 100,
      parse(src, start, end, out) {
        if (src[start] !== 0x6b) return false
        out.sec = 1_700_000_000
        out.nsec = 5
        out.buf[out.at++] = 0x81
        out.at = writeStr(out.buf, out.at, 'parsed')
        out.at = writeStr(out.buf, out.at, src.toString('utf8', start, end))
        return true
      },
    }
    const options = { command: 'echo k1; echo other; echo more; echo k2', parser: 'pair', ...ONCE }
    const run = new InputRun(spec, options, undefined, { parser: () => parser })
    await passUntil(run, () => run.finished)
    const records = run.takeRecords()
    expect(records.map(({ record }) => record)).toEqual([
      { parsed: 'k1' },
      { exec: 'other' },
      { exec: 'more' },
      { parsed: 'k2' },
    ])
    expect(records[0]?.time).toBe('1700000000.000000005')
    expect(records[1]?.time).not.toBe(records[0]?.time)
    expect(run.counters.get('parse_failed')).toBe(2)
    expect(run.log.filter((line) => line.includes('cannot be parsed'))).toHaveLength(1)
    await run.stop()
  })

  test('the state has the number of runs, the process and the last status', async () => {
    const run = new InputRun(spec, { command: 'exit 4', oneshot: 'on' })
    await passUntil(run, () => run.input.status?.().last_status === 4)
    expect(run.input.status?.()).toEqual({ runs: 1, failed: 1, last_status: 4 })
    await run.stop()
  })
})
