import { defineInput } from '../../../core/plugin.ts'
import { SYSTEMD_OPTIONS } from './options.ts'
import { Systemd } from './systemd.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'systemd',
  summary: 'Follows the journal of systemd.',
  description: `The journal is the buffer: the position in it moves only after every output has acknowledged the entries before it. It is
read by \`journalctl\` (systemd 236 or later) as a child, which has to be installed and allowed to read it: run as root or
as a member of the group systemd-journal.

A record has the fields of the entry as strings, whatever their bytes; one that stands in the entry more than once has an
array. Its time is when the journal got the entry. \`*\` in Tag becomes the unit (\`_SYSTEMD_UNIT\`), or \`unknown\`.

When the entry of the stored position is not there any more (the journal was vacuumed, or lost its end in a power
failure), that is an error with the time of the gap, \`cursor_gone\` counts it, and reading goes on with the oldest entry
behind it. What was vacuumed while an output was away and journalctl waited is told and counted when reading goes on, but
not with Systemd_Filter, which leaves gaps of its own. \`lost_entries\` is an upper bound: journald gives numbers of the
same sequence to the journals of users.

The database is that of fluent-bit (\`in_systemd_cursor\`) and can be taken over from it and given back.`,
  options: SYSTEMD_OPTIONS,
  example:
    '[INPUT]\n    Name           systemd\n    Tag            host.*\n    DB             journal.db\n    Systemd_Filter _SYSTEMD_UNIT=ssh.service\n',
  counters: {
    restarts: 'times journalctl has ended and was started again',
    cursor_gone: 'times the entry of the position was not in the journal any more',
    lost_entries: 'entries gone from the journal before they were read, at most and as far as known',
    values_cut: 'values longer than Max_Field_Size or Max_Entry_Size, cut',
    fields_left_out: 'fields beyond Max_Fields or Max_Entry_Size, left out',
  },
  statePath: ({ db }) => db,
  create: (options, ctx) => new Systemd(options, ctx),
})
