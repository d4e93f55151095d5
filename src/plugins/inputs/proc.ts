import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { reasonOf, systemCode } from '../../core/error.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineInput, type InputContext } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'
import { useDropIn } from '../../lib/text/drop-in.ts'

const OPTIONS = defineOptions({
  proc_name: {
    type: 'string',
    required: true,
    help: 'Name of the program: the last part of the path in the first word of its command line.',
  },
  ...INTERVAL_OPTIONS,
  alert: { type: 'bool', default: 'false', help: 'Create a record only when there is no such process.' },
  mem: { type: 'bool', default: 'true', help: 'Add the memory of the process.' },
  fd: { type: 'bool', default: 'true', help: 'Add the number of its open file descriptors.' },
})

/** Fields of /proc/PID/status, in the order of the record. */
const MEMORY = [
  'VmPeak',
  'VmSize',
  'VmLck',
  'VmHWM',
  'VmRSS',
  'VmData',
  'VmStk',
  'VmExe',
  'VmLib',
  'VmPTE',
  'VmSwap',
]
const MEMORY_LINE = /^(Vm\w+):\s+(\d+)/gm
/** fluent-bit counts a kB of /proc as 1000 bytes. */
const BYTES_PER_KB = 1000
/** Number of bytes of a command line that are looked at. */
const MAX_NAME_BYTES = 256
const NUMBER = /^\d+$/

/** Finds a process by name and measures it. */
export class ProcessWatch {
  readonly #name: string
  readonly #proc: string
  readonly #buf = Buffer.alloc(MAX_NAME_BYTES)
  /** Process that was found last, which is looked at first: there may be thousands of others. */
  #pid = -1

  constructor(name: string, proc = '/proc') {
    this.#name = name
    this.#proc = proc
  }

  /** Returns the id of the process with the lowest one, or -1. One that was found is kept until it ends. */
  find(): number {
    if (this.#pid >= 0 && this.#hasName(this.#pid)) return this.#pid
    const ids = readdirSync(this.#proc)
      .filter((name) => NUMBER.test(name))
      .map(Number)
      .sort((a, b) => a - b)
    this.#pid = ids.find((pid) => this.#hasName(pid)) ?? -1
    return this.#pid
  }

  /** Adds the memory in bytes; zeros for a process that does not exist. */
  addMemory(record: RecordBuilder, pid: number): void {
    const text = pid < 0 ? '' : textOf(`${this.#proc}/${pid}/status`)
    const kb = new Map([...text.matchAll(MEMORY_LINE)].map(([, name = '', value]) => [name, Number(value)]))
    for (const name of MEMORY) record.integer(`mem.${name}`, (kb.get(name) ?? 0) * BYTES_PER_KB)
  }

  /** Returns the number of open descriptors; throws when they may not be looked at. */
  descriptors(pid: number): number {
    return pid < 0 ? 0 : readdirSync(`${this.#proc}/${pid}/fd`).length
  }

  #hasName(pid: number): boolean {
    let fd: number | undefined
    try {
      fd = openSync(`${this.#proc}/${pid}/cmdline`, 'r')
      const n = readSync(fd, this.#buf, 0, MAX_NAME_BYTES, 0)
      const nul = this.#buf.subarray(0, n).indexOf(0)
      const path = this.#buf.toString('utf8', 0, nul < 0 ? n : nul)
      return n > 0 && path.slice(path.lastIndexOf('/') + 1) === this.#name
    } catch {
      // It has ended, or is hidden.
      return false
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function buildRecord(
  watch: ProcessWatch,
  options: OptionsOf<typeof OPTIONS>,
  ctx: InputContext,
): Buffer | undefined {
  const pid = watch.find()
  if (pid >= 0 && options.alert) return undefined
  const out = new RecordBuilder()
    .bool('alive', pid >= 0)
    .text('proc_name', options.procName)
    .integer('pid', pid)
  if (options.mem) watch.addMemory(out, pid)
  if (options.fd) out.integer('fd', countDescriptors(watch, pid, ctx))
  return out.bytes()
}

/** Returns the number of descriptors; 0, as in fluent-bit, for a process of another user, which the log says. */
function countDescriptors(watch: ProcessWatch, pid: number, ctx: InputContext): number {
  try {
    return watch.descriptors(pid)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      ctx.log.warn(
        `cannot count the descriptors of process ${pid}: ${reasonOf(error)}`,
        { hint: `set Fd off; ${useDropIn('proc')}` },
        'descriptors',
      )
    return 0
  }
}

export const spec = defineInput({
  kind: 'input',
  name: 'proc',
  summary: 'Tells whether a program runs, with its memory and descriptors.',
  description:
    'A record has `alive`, `proc_name` and `pid` (-1 when there is no such process), `mem.VmPeak`, `mem.VmSize`, `mem.VmLck`, ' +
    '`mem.VmHWM`, `mem.VmRSS`, `mem.VmData`, `mem.VmStk`, `mem.VmExe`, `mem.VmLib`, `mem.VmPTE` and `mem.VmSwap` in bytes, with ' +
    '1000 bytes to the kB as in fluent-bit, and `fd`. Of several processes with this name the one with the lowest id is watched ' +
    'until it ends. The systemd unit hides the processes of other users: ' +
    `${useDropIn('proc')}.`,
  options: OPTIONS,
  example: '[INPUT]\n    Name      proc\n    Tag       nginx\n    Proc_Name nginx\n',
  create(options, ctx) {
    const watch = new ProcessWatch(options.procName)
    let isFirst = true
    return new IntervalInput(ctx, intervalMs(options), () => {
      if (isFirst && !existsSync('/proc/1'))
        ctx.log.warn('the processes of other users are hidden from the agent: they count as not running', {
          hint: useDropIn('proc'),
        })
      isFirst = false
      return buildRecord(watch, options, ctx)
    })
  },
})
