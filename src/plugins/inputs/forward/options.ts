import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import {
  checkMode,
  checkSocketPath,
  LISTEN_OPTION,
  MAX_CONNECTIONS_OPTION,
  WORKERS_OPTION,
} from '../../../lib/net/server-options.ts'
import { TAG_RESERVED_OPTION } from '../../../lib/plugin/reserved-tags.ts'
import { UNSUPPORTED_SHARED_KEY, UNSUPPORTED_TLS } from '../../../lib/plugin/unsupported-security.ts'

/** Of what a path replaces. */
const PORT = { needs: { unix_path: 'unset' } } as const

/** Option names are fluent-bit's; the help says where a default differs. */
export const FORWARD_INPUT_OPTIONS = defineOptions({
  listen: { ...LISTEN_OPTION.listen, ...PORT },
  port: {
    ...PORT,
    type: 'int',
    default: '24224',
    min: 0,
    max: 65535,
    help: 'TCP port to listen on; 0 chooses a free one, which is logged.',
  },
  unix_path: {
    type: 'string',
    check: checkSocketPath,
    help: 'Path of a Unix stream socket to listen on instead of Listen and Port.',
  },
  unix_perm: {
    needs: { unix_path: 'set' },
    type: 'string',
    check: checkMode,
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
  ...TAG_RESERVED_OPTION,
  ...MAX_CONNECTIONS_OPTION,
  ...UNSUPPORTED_SHARED_KEY,
  'security.users': {
    type: 'string',
    repeat: true,
    secret: true,
    check: () => ({ must: 'left out', hint: 'user authentication is not supported yet' }),
    help: 'Not supported yet: any value is rejected.',
  },
  ...UNSUPPORTED_TLS,
  ...WORKERS_OPTION,
})

export type ForwardInputOptions = OptionsOf<typeof FORWARD_INPUT_OPTIONS>
