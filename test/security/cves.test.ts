import { describe, expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { skip } from '../../src/core/msgpack/encode.ts'
import { parseValue } from '../../src/core/options/parse.ts'
import { JsonText } from '../../src/lib/json/msgpack-to-json.ts'
import { startHttp } from '../../src/observe/http/server.ts'
import { parsePod } from '../../src/plugins/filters/kubernetes/pods/pod.ts'
import { spec as httpSpec } from '../../src/plugins/inputs/http/index.ts'
import { spec as otlpSpec } from '../../src/plugins/inputs/opentelemetry/index.ts'
import { spec as jsonSpec } from '../../src/plugins/parsers/json.ts'
import { spec as regexSpec } from '../../src/plugins/parsers/regex.ts'
import { AckReader } from '../../src/protocol/forward/frame.ts'
import { MessageReader } from '../../src/protocol/forward/message-reader.ts'
import { ExportScanner } from '../../src/protocol/journal/export-scanner.ts'
import { readMetadata, readSaslAuthenticate } from '../../src/protocol/kafka/requests.ts'
import { registry } from '../../src/registry.ts'
import { LooseBuffers } from '../support/engine/chunk-of.ts'
import { sampleSnapshot } from '../support/engine/snapshot.ts'
import { listeningInput } from '../support/http/listening-input.ts'
import { run } from '../support/process.ts'
import { parseLine, parserOf, SILENT } from '../support/tail/parse-line.ts'
import { tmp } from '../support/tmp.ts'

/** Public faults of other log agents and of formats that this one reads; SECURITY.md lists them. */

/** Feeds bytes to a reader of the forward protocol; returns how it ended and the memory that it took. */
function readForward(bytes: Buffer, maxBytes = 1_000_000): { outcome: string; peakBytes: number } {
  let peakBytes = 0
  const take = (n: number): Buffer => {
    peakBytes = Math.max(peakBytes, n)
    return Buffer.alloc(n)
  }
  const reader = new MessageReader({ maxBytes, take, give() {} })
  try {
    reader.push(bytes)
    for (;;) {
      const step = reader.next()
      if (step === 'more') return { outcome: step, peakBytes }
    }
  } catch (error) {
    return { outcome: String((error as Error).message), peakBytes }
  }
}

describe('CVE-2022-39379: an object in JSON', () => {
  const LINE =
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"^o":"Object","json_class":"Gem","log":"x"}'

  test('CVE-2022-39379: keys of JSON that create or change objects elsewhere are fields like others', () => {
    const parsed = parseLine(parserOf(jsonSpec), LINE.replace('"__proto__"', '"_proto_"'))
    expect(Object.keys(parsed?.record ?? {})).toEqual(['_proto_', 'constructor', '^o', 'json_class', 'log'])
    const out = { buf: Buffer.alloc(1000), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
    const line = Buffer.from(LINE)
    expect(parserOf(jsonSpec).parse(line, 0, line.length, out)).toBe(true)
    const text = new JsonText()
    text.value(out.buf, 0)
    expect(text.bytes().toString()).toBe(LINE)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test('CVE-2022-39379: labels of a pod named like parts of objects stay labels', () => {
    const labels = '{"__proto__":"a","constructor":"b","toString":"c"}'
    const text = `{"metadata":{"uid":"u","name":"n","namespace":"s","labels":${labels}},"spec":{},"status":{}}`
    const fields = { labels: true, annotations: true, owners: true, loggingAnnotations: true }
    const pod = parsePod(JSON.parse(text), fields)
    expect(JSON.stringify(pod?.labels)).toBe(labels)
    expect(({} as Record<string, unknown>).a).toBeUndefined()
  })
})

describe('CVE-2022-24903, rsyslog 7410, syslog-ng 5254: a length that a peer announces', () => {
  const NAME = 'CVE-2022-24903, rsyslog 7410, syslog-ng 5254: '

  test(`${NAME}ends a forward connection at once when it is over the limit, and takes no memory`, () => {
    for (const head of ['c6ffffffff', 'dbffffffff', 'c6000f4241']) {
      const { outcome, peakBytes } = readForward(Buffer.from(`92a174${head}`, 'hex'))
      expect([head, outcome]).toEqual([
        head,
        expect.stringMatching(/^a payload of \d+ bytes, the limit is 1000000$/),
      ])
      expect(peakBytes).toBeLessThan(100_000)
    }
    for (const [part, said] of [
      ['92dbffffffff', 'a value of more than 1000000 bytes'],
      [`92db00000500${'61'.repeat(1100)}`, 'a tag of more than 1024 bytes'],
      ['92a17401df7fffffff', 'a message of 2 parts'],
      ['93a17401df7fffffff', 'a container of 4294967294 values'],
    ] as const) {
      const { outcome, peakBytes } = readForward(Buffer.from(part, 'hex'))
      expect([part.slice(0, 20), outcome]).toEqual([part.slice(0, 20), said])
      expect(peakBytes).toBeLessThan(100_000)
    }
  })

  test(`${NAME}of an acknowledgement, a Kafka string and a journal field is not believed`, () => {
    const endless = Buffer.concat([Buffer.from('81a361636bdbffffffff', 'hex'), Buffer.alloc(5000)])
    expect(() => new AckReader().push(endless)).toThrow('a response of more than 4096 bytes')
    expect(() => readMetadata(Buffer.from('000000007fffffff', 'hex'))).toThrow(RangeError)
    expect(() => readSaslAuthenticate(Buffer.from('000000007fffffff', 'hex'))).toThrow(RangeError)
    const limits = { maxFields: 10, maxFieldBytes: 100, maxEntryBytes: 1000, stripUnderscore: false }
    const scan = new ExportScanner(limits, new LooseBuffers())
    scan.push(Buffer.concat([Buffer.from('MESSAGE\n'), Buffer.alloc(8, 0xff), Buffer.from('x')]), 0)
    expect(() => scan.next()).toThrow('a binary field of')
  })
})

describe('CVE-2023-52079 and CVE-2026-38357: MessagePack nested without end', () => {
  const DEPTH = 1_000_000

  test('CVE-2023-52079, CVE-2026-38357: nesting of a million levels takes no stack, and ends a connection at 100', () => {
    for (const level of [Buffer.from([0x91]), Buffer.from([0x81, 0xa1, 0x61])]) {
      const deep = Buffer.concat([Buffer.alloc(DEPTH * level.length, level), Buffer.from([0xc0])])
      expect(skip(deep, 0, deep.length)).toBe(deep.length)
      const message = Buffer.concat([Buffer.from('92a17491920581a161', 'hex'), deep])
      expect(readForward(message, 10_000_000).outcome).toBe('values nested deeper than 100')
      expect(() => new AckReader().push(Buffer.concat([Buffer.from('81a161', 'hex'), deep]))).toThrow(
        'more than 4096',
      )
    }
  })

  test('CVE-2023-52079, CVE-2026-38357: maps as keys of maps do not make the JSON of a record grow without end', () => {
    const record = Buffer.from(`${'81'.repeat(99)}80${'01'.repeat(99)}`, 'hex')
    const text = new JsonText()
    expect(text.value(record, 0)).toBe(record.length)
    expect(text.at).toBeLessThan(10 * record.length)
  })
})

describe('inputs that do not exist, and those that do', () => {
  test('CVE-2024-50608, CVE-2024-50609: empty requests are refused, by the server and by the inputs', async () => {
    const names = registry.names('input')
    expect(names.filter((name) => /prometheus|elastic|splunk/.test(name))).toEqual([])
    const health = { enabled: true, errorsCount: 5, retryFailureCount: 5, periodMs: 60_000, outputDownMs: 0 }
    const server = await startHttp({ listen: '127.0.0.1', port: 0, health }, () => sampleSnapshot(), SILENT)
    const [http, otlp] = [await listeningInput(httpSpec), await listeningInput(otlpSpec)]
    const ask = (port: number, text: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.end(text))
        let answer = ''
        socket.on('data', (data) => {
          answer += data
        })
        socket.on('close', () => resolve(answer))
      })
    for (const length of ['0', '', '-1']) {
      const post = `POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
      for (const { port } of [server, http, otlp]) expect(await ask(port, post)).toMatch(/^HTTP\/1\.1 4\d\d /)
      expect(await ask(server.port, 'GET /api/v1/uptime HTTP/1.0\r\n\r\n')).toStartWith('HTTP/1.1 200 ')
      for (const { port } of [http, otlp])
        expect(await ask(port, 'GET /v1/logs HTTP/1.0\r\n\r\n')).toStartWith('HTTP/1.1 400 ')
    }
    await server.close()
  })

  test('CVE-2025-12969: a shared key or users are refused, so that nobody believes in an authentication', async () => {
    const forward = await registry.find('input', 'forward')
    for (const [name, value] of [
      ['shared_key', 'secret'],
      ['empty_shared_key', 'on'],
      ['tls', 'on'],
    ] as const) {
      const option = forward?.options[name]
      expect(option).toBeDefined()
      expect(parseValue(name, option as never, value).problem).toContain('must be')
    }
    expect(
      parseValue('security.users', forward?.options['security.users'] as never, 'a b').problem,
    ).toContain('must be')
  })
})

describe('finds of OSS-Fuzz in fluent-bit', () => {
  test('OSS-Fuzz 3100, 3122: a character that is cut off at the end of a text is replaced, and nothing after it is read', () => {
    const text = new JsonText()
    for (const cut of ['c3', 'e282', 'f09f98', 'f0', 'ed', '80', 'ff']) {
      // Behind the end are the bytes that would complete the character.
      const value = Buffer.from(`a${(cut.length / 2 + 1).toString(16)}61${cut}8280ac80`, 'hex')
      text.reset()
      const end = text.value(value, 0)
      expect([cut, end, text.bytes().toString()]).toEqual([
        cut,
        2 + cut.length / 2,
        expect.stringMatching(/^"a\ufffd+"$/),
      ])
    }
  })

  test('OSS-Fuzz 6463: a parser with many types and long values writes within its bound', () => {
    const types = Array.from({ length: 50 }, (_, i) => `f${i}:integer`).join(' ')
    const groups = Array.from({ length: 50 }, (_, i) => `(?<f${i}>[^ ]*)`).join(' ?')
    const parser = parserOf(regexSpec, { regex: `^${groups}$`, types })
    for (const line of ['', '9'.repeat(5000), '1 '.repeat(49), `${'-'.repeat(64)} ${'1'.repeat(64)}`])
      parseLine(parser, line)
  })
})

test('Log4Shell: variables in lines, tags and file names are never expanded, and nothing is looked up', async () => {
  const dir = tmp()
  const ATTACKS = [
    '${jndi:ldap://127.0.0.1:1/a}',
    '${env:SECRET}',
    '${SECRET}',
    '$SECRET',
    '$(id)',
    '`id`',
    '%{SECRET}',
    '{{.Env.SECRET}}',
    '$TAG[0]',
    '\\u0024{SECRET}',
  ]
  const path = join(dir, 'a${SECRET}.log')
  writeFileSync(
    path,
    `${ATTACKS.map((text) => JSON.stringify({ text })).join('\n')}\n${ATTACKS.join('\n')}\n`,
  )
  writeFileSync(join(dir, 'p.conf'), '[PARSER]\n    Name j\n    Format json\n')
  const input = [
    '-R',
    join(dir, 'p.conf'),
    '-i',
    'tail',
    '-p',
    `path=${dir}/a*.log`,
    '-p',
    'read_from_head=on',
    '-p',
    'exit_on_eof=on',
    '-p',
    'path_key=file',
    '-p',
    'parser=j',
    '-p',
    'tag=t.*',
  ]
  const { stdout } = await run([...input, '-o', 'stdout', '-p', 'format=json_lines', '-m', '*'], {
    env: { SECRET: 's3cret' },
  })
  const records = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>)
  expect(records.map((record) => record.text ?? record.log)).toEqual([...ATTACKS, ...ATTACKS])
  for (const { file } of records) expect(file).toBe(path)
  expect(stdout).not.toContain('s3cret')
  expect(existsSync(path)).toBe(true)
})
