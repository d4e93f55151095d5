import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { DATABASE_OPTIONS } from '../../../lib/plugin/database-options.ts'

const FILTER = /^[A-Z0-9_]+=/

/** Options with fluent-bit's names and defaults, except Max_Field_Size, Max_Entry_Size, Exit_On_Eof and the last two of DB.*. */
export const SYSTEMD_OPTIONS = defineOptions({
  path: {
    type: 'string',
    help: 'Directory of journal files, e.g. of another machine or a container. Default: the persistent and volatile journal of this machine.',
  },
  systemd_filter: {
    type: 'string',
    repeat: true,
    help: 'Read only entries with this field and value, e.g. `_SYSTEMD_UNIT=ssh.service`.',
    check: (text: string) =>
      FILTER.test(text) ? undefined : { must: 'FIELD=VALUE, with the field in upper case' },
  },
  systemd_filter_type: {
    type: 'enum',
    values: ['or', 'and'],
    default: 'or',
    help: 'Read entries that match any filter (`or`) or all of them (`and`). Several values for the same field are always alternatives.',
  },
  read_from_tail: {
    type: 'bool',
    default: 'false',
    help: 'Without a stored cursor, start after the last entry instead of at the oldest one.',
  },
  lowercase: { type: 'bool', default: 'false', help: 'Convert field names to lower case.' },
  strip_underscores: {
    type: 'bool',
    default: 'false',
    help: 'Remove one leading underscore from field names: `_PID` becomes `PID`.',
  },
  max_fields: {
    type: 'int',
    default: '8000',
    min: 1,
    max: 100_000,
    help: 'Maximum number of fields of an entry; further fields are left out and counted.',
  },
  max_entries: {
    type: 'int',
    default: '5000',
    min: 1,
    help: 'Maximum number of entries read before other inputs and the outputs get their turn.',
  },
  max_field_size: {
    type: 'size',
    default: '1M',
    min: 64,
    max: 64_000_000,
    help: 'Maximum size of a value. Longer values are truncated and counted, and the record is marked `truncated: true`.',
  },
  max_entry_size: {
    type: 'size',
    default: '4M',
    min: 1024,
    max: 64_000_000,
    help: 'Maximum total size of the names and values of an entry: the value that exceeds it is truncated, further fields are left out.',
  },
  exit_on_eof: {
    type: 'bool',
    default: 'false',
    help: 'Read the existing entries, wait for all acknowledgements, and end.',
  },
  db: {
    type: 'string',
    help: 'SQLite file for the cursor. Without it no cursor is stored, and a restart reads as the first start does. It can contain the cursor of only one systemd input, and may be shared with tail inputs.',
  },
  ...DATABASE_OPTIONS,
})

export type SystemdOptions = OptionsOf<typeof SYSTEMD_OPTIONS>
