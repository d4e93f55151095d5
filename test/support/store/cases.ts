/** Runs the contract of the offset store under node: `cases.ts DRIVER`; prints a line of JSON for each case. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Driver } from '../../../src/store/driver.ts'
import { Bench } from '../../contract/offset-store/bench.ts'
import { offsetStoreCases } from '../../contract/offset-store.ts'

async function main(driver: Driver): Promise<void> {
  for (const { name, run } of offsetStoreCases) {
    const dir = mkdtempSync(join(tmpdir(), 'shipper-store-'))
    const bench = new Bench(dir, driver)
    let error: string | undefined
    try {
      await run(bench)
    } catch (thrown) {
      error = String((thrown as Error).stack ?? thrown)
    }
    bench.end()
    rmSync(dir, { recursive: true, force: true })
    process.stdout.write(`${JSON.stringify({ name, error })}\n`)
  }
}

main(process.argv[2] as Driver).catch((error) => {
  process.stderr.write(`${error}\n`)
  process.exitCode = 1
})
