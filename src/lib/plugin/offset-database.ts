import type { OffsetStore } from '../../core/offset-store.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { InputContext } from '../../core/plugin.ts'

/** How the database of positions is used; each input that has one says itself what `db` is for. */
export const DATABASE_OPTIONS = defineOptions({
  'db.sync': {
    type: 'enum',
    values: ['normal', 'extra', 'full', 'off'],
    default: 'normal',
    help: 'When SQLite syncs to the disk. A crash of the agent loses nothing with any of them; `full` also covers a power failure.',
  },
  'db.locking': {
    type: 'bool',
    default: 'false',
    help: 'Keep other programs from opening the database at all.',
  },
  'db.journal_mode': {
    type: 'enum',
    values: ['WAL', 'DELETE', 'TRUNCATE', 'PERSIST', 'MEMORY', 'OFF'],
    default: 'WAL',
    help: 'Journal of the database.',
  },
})

type DatabaseOptions = OptionsOf<typeof DATABASE_OPTIONS> & { db: string | undefined }

/** Without `db` positions are kept in memory only. `owner`: see OffsetOptions. */
export function openDatabase(ctx: InputContext, o: DatabaseOptions, owner?: string): Promise<OffsetStore> {
  const options = { sync: o.dbSync, locking: o.dbLocking, journalMode: o.dbJournalMode }
  return ctx.openOffsets(o.db, owner === undefined ? options : { ...options, owner })
}
