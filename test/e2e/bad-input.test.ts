import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import { registry } from '../../src/registry.ts'
import { Authority } from '../support/certs.ts'
import { StoreDouble } from '../support/doubles/store-double.ts'
import type { Running } from '../support/process.ts'
import { Answering, BAD_INPUT, type BadCase, type BadInput, TOKEN } from '../support/stores/bad-input.ts'
import { agentTo, writeRecords } from '../support/stores/scenario.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until, untilReaches } from '../support/until.ts'

const RECORDS = 20
/** Attempts that the log has to fold into one line. */
const ATTEMPTS = 3
const SERVER_LIMIT = 60_000
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: TOKEN }

/** What the line says, and what is to be done. */
const WORDS: Record<BadInput, { message: RegExp; hint: RegExp }> = {
  token: {
    message: /the credentials are refused|access is denied|the token is refused|InvalidAccessKeyId/,
    hint: /check|renew|grant/,
  },
  certificate: {
    message: /its certificate, or one that signs it, has expired/,
    hint: /renew the certificate at the peer/,
  },
  missing: {
    message: /nothing accepts records at this path|index_not_found|the index is refused|does not exist/,
    hint: /create|check the path/,
  },
  conflict: { message: /rejected and written to .*refuses the record: /, hint: /repair the cause/ },
  large: {
    message: /rejected and written to .*(?:too large|larger than|length less than)/,
    hint: /repair the cause/,
  },
  html: { message: /502,? (?:with )?an HTML page/, hint: /proxy/ },
  page: {
    message: /an HTML (?:or XML )?page/,
    hint: /nothing else answers|no proxy answers|not of something else/,
  },
}
/** What the line or its hint promises, unless it is about records that are in the dead letters. */
const KEPT = /none is lost|nothing is lost|nothing is dropped|sent again|inputs pause/

/** Listens with a certificate that has expired. */
async function expired(
  authority: Authority,
  port: number,
): Promise<{ server: Server; connections: () => number }> {
  let connections = 0
  const server = createServer(authority.issue('127.0.0.1', ['127.0.0.1'], -3), () => {})
  server.on('tlsClientError', () => {})
  server.on('connection', () => connections++)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => void server.close())
  return { server, connections: () => connections }
}

interface Line {
  level: string
  plugin: string
  message: string
  hint?: string
}

function troubles(agent: Running, plugin: string): Line[] {
  // The last line may not be complete yet.
  const lines = agent.stderr.split('\n').slice(0, -1).filter(Boolean)
  const all = lines.map((line) => JSON.parse(line) as Line)
  const own = all.filter((line) => line.plugin === plugin && line.level !== 'info')
  // A record that is alone in its request is known to be at fault once a request without it was accepted.
  return own.filter(({ message }) => !message.includes('its only record was refused'))
}

async function check(name: string, fault: BadInput, given: BadCase): Promise<void> {
  const { largeBytes = 100_000 } = given
  const api = new Answering(given.api())
  const authority = new Authority()
  const isTls = fault === 'certificate'
  const double = await StoreDouble.start(api, {
    ...(fault === 'conflict' ? { refused: 0.2, seed: 5 } : {}),
    ...(fault === 'large' && given.largeBytes === undefined ? { maxBytes: SERVER_LIMIT } : {}),
    ...(isTls ? { tls: authority.issue('127.0.0.1', ['127.0.0.1']) } : {}),
  })
  if (fault === 'token' || fault === 'missing') api.answer = given[fault]
  if (fault === 'html') double.plan.always('html')
  if (fault === 'page') double.plan.always('html-200')
  let attempts = (): number => double.requests.length
  let wrong: Server | undefined
  if (isTls) {
    await double.down()
    const { server, connections } = await expired(authority, double.port)
    attempts = connections
    wrong = server
  }

  const dir = tmp()
  const path = join(dir, 'a.log')
  const letters = join(dir, 'letters')
  writeFileSync(join(dir, 'ca.pem'), authority.cert)
  writeRecords(path, 0, RECORDS)
  let written = RECORDS
  if (fault === 'large') {
    // Of random bytes, so that it stays large when it is compressed.
    const text = randomBytes((largeBytes * 3) / 4).toString('base64')
    appendFileSync(path, `{"t":1700000000,"n":${RECORDS},"text":"${text}"}\n`)
    writeRecords(path, RECORDS + 1, RECORDS + 2)
    written += 2
  }
  const address = given.address?.(double.url) ?? {
    host: '127.0.0.1',
    port: double.port,
    tls: isTls ? 'on' : 'off',
  }
  const agent = agentTo({
    dir,
    output: {
      name,
      ...given.options,
      ...address,
      ...(isTls ? { 'tls.ca_file': join(dir, 'ca.pem') } : {}),
      dead_letter_file: letters,
    },
    service: { 'scheduler.cap': 1 },
    tail: { buffer_max_size: '4M', ...given.tail },
    env: KEYS,
  })
  const what = (): string =>
    `${name} ${fault}: ${JSON.stringify(double.ledger.report(written))} ${agent.stderr}`
  if (fault !== 'conflict' && fault !== 'large') await untilReaches(ATTEMPTS, attempts, { what })
  const plugin = `${name}.0`
  await until(() => troubles(agent, plugin).length > 0, { what })
  const [line, ...others] = troubles(agent, plugin)
  expect([name, fault, others]).toEqual([name, fault, []])
  expect(`${name} ${fault}: ${line?.message}`).toMatch(WORDS[fault].message)
  expect(`${name} ${fault}: ${line?.hint}`).toMatch(WORDS[fault].hint)
  if (fault !== 'conflict' && fault !== 'large') {
    expect(`${line?.message}; ${line?.hint}`).toMatch(KEPT)
    expect(line?.message).toContain(`127.0.0.1:${double.port}`)
  }

  // What was wrong is repaired: everything arrives, or is in the dead letters.
  api.answer = undefined
  double.plan.end()
  if (wrong !== undefined) {
    wrong.close()
    await double.up()
  }
  const inLetters = (): number =>
    existsSync(letters) ? readFileSync(letters, 'utf8').split('\n').filter(Boolean).length : 0
  const settled = (): boolean => {
    const { kept, unnumbered } = double.ledger.report(written)
    return kept + unnumbered + inLetters() >= written
  }
  await until(settled, { everyMs: 20, what })
  await agent.stop()
  const { kept, unnumbered } = double.ledger.report(written)
  const refused = fault === 'conflict' || fault === 'large' ? inLetters() : 0
  expect([name, fault, kept + unnumbered + refused]).toEqual([name, fault, written])
  if (fault === 'large') expect(refused).toBe(1)
  if (fault === 'conflict') expect(refused).toBeGreaterThan(0)
  expect(double.bad).toEqual([])
  expect(agent.stderr).not.toContain(TOKEN)
}

for (const [name, given] of Object.entries(BAD_INPUT)) {
  const faults = (Object.keys(WORDS) as BadInput[]).filter((fault) => given.never?.[fault] === undefined)
  test(`${name}: ${faults.join(', ')}: one line says what is wrong and what to do, and nothing is lost`, async () => {
    await Promise.all(faults.map((fault) => check(name, fault, given)))
  })
}

test('the table has every output that speaks HTTP', async () => {
  const names = registry.names('output')
  const specs = await Promise.all(
    names.map(async (name) => [name, await registry.find('output', name)] as const),
  )
  const http = specs.filter(([, spec]) => Object.hasOwn(spec?.options ?? {}, 'http.response_timeout'))
  const twins = ['firehose', 'newrelic', 'cloudwatch', 'kinesis']
  expect(
    http
      .map(([name]) => name)
      .filter((name) => !twins.includes(name))
      .sort(),
  ).toEqual(Object.keys(BAD_INPUT).sort())
})
