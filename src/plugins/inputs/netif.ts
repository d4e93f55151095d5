import { readFileSync } from 'node:fs'
import { ShipperError } from '../../core/error.ts'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import { growth } from '../../lib/plugin/growth.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  interface: { type: 'string', required: true, help: 'Name of the network interface, e.g. `eth0`.' },
  ...INTERVAL_OPTIONS,
  verbose: {
    type: 'bool',
    default: 'false',
    help: 'Add drops, fifo and frame errors, compressed and multicast packets, collisions and carrier losses.',
  },
  test_at_init: {
    type: 'bool',
    default: 'false',
    help: 'Refuse to start when there is no such interface.',
  },
})

/** Columns of /proc/net/dev, in its order, and whether they are there without Verbose. */
const COLUMNS: readonly (readonly [name: string, isBasic: boolean])[] = [
  ['rx.bytes', true],
  ['rx.packets', true],
  ['rx.errors', true],
  ['rx.drop', false],
  ['rx.fifo', false],
  ['rx.frame', false],
  ['rx.compressed', false],
  ['rx.multicast', false],
  ['tx.bytes', true],
  ['tx.packets', true],
  ['tx.errors', true],
  ['tx.drop', false],
  ['tx.fifo', false],
  ['tx.collisions', false],
  ['tx.carrier', false],
  // The spelling of fluent-bit, which dashboards have.
  ['tx.compressepd', false],
]
const BLANKS = /\s+/

/** Returns the counters of an interface from lines `NAME: COUNTER...`; undefined when it is not there. */
function parseCounters(text: string, name: string): number[] | undefined {
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon < 0 || line.slice(0, colon).trim() !== name) continue
    return line
      .slice(colon + 1)
      .trim()
      .split(BLANKS)
      .map(Number)
  }
  return undefined
}

/** Computes what has passed an interface between two readings. */
export class InterfaceUsage {
  readonly #name: string
  readonly #read: () => string
  readonly #columns: readonly (readonly [index: number, key: string])[]
  /** Undefined while the interface is not there. */
  #last: number[] | undefined

  constructor(name: string, verbose: boolean, read = (): string => readFileSync('/proc/net/dev', 'utf8')) {
    this.#name = name
    this.#read = read
    this.#columns = COLUMNS.flatMap(([column, isBasic], i) =>
      verbose || isBasic ? [[i, `${name}.${column}`] as const] : [],
    )
    this.#last = parseCounters(read(), name)
  }

  get isThere(): boolean {
    return this.#last !== undefined
  }

  /** Returns a record of the growth since the last call; undefined in the first one that sees the interface. Throws without it. */
  record(): Buffer | undefined {
    const last = this.#last
    this.#last = parseCounters(this.#read(), this.#name)
    const now = this.#last
    if (now === undefined) throw new Error(`there is no network interface ${this.#name}`)
    if (last === undefined) return undefined
    const out = new RecordBuilder()
    for (const [i, key] of this.#columns) out.integer(key, growth(last[i] ?? 0, now[i] ?? 0))
    return out.bytes()
  }
}

export const spec = defineInput({
  kind: 'input',
  name: 'netif',
  summary: 'Traffic of a network interface.',
  description:
    'The values are the growth of the counters of /proc/net/dev in the interval, with the name of the interface before each: ' +
    '`eth0.rx.bytes`, `eth0.rx.packets`, `eth0.rx.errors`, and the same of `tx`. While the interface does not exist there is no ' +
    'record; the log says so. `tx.compressepd` (with Verbose) is the spelling of fluent-bit. In a container the interfaces are ' +
    'those of its network namespace.',
  options: OPTIONS,
  example: '[INPUT]\n    Name      netif\n    Tag       net\n    Interface eth0\n',
  create(options, ctx) {
    const usage = new InterfaceUsage(options.interface, options.verbose)
    if (options.testAtInit && !usage.isThere)
      throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no network interface ${options.interface}`, {
        option: 'interface',
        hint: 'see /proc/net/dev for the names, or set Test_At_Init off to wait for the interface',
      })
    return new IntervalInput(ctx, intervalMs(options), () => usage.record())
  },
})
