import { readFileSync } from 'node:fs'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  ...INTERVAL_OPTIONS,
  pid: { type: 'int', default: '0', help: 'Adds the memory of this process, while it runs; 0: none.' },
})

const LINE = /^(\w+):\s+(\d+)/gm
const RESIDENT = /^VmRSS:\s+(\d+)/m
const UNITS = ['b', 'K', 'M', 'G', 'T']

/** kB, by the names of /proc/meminfo. */
function meminfo(): Map<string, number> {
  const text = readFileSync('/proc/meminfo', 'utf8')
  return new Map([...text.matchAll(LINE)].map(([, name = '', kb]) => [name, Number(kb)]))
}

function record(pid: number): Buffer {
  const info = meminfo()
  const of = (name: string) => info.get(name) ?? 0
  const out = new RecordBuilder()
    .integer('Mem.total', of('MemTotal'))
    .integer('Mem.used', of('MemTotal') - of('MemFree'))
    .integer('Mem.free', of('MemFree'))
    .integer('Swap.total', of('SwapTotal'))
    .integer('Swap.used', of('SwapTotal') - of('SwapFree'))
    .integer('Swap.free', of('SwapFree'))
  const bytes = pid > 0 ? residentBytes(pid) : undefined
  return bytes === undefined
    ? out.bytes()
    : out.integer('proc_bytes', bytes).text('proc_hr', human(bytes)).bytes()
}

/** Undefined when there is no such process: that of the machine is still worth a record. */
function residentBytes(pid: number): number | undefined {
  try {
    return Number(RESIDENT.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return undefined
  }
}

function human(bytes: number): string {
  let value = bytes
  let unit = 0
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${value.toFixed(2)}${UNITS[unit]}`
}

export const spec = defineInput({
  kind: 'input',
  name: 'mem',
  summary: 'Memory and swap of the machine, in kB.',
  description: 'Mem.used is what is not free, caches included, as fluent-bit counts it.',
  options: OPTIONS,
  example: '[INPUT]\n    Name mem\n    Tag  memory\n',
  create: (options, ctx) => new IntervalInput(ctx, intervalMs(options), () => record(options.pid)),
})
