import { defineInput } from '../../../core/plugin.ts'
import { openStored } from '../../../lib/plugin/database-options.ts'
import { SYSTEMD_OPTIONS } from './options.ts'
import { SystemdInput } from './systemd.ts'

const SKIPS_AT_RESTART = 'no DB: the cursor is not stored, so a restart skips what was written in between'
const REPEATS_AT_RESTART = 'no DB: the cursor is not stored, so a restart reads everything again'

export const spec = defineInput({
  kind: 'input',
  name: 'systemd',
  summary: 'Follows the systemd journal.',
  description: `The journal is the buffer: the cursor moves only after every output has acknowledged the entries before it, so that
storage.type filesystem only writes them to disk a second time (docs/guides/buffer.md). Entries are read by \`journalctl\` (systemd 236 or later) as a child process. It must be installed and allowed to read the journal: run
the agent as root or as a member of the group systemd-journal.

A record contains the fields of the entry as strings, whatever their bytes; a field that occurs more than once becomes an
array. The time of the record is the time at which journald received the entry. \`*\` in Tag is replaced by the unit
(\`_SYSTEMD_UNIT\`), or by \`unknown\`.

The boots of the journal are read one after the other, whatever their clocks said; which ones were read to their ends is
stored in the database next to the cursor. A boot of which nothing was read yet is read from its first entry. The journals
of several machines in one Path are merged by the time of day instead.

If the entry at the stored cursor no longer exists, \`cursor_gone\` is incremented, and reading continues in the same boot:
with the oldest entry after the cursor if entries were vacuumed, which is an error with the times of the gap; after the last
entry if the journal lost its end in a power failure. If nothing is left of the boot, as after a reboot with a volatile
journal, a warning says so and the boots that were not read follow.

Files that journalctl cannot read are named in warnings, once; with Exit_On_Eof the run then ends with status 1.

Entries that were vacuumed while an output was down and journalctl had to wait are reported and counted when
reading continues, but not with Systemd_Filter, which causes gaps itself. An entry that was vacuumed while
journalctl wrote it is left out, reported and counted, too. \`lost_entries\` is an upper bound: journald also assigns numbers
of the same sequence to entries of user journals.

The database has fluent-bit’s format (\`in_systemd_cursor\`): it can be taken over from fluent-bit and returned to it.`,
  options: SYSTEMD_OPTIONS,
  example:
    '[INPUT]\n    Name           systemd\n    Tag            host.*\n    DB             journal.db\n    Systemd_Filter _SYSTEMD_UNIT=ssh.service\n',
  counters: {
    restarts: 'restarts of journalctl',
    journalctl_warnings: 'different messages of journalctl, such as files that it cannot read',
    cursor_gone: 'times the entry at the cursor was no longer in the journal',
    lost_entries: 'entries removed from the journal before they were read; an upper bound, as far as known',
    values_cut: 'values truncated because of Max_Field_Size or Max_Entry_Size',
    fields_left_out: 'fields left out because of Max_Fields or Max_Entry_Size',
  },
  statePath: ({ db }) => db,
  places: 'agent, tag, sequence and boot of the journal, number, times and content of the entry',
  preview: async (options, ctx) => {
    const store = await openStored(ctx, options)
    try {
      const cursor = store.claimCursor()
      const { path, readFromTail, db } = options
      const start = readFromTail ? 'from its end' : 'from its oldest entry'
      return {
        source: `the journal ${path === undefined ? 'of this machine' : `in ${path}`}`,
        sources: [
          {
            name: 'journal',
            start: cursor === undefined ? start : `after the cursor in ${db}: ${cursor}`,
            tag: ctx.tag,
          },
        ],
        more: 0,
        tags: [],
        notes: db === undefined ? [readFromTail ? SKIPS_AT_RESTART : REPEATS_AT_RESTART] : [],
      }
    } finally {
      store.close()
    }
  },
  create: (options, ctx) => new SystemdInput(options, ctx),
})
