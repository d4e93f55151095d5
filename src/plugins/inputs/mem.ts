import { readFileSync } from 'node:fs'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  ...INTERVAL_OPTIONS,
  pid: { type: 'int', default: '0', help: 'Id of a process whose memory is added while it runs; 0: none.' },
})

const MEMINFO_LINE = /^(\w+):\s+(\d+)/gm
const RSS_LINE = /^VmRSS:\s+(\d+)/m
const UNITS = ['b', 'K', 'M', 'G', 'T']

/** Returns the values of /proc/meminfo in kB, by name. */
function readMeminfo(): Map<string, number> {
  const text = readFileSync('/proc/meminfo', 'utf8')
  return new Map([...text.matchAll(MEMINFO_LINE)].map(([, name = '', kb]) => [name, Number(kb)]))
}

function buildRecord(pid: number): Buffer {
  const info = readMeminfo()
  const kb = (name: string) => info.get(name) ?? 0
  const out = new RecordBuilder()
    .integer('Mem.total', kb('MemTotal'))
    .integer('Mem.used', kb('MemTotal') - kb('MemFree'))
    .integer('Mem.free', kb('MemFree'))
    .integer('Swap.total', kb('SwapTotal'))
    .integer('Swap.used', kb('SwapTotal') - kb('SwapFree'))
    .integer('Swap.free', kb('SwapFree'))
  const bytes = pid > 0 ? residentBytes(pid) : undefined
  return bytes === undefined
    ? out.bytes()
    : out.integer('proc_bytes', bytes).text('proc_hr', humanReadable(bytes)).bytes()
}

/** Returns the resident memory of a process; undefined when it does not exist, as the machine's values still make a record. */
function residentBytes(pid: number): number | undefined {
  try {
    return Number(RSS_LINE.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return undefined
  }
}

function humanReadable(bytes: number): string {
  let value = bytes
  let unit = 0
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${value.toFixed(2)}${UNITS[unit]}`
}

export const spec = defineInput({
  kind: 'input',
  name: 'mem',
  summary: 'Memory and swap of the machine, in kB.',
  description: '`Mem.used` is all memory that is not free, including caches, as in fluent-bit.',
  options: OPTIONS,
  example: '[INPUT]\n    Name mem\n    Tag  memory\n',
  create: (options, ctx) => new IntervalInput(ctx, intervalMs(options), () => buildRecord(options.pid)),
})
