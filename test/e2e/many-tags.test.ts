import { expect, test } from 'bun:test'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start } from '../support/process.ts'
import { ackedBytes, peakBytes } from '../support/shipping.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 150_000
/** What many tags may cost: chunks of a record each, their buffers and the paths of 10,000 tags. */
const MAX_MORE_BYTES = 50_000_000

/** Gives lines the tags that they name, and returns the largest size of the process. */
async function peakWith(tags: number): Promise<number> {
  const dir = tmp()
  const lines = Array.from(
    { length: LINES },
    (_, i) => `${i % tags} a line with some more text than its tag\n`,
  )
  writeFileSync(join(dir, 'a.log'), lines.join(''))
  writeFileSync(
    join(dir, 'agent.conf'),
    `[INPUT]
    Name            tail
    Path            ${dir}/a.log
    DB              ${dir}/pos.db
    Tag             src
    Read_From_Head  on
[FILTER]
    Name            rewrite_tag
    Match           src
    Rule            $log ^(\\d+) new.$1 false
[OUTPUT]
    Name            null
    Match           *
`,
  )
  const agent = start(['-c', 'agent.conf'], { cwd: dir })
  await agent.waitForStderr('to read')
  const { size } = statSync(join(dir, 'a.log'))
  await until(async () => (await ackedBytes(agent))[0] === size, { everyMs: 200 })
  const peak = peakBytes(agent)
  await agent.stop()
  return peak
}

test('a tag for each of 150,000 records needs hardly more memory than ten tags', async () => {
  const few = await peakWith(10)
  expect((await peakWith(LINES)) - few).toBeLessThan(MAX_MORE_BYTES)
})
