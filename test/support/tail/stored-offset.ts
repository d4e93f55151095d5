import { Database } from 'bun:sqlite'
import { existsSync } from 'node:fs'

/**
 * Returns the position of a file in the database of an agent; undefined while there is none, or the agent has locked the
 * database.
 */
export function storedOffset(path: string, file: string): number | undefined {
  if (!existsSync(path)) return undefined
  const db = new Database(path, { readonly: true })
  try {
    const row = db.query('SELECT offset FROM in_tail_files WHERE name = ?').get(file) as {
      offset: number
    } | null
    return row?.offset
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    if (String(code).startsWith('SQLITE_BUSY') || message.includes('no such table')) return undefined
    throw error
  } finally {
    db.close()
  }
}
