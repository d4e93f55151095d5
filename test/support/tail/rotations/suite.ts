import { describe, expect } from 'bun:test'
import { onPath, peerOrSkip } from '../../skip.ts'
import type { Row } from './row.ts'
import { FOREIGN } from './rows-foreign.ts'
import { LIBRARIES } from './rows-libraries.ts'
import { LINKS } from './rows-links.ts'
import { LOGROTATE, LOGROTATE_COMMAND } from './rows-logrotate.ts'
import { PATTERNS } from './rows-patterns.ts'
import { type Mode, Table, type TableOptions } from './table.ts'

export const ROWS = [...LOGROTATE, ...LIBRARIES, ...LINKS, ...PATTERNS, ...FOREIGN]

/** Rows without those that fail now and then for an unknown cause. */
export const EVERYDAY = ROWS.filter(({ open }) => open === undefined)

/**
 * Registers a test for each row. When the first of them begins, all rows run at the same time, with one
 * agent.
 */
export function testTable(title: string, rows: Row[], mode: Mode, options: TableOptions = {}): void {
  const isPresent = (program: string): boolean =>
    program === 'logrotate' ? LOGROTATE_COMMAND !== undefined : onPath(program)
  const runnable = rows.filter(({ needs }) => needs === undefined || isPresent(needs))
  let run: Promise<Map<Row, string[]>> | undefined
  describe(title, () => {
    for (const row of rows) {
      const present = runnable.includes(row)
      const test = peerOrSkip(row.needs ?? '', present, `no \`${row.needs}\` on PATH`, 'nowhere')
      test(row.name, async () => {
        run ??= Table.run(runnable, mode, options)
        expect((await run).get(row)).toEqual([])
      })
    }
  })
}
