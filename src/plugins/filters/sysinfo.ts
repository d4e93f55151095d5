import { release, version } from 'node:os'
import type { Chunk } from '../../core/chunk.ts'
import { encodeStr } from '../../core/msgpack/encode.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineFilter, type Filter, type FilterContext } from '../../core/plugin.ts'
import { FixedPairs } from '../../lib/records/added-pairs.ts'
import { EntryOutput } from '../../lib/records/entry-output.ts'

const OPTIONS = defineOptions({
  fluentbit_version_key: { type: 'string', help: 'Key of the version of the agent.' },
  os_name_key: { type: 'string', help: 'Key of the name of the system: `linux`.' },
  hostname_key: { type: 'string', help: 'Key of the host name.' },
  os_version_key: {
    type: 'string',
    help: 'Key of the version of the system, as `uname -v` prints it.',
  },
  kernel_version_key: {
    type: 'string',
    help: 'Key of the release of the kernel, as `uname -r` prints it.',
  },
})

class SystemInfo implements Filter {
  readonly #pairs: FixedPairs
  readonly #out: EntryOutput

  constructor(options: OptionsOf<typeof OPTIONS>, { agent, buffers, log }: FilterContext) {
    this.#out = new EntryOutput(buffers)
    // In the order of fluent-bit. Of two values for one key the later is added.
    const values: [string | undefined, () => string][] = [
      [options.fluentbitVersionKey, () => agent.version],
      [options.osNameKey, () => process.platform],
      [options.hostnameKey, () => agent.hostname],
      [options.osVersionKey, version],
      [options.kernelVersionKey, release],
    ]
    const pairs = new Map<string, Buffer>()
    for (const [key, value] of values) if (key !== undefined) pairs.set(key, encodeStr(value()))
    if (pairs.size === 0)
      log.warn(
        'no key is set, so the filter has no effect: set e.g. Hostname_key to the key that it is to add',
      )
    this.#pairs = new FixedPairs(pairs)
  }

  apply(chunk: Chunk): void {
    this.#pairs.addToAll(chunk, this.#out)
  }
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'sysinfo',
  summary: 'Adds the host name and the versions of the agent and of the system.',
  description:
    'Adds the keys that are set, in the order version of the agent, name of the system, host name, version of the system, release ' +
    'of the kernel. They come after the fields of the record and replace those of the same name. The values are read once, at the ' +
    'start. The version is that of shipper, not of fluent-bit.',
  options: OPTIONS,
  example:
    '[FILTER]\n    Name               sysinfo\n    Match              *\n    Hostname_key       host\n    Kernel_version_key kernel\n',
  keepsPlaces: () => true,
  create: (options, ctx) => new SystemInfo(options, ctx),
})
