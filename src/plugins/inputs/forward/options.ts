import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { UNSUPPORTED_SHARED_KEY, UNSUPPORTED_TLS } from '../../../lib/plugin/forward-security.ts'

const OCTAL = /^[0-7]{3,4}$/

/** fluent-bit's names; where a default differs the help says so. */
export const FORWARD_OPTIONS = defineOptions({
  listen: {
    type: 'string',
    default: '127.0.0.1',
    help: 'Address to listen on. fluent-bit’s default is 0.0.0.0: say so where peers come from other machines.',
  },
  port: {
    type: 'int',
    default: '24224',
    min: 0,
    max: 65535,
    help: 'TCP port to listen on; 0: any free one, which the log names.',
  },
  unix_path: {
    type: 'string',
    help: 'Path of a unix stream socket to listen on, instead of Listen and Port.',
  },
  unix_perm: {
    type: 'string',
    check: (text: string) => (OCTAL.test(text) ? undefined : { must: 'an octal mode like 0660' }),
    help: 'Permissions of Unix_Path, octal, e.g. `0660`. Default: what the umask leaves.',
  },
  buffer_max_size: {
    type: 'size',
    default: '6144000',
    min: 65_536,
    max: 256_000_000,
    help: 'Largest payload that a peer may send in one message, and largest record. A compressed one may be four times as large when unpacked. Whoever sends more is cut off.',
  },
  buffer_chunk_size: {
    type: 'size',
    default: '1024000',
    help: 'Step in which the buffer of a connection grows.',
    ignored: 'a connection holds the record that is being read, and nothing while it is idle',
  },
  tag_prefix: { type: 'string', help: 'Put before the tag that came with the records.' },
  max_connections: {
    type: 'int',
    default: '1024',
    min: 1,
    max: 65_536,
    help: 'Most connections at a time; a further one is closed at once. fluent-bit has no such limit.',
  },
  ...UNSUPPORTED_SHARED_KEY,
  'security.users': {
    type: 'string',
    repeat: true,
    secret: true,
    check: () => ({ must: 'left out', hint: 'there are no users here yet' }),
    help: 'Not offered yet: a value is refused.',
  },
  ...UNSUPPORTED_TLS,
  workers: { type: 'int', default: '1', help: 'Number of threads.', ignored: 'one thread does it all' },
})

export type ForwardOptions = OptionsOf<typeof FORWARD_OPTIONS>
