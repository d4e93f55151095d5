import { Database as Sqlite } from 'bun:sqlite'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShipperError } from '../../../src/core/error.ts'
import { openOffsets } from '../../../src/store/open.ts'
import { Random, seedOf } from '../random.ts'
import { SILENT } from '../support.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const OPTIONS = { sync: 'off', locking: false, journalMode: 'WAL' } as const
const TABLE = `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER,
  created INTEGER, rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0);`

let folder: string | undefined
function path(): string {
  rmSync(folder ?? '', { recursive: true, force: true })
  folder = mkdtempSync(join(tmpdir(), 'shipper-fuzz-'))
  return join(folder, 'pos.db')
}

/** Opens the database, reads it, writes to it and closes it, twice. Only a ShipperError may come. */
async function use(db: string): Promise<string> {
  const kinds: string[] = []
  for (const name of ['/var/log/a.log', '/var/log/b.log']) {
    try {
      const store = await openOffsets(db, OPTIONS, { log: SILENT, busyMs: 0 })
      try {
        const rows = store.rows()
        for (const row of rows)
          must(Number.isSafeInteger(row.offset) && row.offset >= 0, () => `offset ${row.offset}`)
        store.lastScanMs('/var/log/*.log')
        store.skippedFiles('/var/log/*.log')
        store.claimCursor()
        const row = {
          id: undefined,
          name,
          offset: 5,
          inode: 7n,
          created: 1,
          rotated: false,
          marker: 0n,
          markerSize: 0,
        }
        const rest = {
          openedAs: name,
          device: 1n,
          fingerprint: 'f',
          fingerprintSize: 1,
          streamOffset: undefined,
          skipping: undefined,
        }
        store.write({ upsert: [{ ...row, ...rest }], remove: rows.slice(0, 1) })
        kinds.push(`${size(rows.length)} ${store.damaged}`)
      } finally {
        store.close()
      }
    } catch (error) {
      if (!(error instanceof ShipperError)) throw error
      must(error.code !== 'E_INTERNAL', error.message)
      kinds.push(kindOf(error).replaceAll(/\/\S*/g, ''))
    }
  }
  return kinds.join()
}

const VALUES = [
  null,
  0,
  -1,
  -100,
  2 ** 53,
  2n ** 63n - 1n,
  -(2n ** 63n),
  1.5,
  '',
  'x',
  '/var/log/a.log',
  Buffer.from([0, 255]),
]

function prepared(db: string): Sqlite {
  const made = new Sqlite(db, { create: true })
  made.exec(TABLE)
  return made
}

/** Rows that another program has written: the input chooses their values. */
export const rows: Target = {
  name: 'store-rows',
  maxBytes: 200,
  maxMs: 5000,
  seeds: () => ['abcdefgh', '00000000', Buffer.from(Array.from({ length: 40 }, (_, i) => i * 7))],
  async run(input) {
    const db = path()
    const made = prepared(db)
    const insert = made.prepare('INSERT OR IGNORE INTO in_tail_files VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    for (let at = 0; at < input.length; at += 8) {
      const values = Array.from({ length: 8 }, (_, i) => VALUES[(input[at + i] ?? 0) % VALUES.length] ?? null)
      try {
        insert.run(null, String(values[1] ?? ''), ...(values.slice(2) as never[]))
      } catch {
        // SQLite refuses the row.
      }
    }
    made.close()
    return use(db)
  },
  close: () => rmSync(folder ?? '', { recursive: true, force: true }),
}

/** A database file with damaged bytes. */
export const damaged: Target = {
  name: 'store-damaged',
  maxBytes: 64,
  maxMs: 5000,
  seeds: () => ['a', 'header', 'page\0', Buffer.alloc(60, 7)],
  async run(input) {
    const db = path()
    await use(db)
    const bytes = readFileSync(db)
    const random = new Random(seedOf(input))
    for (const byte of input) bytes[random.below(random.pick([100, bytes.length]))] = byte
    writeFileSync(db, random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes)
    return use(db)
  },
  close: () => rmSync(folder ?? '', { recursive: true, force: true }),
}
