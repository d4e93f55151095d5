import { readFileSync } from 'node:fs'
import { messageOf, ShipperError } from '../../core/error.ts'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput, type InputContext } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  ...INTERVAL_OPTIONS,
  pid: {
    type: 'int',
    default: '-1',
    help: 'Process to watch instead of the whole machine; -1: the machine.',
  },
})

/** Ticks of the kernel per second, as /proc counts them on every Linux we run on. */
const TICKS = 100
const BLANKS = /\s+/

interface Ticks {
  user: number
  system: number
}

/** Of /proc/stat, the whole machine first, then each core: user (with nice) and system time in ticks. */
function machineTicks(): Ticks[] {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n')
  return lines
    .filter((line) => line.startsWith('cpu'))
    .map((line) => {
      const [, user, nice, system] = line.split(BLANKS).map(Number)
      return { user: (user ?? 0) + (nice ?? 0), system: system ?? 0 }
    })
}

/** Of /proc/PID/stat; the name in brackets may hold blanks. */
function processTicks(pid: number): Ticks {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]), system: Number(fields[12]) }
}

class Usage {
  #before: Ticks[]
  #beforeMs: number
  readonly #ctx: InputContext
  readonly #pid: number

  constructor(ctx: InputContext, pid: number) {
    this.#ctx = ctx
    this.#pid = pid
    this.#before = this.#read()
    this.#beforeMs = ctx.clock.nowMs()
  }

  record(): Buffer {
    const now = this.#read()
    const nowMs = this.#ctx.clock.nowMs()
    const ticks = Math.max(1e-3, ((nowMs - this.#beforeMs) / 1000) * TICKS)
    const record = new RecordBuilder()
    const cores = Math.max(1, now.length - 1)
    now.forEach((t, i) => {
      const before = this.#before[i] ?? t
      const share = (100 / ticks) * (i === 0 && this.#pid < 0 ? 1 / cores : 1)
      const user = (t.user - before.user) * share
      const system = (t.system - before.system) * share
      const [cpu, usr, sys] =
        i === 0
          ? ['cpu_p', 'user_p', 'system_p']
          : [`cpu${i - 1}.p_cpu`, `cpu${i - 1}.p_user`, `cpu${i - 1}.p_system`]
      record
        .float(cpu, user + system)
        .float(usr, user)
        .float(sys, system)
    })
    this.#before = now
    this.#beforeMs = nowMs
    return record.bytes()
  }

  #read(): Ticks[] {
    return this.#pid < 0 ? machineTicks() : [processTicks(this.#pid)]
  }
}

/** A process that is not there at the start is a mistake; one that ends later is not. */
function usageOf(ctx: InputContext, pid: number): Usage {
  try {
    return new Usage(ctx, pid)
  } catch (cause) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', `cannot watch process ${pid}: ${messageOf(cause)}`, {
      option: 'pid',
      hint: 'set Pid to a process that runs, or leave it out for the whole machine',
      cause,
    })
  }
}

export const spec = defineInput({
  kind: 'input',
  name: 'cpu',
  summary: 'CPU usage of the machine and of each core, in percent.',
  description:
    'cpu_p is user_p (with nice) and system_p together, of all cores; `cpuN.p_cpu`, `cpuN.p_user` and `cpuN.p_system` ' +
    'are those of core N. With Pid: the percent of one core that the process uses.',
  options: OPTIONS,
  example: '[INPUT]\n    Name cpu\n    Tag  my_cpu\n',
  create(options, ctx) {
    const usage = usageOf(ctx, options.pid)
    return new IntervalInput(ctx, intervalMs(options), () => usage.record())
  },
})
