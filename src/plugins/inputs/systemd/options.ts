import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { DATABASE_OPTIONS } from '../../../lib/plugin/offset-database.ts'

const FILTER = /^[A-Z0-9_]+=/

/** The names and defaults are fluent-bit's; Max_Field_Size, Max_Entry_Size, Exit_On_Eof and the last two of DB.* are ours. */
export const SYSTEMD_OPTIONS = defineOptions({
  path: {
    type: 'string',
    help: 'Folder of journal files, e.g. of another machine or of a container. Default: the journal of this machine, persistent and volatile.',
  },
  systemd_filter: {
    type: 'string',
    repeat: true,
    help: 'Only entries with this field and value, e.g. `_SYSTEMD_UNIT=ssh.service`.',
    check: (text: string) => (FILTER.test(text) ? undefined : { must: 'FIELD=VALUE, the field in capitals' }),
  },
  systemd_filter_type: {
    type: 'enum',
    values: ['or', 'and'],
    default: 'or',
    help: 'Whether one of the filters has to fit or all of them. Of several values for one field one is enough in any case.',
  },
  read_from_tail: {
    type: 'bool',
    default: 'false',
    help: 'Without a stored position begin behind the last entry instead of at the oldest one.',
  },
  lowercase: { type: 'bool', default: 'false', help: 'Names of fields in lower case.' },
  strip_underscores: {
    type: 'bool',
    default: 'false',
    help: 'Take the underscore off the names that begin with one: `_PID` becomes `PID`.',
  },
  max_fields: {
    type: 'int',
    default: '8000',
    min: 1,
    max: 100_000,
    help: 'Most fields of an entry; those behind are left out and counted.',
  },
  max_entries: {
    type: 'int',
    default: '5000',
    min: 1,
    help: 'Most entries taken in one turn, before other inputs and the outputs have theirs.',
  },
  max_field_size: {
    type: 'size',
    default: '1M',
    min: 64,
    max: 64_000_000,
    help: 'Longest value. Longer ones are cut, counted, and the record is marked `truncated: true`.',
  },
  max_entry_size: {
    type: 'size',
    default: '4M',
    min: 1024,
    max: 64_000_000,
    help: 'Most bytes of names and values of an entry: the value that passes it is cut, fields behind are left out.',
  },
  exit_on_eof: {
    type: 'bool',
    default: 'false',
    help: 'Read what is there, wait for every ack, and end.',
  },
  db: {
    type: 'string',
    help: 'SQLite file for the position. Without it nothing is kept and a restart begins as a first start does. It holds the cursor of one systemd input, and may be that of a tail input.',
  },
  ...DATABASE_OPTIONS,
})

export type SystemdOptions = OptionsOf<typeof SYSTEMD_OPTIONS>
