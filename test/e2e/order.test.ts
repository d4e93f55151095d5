import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { SERIES, type Series } from '../support/forward/series.ts'
import { Sink } from '../support/forward/sink.ts'
import { shortOrLong } from '../support/long.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { StreamClient } from '../support/server-run.ts'
import { tmp } from '../support/tmp.ts'
import { until, untilReaches } from '../support/until.ts'

const SENDERS = 60
/** Lines of a sender in each round: those of all senders are twice what the input may have in memory. */
const LINES = 50
/** Faults of the peer: what begins it, what ends it, and the count of the peer that shows that the agent has tried again. */
const FAULTS = [
  ['ack off', 'ack on', 'duplicateChunks'],
  ['close-after 30000', 'close-after 0', 'connections'],
] as const

/** Returns what a sender writes for some lines: text, or a message of the forward protocol. */
type Encode = (lines: string[]) => Uint8Array | string
const INPUTS: Record<string, { options: string; encoded: Encode }> = {
  tcp: { options: 'Format none', encoded: (lines) => lines.map((line) => `${line}\n`).join('') },
  forward: {
    options: 'Tag app',
    encoded: (lines) => encode(['app', lines.map((log) => [1_700_000_000, { log }])]),
  },
}

/** Relays what senders write to the port to a sink. */
async function relay(input: string, storage: string, sink: Sink): Promise<{ agent: Running; port: number }> {
  const dir = tmp()
  const [port = 0] = await freePorts(1)
  const text = `[SERVICE]
    Flush          0.1
    Scheduler.Base 1
    Scheduler.Cap  1
    storage.path   ${join(dir, 'buffer')}
[INPUT]
    Name           ${input}
    Port           ${port}
    ${INPUTS[input]?.options}
    Mem_Buf_Limit  200K
    storage.type   ${storage}
[OUTPUT]
    Name           forward
    Match          *
    Port           ${sink.port}
    Ack_Timeout    1
`
  const conf = join(dir, 'relay.conf')
  writeFileSync(conf, text)
  const agent = start(['-c', conf])
  await agent.waitForStderr('listening on')
  return { agent, port }
}

async function seriesOf(sink: Sink): Promise<Series[]> {
  return ((await sink.ask('series')) as { series: Series[] }).series
}

/** Each input and each storage.type once; all pairs in the long form. */
const PAIRS = shortOrLong(
  [
    ['tcp', 'filesystem'],
    ['forward', 'memory'],
  ],
  Object.keys(INPUTS).flatMap((input) => ['memory', 'filesystem'].map((storage) => [input, storage])),
) as [string, string][]

for (const [input, storage] of PAIRS)
  test(`the lines of each sender of ${input} arrive in order while the peer fails (storage.type ${storage})`, async () => {
    const sink = await Sink.start('series')
    const { agent, port } = await relay(input, storage, sink)
    const senders = Array.from({ length: SENDERS }, () => new StreamClient(port))
    const { encoded } = INPUTS[input] as { encoded: Encode }
    let written = 0
    const writeRound = (): void => {
      for (const [i, sender] of senders.entries()) {
        const lines = Array.from(
          { length: LINES },
          (_, n) => `${i * SERIES + written + n} ${'x'.repeat(90)} end`,
        )
        for (let at = 0; at < LINES; at += 10) void sender.send(encoded(lines.slice(at, at + 10)))
      }
      written += LINES
    }
    const arrived = async (): Promise<number> =>
      (await seriesOf(sink)).reduce((sum, { distinct }) => sum + distinct, 0)
    writeRound()
    await untilReaches(SENDERS * written, arrived)
    await sink.ask('accept off')
    writeRound()
    await sink.ask('accept on')
    for (const [begins, ends, count] of FAULTS) {
      const before = (await sink.summary())[count]
      await sink.ask(begins)
      writeRound()
      await until(async () => (await sink.summary())[count] > before + 1, {
        what: () => agent.stderr.slice(-3000),
      })
      writeRound()
      await sink.ask(ends)
    }
    await untilReaches(SENDERS * written, arrived, { what: () => agent.stderr.slice(-3000) })
    for (const { distinct, disorder, outOfOrder, missing } of await seriesOf(sink))
      expect([distinct, disorder, outOfOrder, missing]).toEqual([written, 0, [], []])
  }, 240_000)
