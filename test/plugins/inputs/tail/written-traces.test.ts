import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WRITTEN } from '../../../lib/multiline/written-traces.ts'
import { TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Returns the records that tail makes of the lines. */
async function recordsOf(names: string, lines: string): Promise<string[]> {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, lines)
  const tail = { path, read_from_head: 'on', exit_on_eof: 'on', 'multiline.parser': names }
  const made = new TailRun({ tail }).start()
  atEnd(() => made.abort())
  await until(() => made.finished)
  await made.stop()
  return made.lines()
}

describe('each trace is one record, and the lines around it are records of their own:', () => {
  const all = Object.keys(WRITTEN).join(', ')
  for (const [name, traces] of Object.entries(WRITTEN)) {
    for (const [before, after] of [
      ['before', 'after'],
      ['2026-11-21T06:00:00Z INFO before', '{"level":"info","msg":"after"}'],
    ]) {
      for (const names of [name, all]) {
        test(`${name} between "${before}" and "${after}", by ${names}`, async () => {
          const expected = traces.flatMap((trace) => [before as string, trace, after as string])
          expect(await recordsOf(names, `${expected.join('\n')}\n`)).toEqual(expected)
        })
      }
    }
  }
})
