/**
 * Another process with the same database: `peer-process.ts agent|hold|create PATH DRIVER`. It imports no test runner, since
 * node runs it too. Prints one line of JSON, then waits for the end of its stdin.
 */
import { ShipperError } from '../../../src/core/error.ts'
import { type Driver, loadSqlite } from '../../../src/store/driver.ts'
import { openOffsets } from '../../../src/store/open.ts'

const [mode = '', path = '', driver = ''] = process.argv.slice(2)
const log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }

async function main(): Promise<void> {
  if (mode === 'hold') {
    const db = (await loadSqlite(driver as Driver))(path, 1000)
    db.exec('BEGIN EXCLUSIVE')
    await untilClosed({ held: true })
    db.close()
    return
  }
  const options = { sync: 'normal', locking: false, journalMode: 'WAL' } as const
  const store = await openOffsets(path, options, { log, driver: driver as Driver, busyMs: 0 })
  await untilClosed({ rows: store.rows().length, damaged: store.damaged })
  store.close()
}

async function untilClosed(state: object): Promise<void> {
  process.stdout.write(`${JSON.stringify(state)}\n`)
  for await (const _ of process.stdin);
}

main().catch((error) => {
  const { code, hint, retryable } = error instanceof ShipperError ? error : { code: 'E_INTERNAL' }
  process.stdout.write(`${JSON.stringify({ code, hint, retryable, message: String(error) })}\n`)
})
