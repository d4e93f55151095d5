import { expect } from 'bun:test'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { bootEntries, followJournal, HOUR_US, Journal } from '../support/journal/journal.ts'
import { journalTools } from '../support/journal/tools.ts'
import type { Running } from '../support/process.ts'
import { kill9At } from '../support/shipping.ts'
import { peerOrSkip } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'

const tools = journalTools()
const testJournal = peerOrSkip('the journal', tools.reason === '', tools.reason)

testJournal('kills of the agent between boots of any clock lose nothing', async () => {
  const dir = tmp()
  const journal = new Journal(tools, join(dir, 'j'))
  const sink = await Sink.start('lines')
  const follow = (exit: string): Running =>
    followJournal({ dir, path: journal.dir, ports: [sink.port], tools, systemd: { exit_on_eof: exit } })
  for (let boot = 0; boot < 6; boot++) {
    const clockBackUs = ((boot * 5) % 6) * HOUR_US
    journal.write(bootEntries(`${boot}`, boot * 1000, boot * 1000 + 1000, clockBackUs), `${boot}.journal`)
  }
  for (const records of [500, 2500, 4200]) await kill9At(follow('off'), sink, records)
  expect(await follow('on').ended()).toEqual({ code: 0, signal: null })
  expect(await sink.missing(6000)).toEqual({ missing: 0, first: [] })
})
