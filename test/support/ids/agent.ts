import { openSync, writeSync } from 'node:fs'
import { decodeMulti } from '@msgpack/msgpack'
import { main } from '../../../src/cli/main.ts'
import { defineOutput, type PluginKind, type Registry } from '../../../src/core/plugin.ts'
import { RECORD_ID_BYTES, recordIds } from '../../../src/core/record-ids.ts'
import { registry } from '../../../src/registry.ts'

/**
 * The program with one more output: `ids` appends each record to a file, with its id and the way it came, before it counts as
 * delivered. It stands for a store: what it has written may be sent again after a kill -9.
 *
 * ```
 *   line = id " " tag " " JSON of the record " ."     a line that a kill has cut has not this end
 * ```
 */
const spec = defineOutput({
  kind: 'output',
  name: 'ids',
  summary: 'Writes the ids of records.',
  description: 'For tests.',
  options: {
    path: { type: 'string', default: 'ids', help: 'File.' },
    fails: { type: 'int', default: '0', help: 'One in so many chunks is written and fails; 0: none.' },
    down: { type: 'bool', default: 'off', help: 'Nothing is written.' },
  },
  example: '[OUTPUT]\n    Name  ids\n    Match *\n    Path  x\n',
  inFlight: 1,
  usesRecordIds: () => true,
  create: ({ path, fails, down }) => {
    const fd = openSync(path, 'a')
    let flushes = 0
    return {
      async flush(chunk) {
        if (down) throw Object.assign(new Error('down'), { retryable: true })
        const ids = recordIds(chunk).toString('latin1')
        const lines = [...decodeMulti(chunk.entries())].map((entry, i) => {
          const [time, record] = entry as [unknown, object]
          if (Array.isArray(time)) throw new Error('an entry has metadata')
          const id = ids.slice(i * RECORD_ID_BYTES, (i + 1) * RECORD_ID_BYTES)
          return `${id} ${chunk.tag} ${JSON.stringify(record)} .`
        })
        writeSync(fd, `\n${lines.join('\n')}\n`)
        await new Promise((resolve) => setTimeout(resolve, 1))
        if (fails > 0 && ++flushes % fails === 0) throw new Error('the answer was lost')
      },
      async close() {},
    }
  },
})

const { find, names } = registry
const withIds: Registry = {
  find: async (kind: PluginKind, name: string) =>
    kind === 'output' && name === 'ids' ? spec : find.call(registry, kind, name),
  names: (kind: PluginKind) => [...names.call(registry, kind), ...(kind === 'output' ? ['ids'] : [])],
}
Object.assign(registry, withIds)
process.exitCode = await main(process.argv.slice(2))
process.exit()
