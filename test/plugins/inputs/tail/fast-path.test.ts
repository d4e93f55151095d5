import { expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { ParserPlan } from '../../../../src/core/plan.ts'
import { spec as cri } from '../../../../src/plugins/parsers/cri.ts'
import { spec as docker } from '../../../../src/plugins/parsers/docker.ts'
import { spec as json } from '../../../../src/plugins/parsers/json.ts'
import { spec as logfmt } from '../../../../src/plugins/parsers/logfmt.ts'
import { TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'

const TIME = '2026-11-21T06:00:07.123456789Z'
const LINES = 3000
const PARSERS = Object.entries({ json, logfmt, cri, docker }).map(
  ([name, spec]) =>
    ({ name, spec, options: parseOptions(spec.options as never, {} as never) }) as never as ParserPlan,
)

const CASES: [tail: Record<string, string>, line: string][] = [
  [{}, 'a line of some length'],
  [{ parser: 'json' }, '{"level":"info","msg":"a line of some length"}'],
  [{ parser: 'logfmt' }, 'level=info msg="a line of some length"'],
  [{ parser: 'docker' }, `{"log":"a line","stream":"stdout","time":"${TIME}"}`],
  [{ parser: 'cri' }, `${TIME} stdout F a line of some length`],
  [{ 'multiline.parser': 'cri' }, `${TIME} stdout F a line of some length`],
]

test.each(CASES)(
  'lines that come one by one take the fast path once it is there, however chunks begin: %j',
  async (tail, line) => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${line}\n`.repeat(LINES))
    const options = { path, read_from_head: 'on', 'multiline.flush_timeout': '100', ...tail }
    const run = new TailRun({ parsers: PARSERS, tail: options, service: { flush: 20 } }).start()
    atEnd(() => run.abort())
    await run.waitForLines(LINES)
    for (let i = 1; i <= 5; i++) {
      appendFileSync(path, `${line}\n`)
      await run.waitForLines(LINES + i)
    }
    expect([run.count('fast_path_records'), run.count('fallback_records')]).toEqual([LINES + 5, 0])
  },
)
