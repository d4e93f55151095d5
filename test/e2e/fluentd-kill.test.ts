import { expect, test } from 'bun:test'
import { renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { type Running, start } from '../support/process.ts'
import { allArrive, kill9, kill9At, seeded } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'

const ROUNDS = 10
const LINES = 60_000
/** Lines that fluentd has read, by its pos_file. */
const READ = 20_000
/** Lines of the file that was rotated after fluentd had stopped. */
const ROTATED = 40_000
const MAX_STARTING_MS = 250

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`fluentd-kill.test.ts: SHIPPER_SEED=${SEED}\n`)

const CONFIG = (dir: string, port: number): string => `
<source>
  @type tail
  path ${dir}/a.log
  pos_file ${dir}/td.pos
  tag app
  <parse>
    @type none
    message_key log
  </parse>
</source>
<match app>
  @type forward
  <server>
    host 127.0.0.1
    port ${port}
  </server>
  <buffer>
    flush_interval 0.1s
  </buffer>
</match>
`

/** Leaves files as fluentd has: it has read a part of `a.log`, which was rotated then if `isRotated`. */
function leave(dir: string, isRotated: boolean): void {
  const path = join(dir, 'a.log')
  writeLines(path, 0, isRotated ? ROTATED : LINES)
  const hex = (n: number): string => n.toString(16).padStart(16, '0')
  const offset = READ * numbered(0).length
  writeFileSync(join(dir, 'td.pos'), `${path}\t${hex(offset)}\t${hex(statSync(path).ino)}\n`)
  if (!isRotated) return
  renameSync(path, `${path}.1`)
  writeLines(path, ROTATED, LINES)
}

test(`kill -9 in the first moments with a pos_file loses no line, and repeats none that fluentd has read`, async () => {
  const random = seeded(SEED)
  for (let round = 0; round < ROUNDS; round++) {
    const dir = tmp()
    leave(dir, round % 2 === 1)
    const sink = await Sink.start('lines')
    const file = join(dir, 'fluent.conf')
    writeFileSync(file, CONFIG(dir, sink.port))
    const run = (): Running => start(['-c', file])
    // While it starts, and while it reads and sends.
    const starting = run()
    await Bun.sleep(random() * MAX_STARTING_MS)
    await kill9(starting, sink)
    const { distinct } = await sink.summary()
    if (distinct < LINES - READ)
      await kill9At(run(), sink, distinct + 1 + random() * (LINES - READ - distinct - 1))
    const last = run()
    await last.waitForStderr('-> forward.0')
    await allArrive(sink, last, LINES - READ)
    expect(await last.stop()).toEqual({ code: 0, signal: null })
    const summary = await sink.summary()
    expect([summary.distinct, summary.min, summary.max]).toEqual([LINES - READ, READ, LINES - 1])
    sink.stop()
  }
})
