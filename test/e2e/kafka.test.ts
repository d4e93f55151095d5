import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { Authority } from '../support/certs.ts'
import { leafTo, numbersIn } from '../support/kafka/agent.ts'
import { sharedBroker, testWithKafka, USERS } from '../support/kafka/brokers.ts'
import { kcatValues } from '../support/kafka/kcat.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const broker = await sharedBroker({
  listeners: ['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'],
  clientAuth: true,
  props: {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
    'allow.everyone.if.no.acl.found': 'true',
  },
})

/** Lines with all kinds of bytes, none of which the output may change. */
function linesOfAllBytes(): Buffer[] {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i).filter((b) => b !== 10 && b !== 13))
  return [
    Buffer.concat([Buffer.from('all '), bytes]),
    Buffer.from('plain'),
    Buffer.from('{"a":1}'),
    Buffer.from('ünï ☃ "quoted" \\ \t'),
    Buffer.alloc(5000, 'x'),
  ]
}

testWithKafka(
  'Kafka’s consumer reads every format and compression back byte for byte',
  async () => {
    const lines = linesOfAllBytes()
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      for (const format of ['raw', 'json', 'msgpack'] as const) {
        const dir = tmp()
        writeFileSync(join(dir, 'a.log'), Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])))
        const topic = `${format}.${compression}`
        await broker.createTopic(topic)
        const kafka = { format, compression, message_key: '$TAG' }
        const agent = leafTo({ dir, broker, topic, kafka, tail: { exit_on_eof: 'on' } })
        expect(await agent.ended(120_000)).toEqual({ code: 0, signal: null })
        const records = await broker.consume(topic)
        const values = records.map(({ value }) => value ?? Buffer.alloc(0))
        if (format === 'raw') expect(values).toEqual(lines)
        expect((await kcatValues(broker.bootstrap, topic)) ?? values).toEqual(values)
        if (format === 'msgpack') {
          const logs = values.map((value) => (decode(value, { rawStrings: true }) as { log: Uint8Array }).log)
          expect(logs.map((log) => Buffer.from(log) as Buffer)).toEqual(lines)
        }
        if (format === 'json') {
          const logs = values.map((value) => JSON.parse(String(value)).log as string)
          expect(logs).toEqual(lines.map((line) => line.toString()))
        }
        expect(records.every(({ key }) => String(key) === 'app')).toBe(true)
        for (const { timestamp } of records) expect(Math.abs(timestamp - Date.now())).toBeLessThan(60_000)
        const [batch] = await broker.batches(topic)
        expect(batch?.compression).toBe(compression)
        expect(batch?.producerId).toBeGreaterThanOrEqual(0)
      }
    }
  },
  400_000,
)

testWithKafka(
  'records whose clock is nine hours ahead, or ten years behind, arrive with the time of the broker; none is given up',
  async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const [name, sec] of [
      ['ahead', now + 9 * 3600],
      ['behind', now - 10 * 365 * 86_400],
    ] as const) {
      const topic = `clock.${name}`
      await broker.createTopic(topic, {}, { 'message.timestamp.before.max.ms': String(7 * 86_400_000) })
      const dir = tmp()
      const lines = Array.from({ length: 3000 }, (_, n) => `{"n":${n},"time":${sec + n / 1000}}\n`)
      writeFileSync(join(dir, 'a.log'), lines.join(''))
      writeFileSync(
        join(dir, 'parsers.conf'),
        '[PARSER]\n    Name t\n    Format json\n    Time_Key time\n    Time_Format %s.%L\n',
      )
      const agent = leafTo({
        dir,
        broker,
        topic,
        kafka: { format: 'json' },
        tail: { exit_on_eof: 'on', parser: 't' },
        service: { parsers_file: join(dir, 'parsers.conf') },
      })
      expect(await agent.ended(120_000), agent.stderr).toEqual({ code: 0, signal: null })
      const records = await broker.consume(topic)
      expect(records.map(({ value }) => JSON.parse(String(value)).n)).toEqual(lines.map((_, n) => n))
      for (const { timestamp, value } of records) {
        expect(Math.abs(timestamp - Date.now())).toBeLessThan(3_600_000)
        expect(Math.abs(JSON.parse(String(value))['@timestamp'] - sec)).toBeLessThan(4)
      }
      expect(agent.stderr).toContain('the broker refuses the times of records')
    }
  },
  400_000,
)

testWithKafka(
  'every SASL mechanism works over TLS; a wrong password and a wrong CA are reported and retried',
  async () => {
    const dir = tmp()
    await broker.createTopic('sasl')
    const brokers = broker.bootstrapOf('sasl_ssl')
    const tls = { brokers, tls: 'on', 'tls.ca_file': broker.caFile }
    let written = 0
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      for (const [user, password] of Object.entries(USERS)) {
        writeLines(join(dir, 'a.log'), written, written + 100)
        written += 100
        const sasl = { sasl_mechanism: mechanism, sasl_username: user, sasl_password: password }
        const agent = leafTo({
          dir,
          broker,
          topic: 'sasl',
          kafka: { ...tls, ...sasl },
          tail: { exit_on_eof: 'on' },
        })
        expect(await agent.ended(120_000), agent.stderr).toEqual({ code: 0, signal: null })
      }
    }
    expect(await broker.numbers('sasl', written)).toMatchObject({ records: written, missing: 0 })
    writeLines(join(dir, 'a.log'), written, written + 1)
    const right = { sasl_mechanism: 'SCRAM-SHA-256', sasl_username: 'bob', sasl_password: USERS.bob }
    const otherAuthority = broker.file('other.pem', new Authority('Other').cert)
    for (const [wrong, words] of [
      [{ ...tls, ...right, sasl_password: 'secret-typo' }, 'uthentication'],
      [{ ...tls, ...right, 'tls.ca_file': otherAuthority }, 'certificate'],
    ] as const) {
      const agent = leafTo({ dir, broker, topic: 'sasl', kafka: wrong, service: { grace: 1 } })
      await agent.waitForStderr(words, 120_000)
      expect(agent.stderr).not.toContain('secret-typo')
      expect(agent.exit).toBeUndefined()
      await agent.stop()
    }
    const last = leafTo({
      dir,
      broker,
      topic: 'sasl',
      kafka: { ...tls, ...right },
      tail: { exit_on_eof: 'on' },
    })
    expect(await last.ended(120_000), last.stderr).toEqual({ code: 0, signal: null })
    expect(await broker.numbers('sasl', written + 1)).toMatchObject({ records: written + 1, missing: 0 })
  },
  400_000,
)

testWithKafka(
  'a client certificate is sent to a broker that requires it',
  async () => {
    const dir = tmp()
    await broker.createTopic('certificate')
    writeLines(join(dir, 'a.log'), 0, 10)
    const { cert, key } = broker.authority.issue('leaf')
    const files = {
      'tls.crt_file': broker.file('leaf.pem', cert),
      'tls.key_file': broker.file('leaf.key', key),
    }
    const brokers = broker.bootstrapOf('ssl')
    const kafka = { brokers, tls: 'on', 'tls.ca_file': broker.caFile, ...files }
    const agent = leafTo({ dir, broker, topic: 'certificate', kafka, tail: { exit_on_eof: 'on' } })
    expect(await agent.ended(120_000), agent.stderr).toEqual({ code: 0, signal: null })
    expect(await broker.numbers('certificate', 10)).toMatchObject({ records: 10, missing: 0 })
  },
  400_000,
)

testWithKafka(
  'a topic that is missing or lacks write permission is named in the error and retried',
  async () => {
    const dir = tmp()
    writeLines(join(dir, 'a.log'), 0, 1000)
    const brokers = broker.bootstrapOf('sasl_plaintext')
    const kafka = { brokers, sasl_mechanism: 'PLAIN', sasl_username: 'bob', sasl_password: USERS.bob }
    const agent = leafTo({ dir, broker, topic: 'denied', kafka })
    await agent.waitForStderr('topic \\"denied\\": UNKNOWN_TOPIC', 120_000)
    await broker.createTopic('denied')
    expect(await numbersIn(broker, agent, 1000, 'denied')).toMatchObject({ records: 1000 })
    await broker.deny('denied', 'bob', 'WRITE')
    const before = agent.stderr.length
    writeLines(join(dir, 'a.log'), 1000, 1100)
    await until(() => agent.stderr.slice(before).includes('AUTHORIZATION'), {
      limitMs: 120_000,
      what: () => agent.stderr,
    })
    // The broker says so of the topic, or of the batch.
    expect(agent.stderr.slice(before)).toMatch(/topic \\"denied\\": TOPIC_AUTH|denied\/0/)
    await broker.deny('denied', 'bob', 'WRITE', true)
    expect(await numbersIn(broker, agent, 1100, 'denied')).toMatchObject({
      records: 1100,
      duplicates: 0,
      disorder: 0,
    })
    expect(agent.exit).toBeUndefined()
  },
  400_000,
)

testWithKafka(
  'lines that name an internal topic or missing ones go to the dead letters, the others of their tag arrive',
  async () => {
    const dir = tmp()
    for (const topic of ['chosen', '__consumer_offsets']) await broker.createTopic(topic)
    const line = (topic: string, n: number): string => `${JSON.stringify({ topic, n })}\n`
    const refused = ['__consumer_offsets', 'missing', 'none.of/these']
    const text = Array.from({ length: 300 }, (_, n) =>
      line(n % 100 < 3 ? (refused[n % 100] as string) : 'chosen', n),
    )
    writeFileSync(join(dir, 'a.log'), text.join(''))
    writeFileSync(join(dir, 'parsers.conf'), '[PARSER]\n    Name j\n    Format json\n')
    const kafka = {
      topic_key: 'topic',
      dynamic_topic: 'on',
      format: 'json',
      allow_auto_create_topics: 'off',
      dead_letter_after: 2,
    }
    const service = { parsers_file: 'parsers.conf' }
    const tail = { exit_on_eof: 'on', parser: 'j' }
    const agent = leafTo({ dir, broker, topic: 'chosen', kafka, service, tail })
    expect(await agent.ended(120_000), agent.stderr).toEqual({ code: 0, signal: null })
    const values = (await broker.consume('chosen')).map(({ value }) => JSON.parse(String(value)).n as number)
    expect(values).toEqual(Array.from({ length: 300 }, (_, n) => n).filter((n) => n % 100 >= 3))
    const letters = readFileSync(join(dir, 'dead-letters.kafka.0.jsonl'), 'utf8').trimEnd().split('\n')
    expect(letters.map((letter) => JSON.parse(letter).cause)).toEqual(Array(9).fill('destination'))
    expect(letters.filter((letter) => letter.includes('__consumer_offsets/')).length).toBe(3)
  },
  400_000,
)

testWithKafka(
  'records of 2 MB arrive if the broker accepts them, and go to the dead-letter file if not',
  async () => {
    const dir = tmp()
    const large = Buffer.alloc(2_000_000, 'L')
    const content = Buffer.concat([
      Buffer.from(numbered(0)),
      large,
      Buffer.from('\n'),
      Buffer.from(numbered(1)),
    ])
    writeFileSync(join(dir, 'a.log'), content)
    await broker.createTopic('small', {}, { 'max.message.bytes': '1048588' })
    await broker.createTopic('large', {}, { 'max.message.bytes': '4000000' })
    const tail = { exit_on_eof: 'on', buffer_max_size: '3M' }
    const letters = join(dir, 'dead.jsonl')
    const first = leafTo({ dir, broker, topic: 'small', tail, kafka: { dead_letter_file: letters } })
    expect(await first.ended(120_000), first.stderr).toEqual({ code: 0, signal: null })
    expect(await broker.numbers('small', 2)).toMatchObject({ records: 2, missing: 0 })
    const [letter, ...more] = (await Bun.file(letters).text()).trim().split('\n')
    expect(more).toEqual([])
    expect(letter).toContain('MESSAGE_TOO_LARGE')
    const { record, origin } = JSON.parse(letter as string)
    expect(Buffer.from(record, 'base64').includes('LLLL')).toBe(true)
    expect(origin.file).toBe(join(dir, 'a.log'))
    expect(content.subarray(origin.offset, origin.end).includes(large)).toBe(true)
    const again = { ...tail, db: join(dir, 'again.db') }
    const second = leafTo({ dir, broker, topic: 'large', tail: again })
    expect(await second.ended(120_000), second.stderr).toEqual({ code: 0, signal: null })
    const values = (await broker.consume('large')).map(({ value }) => value?.length)
    expect(values).toEqual([numbered(0).length - 1, large.length, numbered(1).length - 1])
  },
  400_000,
)
