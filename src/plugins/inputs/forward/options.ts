import { checkHost } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { UNSUPPORTED_SHARED_KEY, UNSUPPORTED_TLS } from '../../../lib/plugin/unsupported-security.ts'

const OCTAL = /^[0-7]{3,4}$/

/** Option names are fluent-bit's; the help says where a default differs. */
export const FORWARD_INPUT_OPTIONS = defineOptions({
  listen: {
    type: 'string',
    default: '127.0.0.1',
    check: checkHost,
    help: 'Address to listen on. Set `::` to accept peers from other machines, over IPv6 and IPv4 (IPv4 only where IPv6 is off); fluent-bit’s default is 0.0.0.0.',
  },
  port: {
    type: 'int',
    default: '24224',
    min: 0,
    max: 65535,
    help: 'TCP port to listen on; 0 chooses a free one, which is logged.',
  },
  unix_path: {
    type: 'string',
    help: 'Path of a Unix stream socket to listen on instead of Listen and Port.',
  },
  unix_perm: {
    type: 'string',
    check: (text: string) => (OCTAL.test(text) ? undefined : { must: 'an octal mode like 0660' }),
    help: 'Permissions of Unix_Path, octal, e.g. `0660`. Default: set by the umask.',
  },
  buffer_max_size: {
    type: 'size',
    default: '6144000',
    min: 65_536,
    raised: true,
    max: 256_000_000,
    aliases: ['buffer', 'buffer_size'],
    help: 'Largest payload of one message, and largest record. A compressed payload may be four times as large after decompression. The connection of a peer that sends more is closed.',
  },
  buffer_chunk_size: {
    type: 'size',
    default: '1024000',
    aliases: ['chunk_size'],
    help: 'Step in which the buffer of a connection grows.',
    ignored: 'a connection keeps only the record that is being read, and nothing while idle',
  },
  tag_prefix: { type: 'string', help: 'Prefix for the tag that the peer sends with the records.' },
  tag_reserved: {
    type: 'clist',
    help: 'Patterns of tags that senders may not use, as they could forge records of others; `off`: none. Default: the tags that a filter kubernetes of this agent takes for pods (`kube.*`). Set `off` on an aggregator that gets them from agents of its own.',
  },
  max_connections: {
    type: 'int',
    default: '1024',
    min: 1,
    max: 65_536,
    help: 'Maximum number of connections; at most a quarter of the limit of open files. A further one displaces the one that has been idle longest, and is closed when none is idle. fluent-bit has no limit.',
  },
  ...UNSUPPORTED_SHARED_KEY,
  'security.users': {
    type: 'string',
    repeat: true,
    secret: true,
    check: () => ({ must: 'left out', hint: 'user authentication is not supported yet' }),
    help: 'Not supported yet: any value is rejected.',
  },
  ...UNSUPPORTED_TLS,
  workers: {
    type: 'int',
    default: '1',
    help: 'Number of threads.',
    ignored: 'everything runs in one thread',
  },
})

export type ForwardInputOptions = OptionsOf<typeof FORWARD_INPUT_OPTIONS>
