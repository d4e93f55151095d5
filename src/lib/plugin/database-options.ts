import type { OffsetOptions, OffsetStore } from '../../core/offset-store.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { InputContext, PreviewContext } from '../../core/plugin.ts'

/** Options of the offset database; each input that has one defines `db` itself. */
export const DATABASE_OPTIONS = defineOptions({
  'db.sync': {
    needs: { db: 'set' },
    type: 'enum',
    values: ['normal', 'extra', 'full', 'off'],
    default: 'normal',
    help: 'When SQLite syncs to disk. A crash of the agent loses nothing with any value; `full` also survives a power failure.',
  },
  'db.locking': {
    needs: { db: 'set' },
    type: 'bool',
    default: 'false',
    help: 'Lock the database exclusively, so that no other program can open it.',
  },
  'db.journal_mode': {
    needs: { db: 'set' },
    type: 'enum',
    values: ['WAL', 'DELETE', 'TRUNCATE', 'PERSIST', 'MEMORY', 'OFF'],
    default: 'WAL',
    help: 'Journal mode of SQLite.',
  },
})

type DatabaseOptions = OptionsOf<typeof DATABASE_OPTIONS> & { db: string | undefined }

/** Opens a copy of the offset database, for a preview. */
export function openStored(
  ctx: PreviewContext,
  database: DatabaseOptions,
  owner?: string,
): Promise<OffsetStore> {
  return ctx.openOffsets(database.db, offsetOptions(database, owner))
}

/** Opens the offset database; without `db` offsets are kept in memory only. `owner`: see OffsetOptions. */
export function openDatabase(
  ctx: InputContext,
  database: DatabaseOptions,
  owner?: string,
): Promise<OffsetStore> {
  return ctx.openOffsets(database.db, offsetOptions(database, owner))
}

function offsetOptions(database: DatabaseOptions, owner: string | undefined): OffsetOptions {
  const options = { sync: database.dbSync, locking: database.dbLocking, journalMode: database.dbJournalMode }
  return owner === undefined ? options : { ...options, owner }
}
