import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { S3Api } from '../support/doubles/s3.ts'
import { StoreDouble } from '../support/doubles/store-double.ts'
import { shortOrLong } from '../support/long.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { seeded } from '../support/shipping.ts'
import { GoFakeS3, testWithGoFakeS3 } from '../support/stores/gofakes3.ts'
import { Moto, testWithMoto } from '../support/stores/moto.ts'
import type { S3Server } from '../support/stores/s3-server.ts'
import { storedOffset } from '../support/tail/stored-offset.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const KILLS = shortOrLong(5, 20)
const PER_RUN = 6000
const AWS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' }
const PAD = 'the rest of the line is as long as one of a log usually is, and a little longer. '.repeat(2)

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`s3.test.ts: SHIPPER_SEED=${SEED}\n`)

function config(url: string, output: string, tail = ''): string {
  return `[SERVICE]
    Flush 0.1
    Grace 10
    Log_Level info
    Scheduler.Base 0.1
    Scheduler.Cap 0.3
[INPUT]
    Name tail
    Path *.log
    Tag  app.*
    DB   state.db
    Read_From_Head on
    Refresh_Interval 0.2
    ${tail}
[OUTPUT]
    Name s3
    Match *
    Endpoint ${url}
    Bucket b
    Json_Date_Key off
    ${output}
`
}

function run(dir: string): Running {
  return start(['-c', join(dir, 'a.conf')], { cwd: dir, env: AWS })
}

/** Appends numbered lines to a file of a program; `n` counts over all files. */
function write(dir: string, name: string, from: number, count: number): void {
  const lines = Array.from({ length: count }, (_, i) => `${from + i} ${name} ${PAD}\n`)
  appendFileSync(join(dir, name), lines.join(''))
}

for (const [what, output] of [
  ['gzip', 'Compression gzip\n    Total_File_Size 1M\n    Upload_Timeout 1s'],
  ['multipart uploads', 'Total_File_Size 12M\n    Upload_Timeout 3s'],
] as const)
  test(`kill -9 again and again with rotation, two tags and ${what}: each line is in one object`, async () => {
    const dir = tmp()
    const store = await StoreDouble.start(new S3Api())
    writeFileSync(join(dir, 'a.conf'), config(store.url, output))
    const random = seeded(SEED)
    let n = 0
    let agent = run(dir)
    for (let kill = 0; kill < KILLS; kill++) {
      for (const name of ['one.log', 'two.log']) {
        write(dir, name, n, PER_RUN)
        n += PER_RUN
      }
      if (kill % 5 === 4) {
        // A file that no agent has seen is not found under its new name.
        const isKnown = (): boolean => storedOffset(join(dir, 'state.db'), join(dir, 'one.log')) !== undefined
        await until(isKnown, { what: () => agent.stderr.slice(-3000) })
        renameSync(join(dir, 'one.log'), join(dir, `one.log.${kill}`))
      }
      await Bun.sleep(random() * 1500)
      agent.kill('SIGKILL')
      await agent.exited
      agent = run(dir)
    }
    await until(() => store.ledger.report(n).missing === 0, {
      limitMs: 120_000,
      what: () => `${JSON.stringify(store.ledger.report(n))} ${agent.stderr.slice(-3000)}`,
    })
    agent.kill('SIGTERM')
    await agent.exited
    expect(store.bad).toEqual([])
    expect(store.ledger.report(n)).toMatchObject({ kept: n, twice: 0, missing: 0 })
  })

test('a stop completes the objects that are being filled, however long Upload_Timeout is', async () => {
  const dir = tmp()
  const store = await StoreDouble.start(new S3Api())
  writeFileSync(
    join(dir, 'a.conf'),
    config(store.url, 'Upload_Timeout 1h\n    Compression zstd').replace('Log_Level info', 'Log_Level debug'),
  )
  write(dir, 'one.log', 0, 20_000)
  write(dir, 'two.log', 20_000, 20_000)
  const agent = run(dir)
  const taken = (): number =>
    [...agent.stderr.matchAll(/chunk taken over.*?"records":(\d+)/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    )
  await until(() => taken() === 40_000, { what: () => agent.stderr.slice(-2000) })
  expect(store.api.objects.size).toBe(0)
  agent.kill('SIGTERM')
  expect(await agent.exited).toEqual({ code: 0, signal: null })
  expect(store.ledger.report(40_000)).toMatchObject({ kept: 40_000, twice: 0, missing: 0 })
  expect(store.api.objects.size).toBe(2)
  // Nothing is read again.
  const again = run(dir)
  await Bun.sleep(1000)
  again.kill('SIGTERM')
  await again.exited
  expect(store.api.objects.size).toBe(2)
})

test('with a buffer on disk, what a sender has sent is in one object each, after kills as well', async () => {
  const dir = tmp()
  const store = await StoreDouble.start(new S3Api())
  const [port = 0] = await freePorts(1)
  const text = config(store.url, 'Upload_Timeout 3s')
    .replace(
      /\[INPUT\][^[]*/,
      `[INPUT]\n    Name tcp\n    Port ${port}\n    Tag t\n    Format none\n    storage.type filesystem\n`,
    )
    .replace('Log_Level info', 'Log_Level info\n    storage.path buf')
  writeFileSync(join(dir, 'a.conf'), text)
  const LINES = 3000
  let n = 0
  let agent = run(dir)
  for (let kill = 0; kill < 6; kill++) {
    const lines = Array.from({ length: LINES }, (_, i) => `${n + i} ${PAD}\n`).join('')
    await sendAll(port, lines)
    n += LINES
    // What was received is on disk before the kill.
    await Bun.sleep(700)
    agent.kill('SIGKILL')
    await agent.exited
    agent = run(dir)
  }
  await until(() => store.ledger.report(n).missing === 0, {
    limitMs: 120_000,
    what: () => `${JSON.stringify(store.ledger.report(n))} ${agent.stderr.slice(-3000)}`,
  })
  agent.kill('SIGTERM')
  await agent.exited
  expect(store.ledger.report(n)).toMatchObject({ kept: n, twice: 0, missing: 0 })
})

/** Ways in which an object comes: in parts, or in one request. */
const WAYS = {
  'in parts': 'Total_File_Size 11M\n    Upload_Timeout 2s',
  'in one request': 'Use_Put_Object on\n    Compression gzip\n    Total_File_Size 2M\n    Upload_Timeout 1s',
}

for (const [name, testWithServer, startServer] of [
  ['moto', testWithMoto, () => Moto.start()],
  ['gofakes3', testWithGoFakeS3, () => GoFakeS3.start()],
] as const)
  for (const [way, options] of Object.entries(WAYS))
    testWithServer(
      `with ${name}, objects ${way}: their lines are those of the file after many kill -9`,
      async () => {
        await keepsTheFile(await startServer(), options)
      },
    )

/** Kills the agent while it writes a file to objects; checks that their lines are those of the file. */
async function keepsTheFile(server: S3Server, options: string): Promise<void> {
  await server.createBucket('bucket')
  const dir = tmp()
  writeFileSync(join(dir, 'a.conf'), config(server.url, options).replace('Bucket b', 'Bucket bucket'))
  const random = seeded(SEED)
  let n = 0
  let agent = run(dir)
  for (let kill = 0; kill < KILLS; kill++) {
    write(dir, 'one.log', n, PER_RUN * 2)
    n += PER_RUN * 2
    await Bun.sleep(random() * 1500)
    agent.kill('SIGKILL')
    await agent.exited
    agent = run(dir)
  }
  const lines = async (): Promise<string[]> =>
    (await server.objects('bucket')).flatMap(([key, bytes]) =>
      (key.endsWith('.gz') ? gunzipSync(bytes) : bytes)
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line).log as string),
    )
  await until(async () => (await lines()).length >= n, {
    limitMs: 120_000,
    everyMs: 1000,
    what: () => agent.stderr.slice(-3000),
  })
  agent.kill('SIGTERM')
  await agent.exited
  const sorted = (await lines()).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  expect(sorted.length).toBe(n)
  expect(`${sorted.join('\n')}\n` === readFileSync(join(dir, 'one.log'), 'utf8')).toBe(true)
  expect(await server.openUploads('bucket')).toBeLessThanOrEqual(1)
}

test('an upload that something else ends stops the agent with status 75, and the next run loses nothing', async () => {
  const dir = tmp()
  const store = await StoreDouble.start(new S3Api())
  writeFileSync(join(dir, 'a.conf'), config(store.url, 'Upload_Timeout 3s'))
  write(dir, 'one.log', 0, 60_000)
  const agent = run(dir)
  await until(() => [...store.api.uploads.values()].some(({ parts }) => parts.size > 0))
  store.api.uploads.clear()
  expect(await agent.exited).toEqual({ code: 75, signal: null })
  expect(agent.stderr).toContain('have to be read again')
  const again = run(dir)
  await until(() => store.ledger.report(60_000).missing === 0, { what: () => again.stderr.slice(-2000) })
  again.kill('SIGTERM')
  expect((await again.exited).code).toBe(0)
  expect(store.ledger.report(60_000)).toMatchObject({ kept: 60_000, twice: 0, missing: 0 })
})

async function sendAll(port: number, text: string): Promise<void> {
  let socket: Socket | undefined
  await until(async () => {
    const attempt = connect(port, '127.0.0.1')
    attempt.on('error', () => {})
    const isConnected = await once(attempt, 'connect').then(
      () => true,
      () => false,
    )
    if (isConnected) socket = attempt
    return isConnected
  })
  socket?.end(text)
  await once(socket as Socket, 'close')
}
