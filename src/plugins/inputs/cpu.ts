import { readFileSync } from 'node:fs'
import { messageOf, ShipperError } from '../../core/error.ts'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput, type InputContext } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'
import { useDropIn } from '../../lib/text/drop-in.ts'

const OPTIONS = defineOptions({
  ...INTERVAL_OPTIONS,
  pid: {
    type: 'int',
    default: '-1',
    help: 'Id of a process to measure instead of the machine; -1: the machine.',
  },
})

/** Clock ticks per second in /proc (USER_HZ), the same on all supported Linux platforms. */
const TICKS_PER_SECOND = 100
const BLANKS = /\s+/

/** CPU time in clock ticks. */
interface Ticks {
  user: number
  system: number
}

/** Reads /proc/stat: first the machine, then each core; `user` includes nice. */
function machineTicks(): Ticks[] {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n')
  return lines
    .filter((line) => line.startsWith('cpu'))
    .map((line) => {
      const [, user, nice, system] = line.split(BLANKS).map(Number)
      return { user: (user ?? 0) + (nice ?? 0), system: system ?? 0 }
    })
}

/** Reads /proc/PID/stat; the command name in parentheses may contain blanks. */
function processTicks(pid: number): Ticks {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]), system: Number(fields[12]) }
}

/** Computes CPU usage, in percent, from the difference between two readings. */
class CpuUsage {
  #lastTicks: Ticks[]
  #lastMs: number
  readonly #ctx: InputContext
  readonly #pid: number

  constructor(ctx: InputContext, pid: number) {
    this.#ctx = ctx
    this.#pid = pid
    this.#lastTicks = this.#read()
    this.#lastMs = ctx.clock.nowMs()
  }

  /** Returns a record of the usage since the last call. */
  record(): Buffer {
    const now = this.#read()
    const nowMs = this.#ctx.clock.nowMs()
    const ticks = Math.max(1e-3, ((nowMs - this.#lastMs) / 1000) * TICKS_PER_SECOND)
    const record = new RecordBuilder()
    const cores = Math.max(1, now.length - 1)
    now.forEach((current, i) => {
      const last = this.#lastTicks[i] ?? current
      const share = (100 / ticks) * (i === 0 && this.#pid < 0 ? 1 / cores : 1)
      const user = (current.user - last.user) * share
      const system = (current.system - last.system) * share
      const [cpuName, userName, systemName] =
        i === 0
          ? ['cpu_p', 'user_p', 'system_p']
          : [`cpu${i - 1}.p_cpu`, `cpu${i - 1}.p_user`, `cpu${i - 1}.p_system`]
      record
        .float(cpuName, user + system)
        .float(userName, user)
        .float(systemName, system)
    })
    this.#lastTicks = now
    this.#lastMs = nowMs
    return record.bytes()
  }

  #read(): Ticks[] {
    return this.#pid < 0 ? machineTicks() : [processTicks(this.#pid)]
  }
}

/** Throws E_CONFIG_BAD_VALUE when the process does not exist at the start; one that ends later is not an error. */
function createUsage(ctx: InputContext, pid: number): CpuUsage {
  try {
    return new CpuUsage(ctx, pid)
  } catch (cause) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', `cannot measure process ${pid}: ${messageOf(cause)}`, {
      option: 'pid',
      hint: `set Pid to a running process, or leave it out to measure the machine; for one of another user, ${useDropIn('proc')}`,
      cause,
    })
  }
}

export const spec = defineInput({
  kind: 'input',
  name: 'cpu',
  summary: 'CPU usage of the machine and of each core, in percent.',
  description:
    '`cpu_p` is the sum of `user_p` (with nice) and `system_p`, averaged over all cores; `cpuN.p_cpu`, `cpuN.p_user` and ' +
    '`cpuN.p_system` are the values of core N. With Pid, the values are the usage of the process in percent of one core.',
  options: OPTIONS,
  example: '[INPUT]\n    Name cpu\n    Tag  my_cpu\n',
  create(options, ctx) {
    const usage = createUsage(ctx, options.pid)
    return new IntervalInput(ctx, intervalMs(options), () => usage.record())
  },
})
