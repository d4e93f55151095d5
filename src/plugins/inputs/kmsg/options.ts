import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { DATABASE_OPTIONS } from '../../../lib/plugin/database-options.ts'

/** Options with fluent-bit's name and default; DB and DB.* are ours. */
export const KMSG_OPTIONS = defineOptions({
  prio_level: {
    type: 'int',
    default: '8',
    min: 0,
    max: 8,
    help: 'Messages with a larger priority are left out: 0 is emergency, 3 error, 4 warning, 6 info, 7 debug; 8: all.',
  },
  db: {
    type: 'string',
    help: 'SQLite file for the position, so that a restart of the agent continues after the last acknowledged message. It may be shared with other inputs. Without it, every start reads all messages that the kernel has kept.',
  },
  ...DATABASE_OPTIONS,
})

export type KmsgOptions = OptionsOf<typeof KMSG_OPTIONS>

/** Returns the owner of the position: the messages of this machine, for one tag. */
export function ownerOf(tag: string): string {
  return `kmsg ${tag}`
}
