import { existsSync, readFileSync } from 'node:fs'
import { main } from '../../../src/cli/main.ts'
import type { PluginKind, Registry } from '../../../src/core/plugin.ts'
import { type Device, NONE } from '../../../src/plugins/inputs/kmsg/device.ts'
import { spec } from '../../../src/plugins/inputs/kmsg/index.ts'
import { KmsgInput } from '../../../src/plugins/inputs/kmsg/kmsg.ts'
import { MACHINE } from '../../../src/plugins/inputs/kmsg/machine.ts'
import { registry } from '../../../src/registry.ts'

/**
 * The program with another log of the kernel: the lines of the file SHIPPER_TEST_KMSG are its messages. Each start reads them from the
 * first one on, as from /dev/kmsg.
 */
const path = process.env.SHIPPER_TEST_KMSG ?? ''

class FileLog implements Device {
  #lines: string[] = []
  #next = 0

  open(): void {
    this.#next = 0
  }

  read(buf: Buffer): number {
    // A line that is still being written has no end.
    if (this.#next === this.#lines.length && existsSync(path))
      this.#lines = readFileSync(path, 'latin1').split('\n').slice(0, -1)
    const line = this.#lines[this.#next]
    if (line === undefined) return NONE
    this.#next++
    return buf.write(`${line}\n`, 0, 'latin1')
  }

  close(): void {}
}

const { find, names } = registry
const fromFile = {
  ...spec,
  create: (options: never, ctx: never) => new KmsgInput(options, ctx, new FileLog(), MACHINE),
}
const withFile: Registry = {
  find: async (kind: PluginKind, name: string) =>
    kind === 'input' && name === 'kmsg' ? (fromFile as never) : find.call(registry, kind, name),
  names: (kind: PluginKind) => names.call(registry, kind),
}
Object.assign(registry, withFile)
process.exitCode = await main(process.argv.slice(2))
process.exit()
