import { ShipperError } from '../../src/core/error.ts'
import { defineOptions } from '../../src/core/options/option.ts'
import { defineFilter, defineInput, defineOutput, defineParser } from '../../src/core/plugin.ts'
import { registryOf } from '../support/engine/registry.ts'

/** Plugins with one option of each sort in their tables; they are never run. */
const never = (): never => {
  throw new Error('not to be run')
}
const texts = { summary: '', description: '', example: '' }

const follow = defineInput({
  ...texts,
  kind: 'input',
  name: 'follow',
  options: defineOptions({
    path: { type: 'clist', required: true, repeat: true, help: 'Files.' },
    refresh_interval: { type: 'time', default: '60', min: 1, help: 'How often.' },
    read_from_head: { type: 'bool', default: 'false', help: 'From the start.', aliases: ['from_head'] },
    parser: { type: 'string', help: 'Parser.' },
    buffer_chunk_size: { type: 'size', default: '32K', help: 'Size.', ignored: 'one buffer for all' },
    'db.sync': { type: 'enum', values: ['full', 'normal', 'off'], default: 'normal', help: 'Sync.' },
  }),
  create: never,
})

const clock = defineInput({ ...texts, kind: 'input', name: 'clock', options: {}, create: never })

const remember = defineInput({
  ...texts,
  kind: 'input',
  name: 'remember',
  options: defineOptions({ db: { type: 'string', help: 'Database.' } }),
  statePath: ({ db }) => db,
  reads: ({ db }, path) => db !== undefined && path.startsWith(`${db}.d/`),
  create: never,
})

const listen = defineInput({
  ...texts,
  kind: 'input',
  name: 'listen',
  options: defineOptions({
    host: { type: 'string', default: '127.0.0.1', help: 'Host.' },
    port: { type: 'int', min: 0, max: 65535, help: 'Port.' },
  }),
  ownTags: (_options, tag, isConfigured) => (isConfigured ? [tag] : ['host.*']),
  create: never,
})

const keep = defineFilter({
  ...texts,
  kind: 'filter',
  name: 'keep',
  options: defineOptions({
    regex: { type: 'slist', words: 2, repeat: true, help: 'Key and expression.' },
    merge_parser: { type: 'string', help: 'Parser.' },
  }),
  create: never,
})

const pods = defineFilter({
  ...texts,
  kind: 'filter',
  name: 'pods',
  options: defineOptions({ 'k8s-logging.parser': { type: 'bool', default: 'off', help: 'Theirs.' } }),
  create: never,
})

const send = defineOutput({
  ...texts,
  kind: 'output',
  name: 'send',
  inFlight: 1,
  options: defineOptions({
    host: { type: 'string', default: 'localhost', help: 'Host.' },
    port: { type: 'int', default: '24224', min: 1, max: 65535, help: 'Port.' },
    key: { type: 'int', secret: true, help: 'Key.' },
  }),
  create: never,
})

const store = defineOutput({
  ...texts,
  kind: 'output',
  name: 'store',
  inFlight: 1,
  options: defineOptions({
    path: { type: 'string', help: 'Folder.' },
    format: { type: 'enum', values: ['plain', 'json'], default: 'json', help: 'Format.' },
  }),
  create: never,
})

const parser = { bound: never, parse: never }
const plain = defineParser({
  ...texts,
  kind: 'parser',
  name: 'plain',
  options: defineOptions({ time_key: { type: 'string', default: 'time', help: 'Key of the time.' } }),
  create: () => parser,
})
const regex = defineParser({
  ...texts,
  kind: 'parser',
  name: 'regex',
  options: defineOptions({ regex: { type: 'string', required: true, help: 'Expression.' } }),
  create(options) {
    try {
      new RegExp(options.regex)
      return parser
    } catch {
      throw new ShipperError('E_PARSER_REGEX', `cannot compile "${options.regex}"`, { hint: 'mend it' })
    }
  },
})

export const SPECS = registryOf(follow, clock, remember, listen, keep, pods, send, store, plain, regex)
