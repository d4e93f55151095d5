import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { decode, ExtData, encode } from '@msgpack/msgpack'
import type { ShipperError } from '../../../../src/core/error.ts'
import { filterContract } from '../../../contract/filter.ts'
import {
  chunkOf,
  type LooseBuffers,
  metadataOf,
  recordsOf,
  withMetadata,
} from '../../../support/engine/chunk-of.ts'
import { redacted, redactOf, type Texts, through } from '../../../support/redact-filter.ts'
import { tmp } from '../../../support/tmp.ts'

const CLEAN = readFileSync(resolve(import.meta.dirname, '../../../fixtures/redact/clean.txt'), 'utf8')
  .trimEnd()
  .split('\n')

/** Numbers that issuers and registries publish for tests; no real ones. */
const CARDS =
  '4111111111111111 4012888888881881 4222222222222 5555555555554444 5105105105105100 2223003122003222 378282246310005 371449635398431 6011111111111117 6011000990139424 3530111333300000 3566002020360505 30569309025904 38520000023237 6200000000000005 6304000000000000 4111111111111111110'.split(
    ' ',
  )
const IBANS =
  'DE89370400440532013000 GB82WEST12345698765432 FR1420041010050500013M02606 NL91ABNA0417164300 CH9300762011623852957 AT611904300234573201 BE68539007547034 ES9121000418450200051332 IT60X0542811101000000123456 NO9386011117947 SE4550000000058398257466 PL61109010140000071219812874 MT84MALT011000012345MTLCAST001S SA0380000000608010167519 BR1800360305000010009795493C1'.split(
    ' ',
  )
const JWT =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c'
/** Put together here, so that no scanner of repositories takes them for keys. */
const KEYS = [
  `AKIA${'IOSFODNN7EXAMPLE'}`,
  `ghp_${'a1B2'.repeat(9)}`,
  `github_pat_${'a1B2_'.repeat(6)}`,
  `glpat-${'x1Y2'.repeat(5)}`,
  `xoxb-${'123456789012-abc'}`,
  `sk_live_${'4eC39HqLyjWDarjt'}`,
  `sk-proj-${'a1B2'.repeat(6)}`,
  `AIza${'a1B2c'.repeat(7)}`,
]

filterContract({
  name: 'redact',
  create: (ctx) =>
    redactOf({ kind: 'none', pattern: 'mark ^mark_me_not_there$' }, ctx.buffers as LooseBuffers).filter,
  expected: (record) => record,
})

describe('redact', () => {
  test('finds card numbers of all issuers, in one run and in groups', () => {
    for (const card of CARDS) {
      expect(redacted(`paid with ${card}, thanks`)).toBe('paid with [REDACTED:card], thanks')
      expect(redacted(card)).toBe('[REDACTED:card]')
    }
    for (const text of [
      '4111 1111 1111 1111',
      '4111-1111-1111-1111',
      '3782 822463 10005',
      '3056 930902 5904',
      '4111 1111 1111 1111 110',
    ])
      expect(redacted(`card: ${text}; exp 12/27`)).toBe('card: [REDACTED:card]; exp 12/27')
    expect(redacted('n 0000 4111 1111 1111 1111 12/27')).toBe('n 0000 [REDACTED:card] 12/27')
  })

  test('a number without an issuer, with a wrong check digit, or within a longer word or number is no card', () => {
    for (const text of [
      '4111111111111112',
      '1111111111111117',
      'x4111111111111111',
      '4111111111111111f',
      '0.4111111111111111',
      '4111111111111111.5',
      '12345-4111111111111111',
      '4111111111111111-12345',
      '2-4111 1111 1111 1111',
      '4111 1111-1111 1111',
      '4111  1111 1111 1111',
      '94111111111111111',
    ])
      expect(redacted(`n=${text} end`)).toBe(`n=${text} end`)
  })

  test('finds card numbers that are integers; times in ms and ns stay', () => {
    const ints = {
      a: 4111111111111111n,
      b: 1795240800123n,
      c: 1795240800123456789n,
      d: 4111111111111111110n,
      e: -5,
    }
    const body = encode(ints, { useBigInt64: true })
    for (const copies of [1, 2000]) {
      const chunk = chunkOf(Array.from({ length: copies }, () => ({ a: 0 })))
      const raw = Buffer.concat([
        chunk.buf.subarray(0, chunk.start),
        ...Array.from({ length: copies }, () => [
          chunk.buf.subarray(chunk.start, chunk.start + 11),
          body,
        ]).flat(),
      ])
      const whole = Buffer.concat([raw, Buffer.alloc(128)])
      chunk.replace(whole, chunk.start, raw.length, copies)
      redactOf().filter.apply(chunk, undefined as never)
      const [first] = recordsOf(chunk)
      expect(first?.a).toBe('[REDACTED:card]')
      expect(first?.d).toBe('[REDACTED:card]')
      expect([first?.b, first?.e]).toEqual([1795240800123, -5])
      expect(chunk.count).toBe(copies)
    }
  })

  test('finds IBANs in one piece and in groups', () => {
    for (const iban of IBANS) {
      const groups = iban.replace(/(.{4})(?=.)/g, '$1 ')
      expect(redacted(`to ${iban}.`)).toBe('to [REDACTED:iban].')
      expect(redacted(`to ${groups}.`)).toBe('to [REDACTED:iban].')
      const wrong = iban.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10))
      expect(redacted(`to ${wrong}.`)).toBe(`to ${wrong}.`)
    }
    expect(redacted(`X${IBANS[0]}`)).toBe(`X${IBANS[0]}`)
  })

  test('finds e-mail addresses', () => {
    for (const [text, result] of [
      ['joe@example.com', '[REDACTED:email]'],
      ['<joe.doe+tag@mail.example.co.uk>', '<[REDACTED:email]>'],
      ['mailto:a_b%c@x-y.example.', 'mailto:[REDACTED:email].'],
      ['a@b.de,c@d.org', '[REDACTED:email],[REDACTED:email]'],
      ['メール：joe@example.com，です', 'メール：[REDACTED:email]，です'],
      ['x@müller.de', '[REDACTED:email]'],
      ['user@host', 'user@host'],
      ['foo@1.2.3', 'foo@1.2.3'],
      ['@example.com', '@example.com'],
      ['getty@tty1.service', 'getty@tty1.service'],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('finds JSON Web Tokens, keys and blocks of private keys', () => {
    expect(redacted(`got ${JWT} here`)).toBe('got [REDACTED:jwt] here')
    expect(redacted(`Authorization: Bearer ${JWT}`)).toBe('Authorization: Bearer [REDACTED:jwt]')
    expect(redacted('eyJ is no token, nor is eyJhbGciOiJIUzI1NiJ9.')).toBe(
      'eyJ is no token, nor is eyJhbGciOiJIUzI1NiJ9.',
    )
    for (const key of KEYS) expect(redacted(`use ${key} now`)).toBe('use [REDACTED:key] now')
    const block = `-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----`
    expect(redacted(`k:\n${block}\nend`)).toBe('k:\n[REDACTED:key]\nend')
    expect(redacted(block.slice(0, 40))).toBe('[REDACTED:key]')
    expect(redacted('-----BEGIN CERTIFICATE-----')).toBe('-----BEGIN CERTIFICATE-----')
    for (const [text, result] of [
      ['Authorization: Basic dXNlcjpwYXNz', 'Authorization: Basic [REDACTED:key]'],
      ['"authorization":"Bearer abcdefgh12345678"', '"authorization":"Bearer [REDACTED:key]"'],
      ['map[Authorization:[Basic dXNlcjpwYXNz]]', 'map[Authorization:[Basic [REDACTED:key]]]'],
      ['BEARER abcdefgh12345678', 'BEARER [REDACTED:key]'],
      ['authorization: enabled', 'authorization: enabled'],
      ['postgres://shop:pa55@db.example.com/x', 'postgres://shop:[REDACTED:key]@db.example.com/x'],
      ['redis://:pa:55@10.0.0.1:6379', 'redis://:[REDACTED:key]@10.0.0.1:6379'],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('finds the values of names of passwords and secrets', () => {
    for (const [text, result] of [
      ['password=hunter2 x', 'password=[REDACTED:password] x'],
      ['DB_PASSWORD: "a b"', 'DB_PASSWORD: "[REDACTED:password]"'],
      ['{"passwd":"x\\"y","a":1}', '{"passwd":"[REDACTED:password]","a":1}'],
      ['{\\"password\\":\\"x\\",\\"a\\":1}', '{\\"password\\":\\"[REDACTED:password]\\",\\"a\\":1}'],
      [':password=>"x", :a=>1', ':password=>"[REDACTED:password]", :a=>1'],
      ['/login?user=a&pwd=b&x=1', '/login?user=a&pwd=[REDACTED:password]&x=1'],
      ['clientSecret=abc12345', 'clientSecret=[REDACTED:password]'],
      ['api_key: 0123456789abcdef', 'api_key: [REDACTED:password]'],
      [
        'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
        'aws_secret_access_key = [REDACTED:password]',
      ],
      ['AccountKey=abc12345==;x', 'AccountKey=[REDACTED:password];x'],
      ['PWD=/home/x', 'PWD=/home/x'],
      ['password=null passwd=****', 'password=null passwd=****'],
      ['token: expected a comma', 'token: expected a comma'],
      ['secret=shop/tls-cert-1', 'secret=shop/tls-cert-1'],
      ['Failed password for root', 'Failed password for root'],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('a card number that begins within a password is replaced with it', () => {
    expect(redacted('password=4111 1111 1111 1111 x')).toBe('password=[REDACTED:password] x')
  })

  test('a value whose key is the name of a secret is replaced, also in nested maps', () => {
    const records = [
      {
        user: 'a',
        password: 'b',
        deep: [{ api_key: 'abc12345', 'X-Auth-Token': 'abc12345', token: 'short' }],
      },
      { passwd: 1234, secret: 'ns/name-1', authorization: 'Basic dXNlcg==', password: { a: 'b' }, pwd: null },
    ]
    const expected = [
      {
        user: 'a',
        password: '[REDACTED:password]',
        deep: [{ api_key: '[REDACTED:password]', 'X-Auth-Token': '[REDACTED:password]', token: 'short' }],
      },
      {
        passwd: '[REDACTED:password]',
        secret: 'ns/name-1',
        authorization: 'Basic [REDACTED:key]',
        password: { a: '[REDACTED:password]' },
        pwd: null,
      },
    ]
    expect(through(records)).toEqual(expected)
    const many = Array.from({ length: 300 }, () => records).flat()
    expect(through(many)).toEqual(Array.from({ length: 300 }, () => expected).flat())
  })

  test('finds addresses of machines only when they are asked for', () => {
    const text =
      'from 10.1.2.3:80 to 2001:db8::1, ::1 fe80::1%eth0 ::ffff:10.0.0.1 1.2.3.4.5 12:30:45 std::vector'
    expect(redacted(text)).toBe(text)
    expect(redacted(text, { kind: 'ipv4,ipv6' })).toBe(
      'from [REDACTED:ipv4]:80 to [REDACTED:ipv6], [REDACTED:ipv6] [REDACTED:ipv6]%eth0 [REDACTED:ipv6] 1.2.3.4.5 12:30:45 std::vector',
    )
    expect(redacted('a 2001:0db8:85a3:0000:0000:8a2e:0370:7334.', { kind: 'ipv6' })).toBe(
      'a [REDACTED:ipv6].',
    )
    expect(redacted('mac 00:11:22:33:44:55', { kind: 'ipv6' })).toBe('mac 00:11:22:33:44:55')
  })

  test('lines of logs without secrets stay byte for byte, and so does the buffer of their chunk', () => {
    expect(CLEAN.length).toBeGreaterThanOrEqual(200)
    const changed = CLEAN.filter((line) => redacted(line) !== line)
    expect(changed).toEqual([])
    const chunk = chunkOf(CLEAN.map((log) => ({ log })))
    const { buf } = chunk
    redactOf().filter.apply(chunk, undefined as never)
    expect(chunk.buf).toBe(buf)
  })

  test('secrets are found in keys, lists, metadata and bytes; other values keep their bytes', () => {
    const record = {
      'joe@example.com': [{ a: ['x', 'y joe@example.com'] }],
      bin: Buffer.from('\xff joe@example.com', 'latin1'),
      ext: new ExtData(5, Buffer.from('joe@example.com')),
      float: 1.5,
    }
    const chunk = withMetadata([record], { user: 'joe@example.com' })
    redactOf().filter.apply(chunk, undefined as never)
    expect(metadataOf(chunk)).toEqual([{ user: '[REDACTED:email]' }])
    expect(recordsOf(chunk)).toEqual([
      {
        '[REDACTED:email]': [{ a: ['x', 'y [REDACTED:email]'] }],
        bin: new Uint8Array(Buffer.from('\xff [REDACTED:email]', 'latin1')),
        ext: new ExtData(5, new Uint8Array(Buffer.from('joe@example.com'))),
        float: 1.5,
      },
    ])
  })

  test('keys that would become equal get numbers, and Redact_Keys off leaves keys alone', () => {
    const record = { 'a@b.de': 1, '[REDACTED:email]': 2, 'c@d.de': 3, e: { 'a@b.de': 4 } }
    expect(through([record])).toEqual([
      {
        '[REDACTED:email]#2': 1,
        '[REDACTED:email]': 2,
        '[REDACTED:email]#3': 3,
        e: { '[REDACTED:email]': 4 },
      },
    ])
    expect(through([{ 'a@b.de': 'c@d.de' }], { redact_keys: 'off' })).toEqual([
      { 'a@b.de': '[REDACTED:email]' },
    ])
  })

  test('Key selects the values that are redacted, with all that is in them', () => {
    const record = { msg: 'a@b.de', other: 'a@b.de', deep: { user: { 'a@b.de': ['a@b.de'] }, x: 'a@b.de' } }
    expect(through([record], { key: ['msg', "$deep['user']"] })).toEqual([
      {
        msg: '[REDACTED:email]',
        other: 'a@b.de',
        deep: { user: { '[REDACTED:email]': ['[REDACTED:email]'] }, x: 'a@b.de' },
      },
    ])
  })

  test('own patterns replace all of their matches, and overlap with others without a rest', () => {
    const texts = { pattern: ['order ORD-\\d+', 'word \\bsecret\\b'], kind: 'email' }
    expect(redacted('ORD-12 and ORD-3 of joe.ORD-7@example.com, secret secrets', texts)).toBe(
      '[REDACTED:order] and [REDACTED:order] of [REDACTED:email], [REDACTED:word] secrets',
    )
    expect(redacted('xORD-1@b.de', { pattern: 'p xORD-1@', kind: 'email' })).toBe('[REDACTED:email]')
    expect(redacted('abc', { pattern: 'empty x*', kind: 'none' })).toBe('abc')
  })

  test('a record on which a pattern reaches its limit goes to the dead letters as it was, or where On_Error says', () => {
    const hostile = { a: 'joe@example.com', log: `${'x'.repeat(3000)}!` }
    for (const [onError, left] of [
      ['dead_letter', [{ log: '[REDACTED:email]' }, { log: 'end' }]],
      ['drop', [{ log: '[REDACTED:email]' }, { log: 'end' }]],
      ['pass', [{ log: '[REDACTED:email]' }, hostile, { log: 'end' }]],
    ] as const) {
      const { filter, rejected, counts } = redactOf({ pattern: 'slow ^(x*)*$', on_error: onError })
      const chunk = chunkOf([{ log: 'a@b.de' }, hostile, { log: 'end' }])
      const [, whole] = [chunk, chunkOf([{ log: 'a@b.de' }, hostile])]
      filter.apply(chunk, undefined as never)
      expect(recordsOf(chunk)).toEqual(left as never)
      expect(chunk.count).toBe(left.length)
      expect(counts[`failed_records ${onError}`]).toBe(1)
      expect(rejected).toHaveLength(onError === 'dead_letter' ? 1 : 0)
      if (onError === 'dead_letter') {
        expect(whole.buf.toString('hex')).toContain(rejected[0]?.bytes as string)
        expect(rejected[0]?.message).toMatch(
          /^the pattern slow reached Regex_Step_Limit on a text of 3001 bytes$/,
        )
      }
    }
  })

  test('bytes that are no record are not passed on, in small and in large chunks', () => {
    for (const copies of [1, 2000]) {
      const { filter, rejected } = redactOf()
      const chunk = chunkOf(
        Array.from({ length: copies }, () => ({ log: 'nothing' })).concat({ log: 'joe@example.com' }),
      )
      // The last string is longer than the chunk.
      chunk.end -= 2
      filter.apply(chunk, undefined as never)
      expect(rejected).toHaveLength(1)
      expect(rejected[0]?.message).toBe('the record is not complete MessagePack')
      expect(chunk.buf.subarray(chunk.start, chunk.end).includes('joe@')).toBe(false)
      expect(chunk.count).toBe(copies)
    }
  })

  test('equal values have equal pseudonyms, by a key of the configuration or of a file', () => {
    const key = 'k'.repeat(32)
    const hash = (text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, 16)
    const text = 'a 4111 1111 1111 1111 b 4111111111111111 c Joe@Example.com d joe@example.com'
    const result = `a [card#${hash('4111111111111111')}] b [card#${hash('4111111111111111')}] c [email#${hash('joe@example.com')}] d [email#${hash('joe@example.com')}]`
    expect(redacted(text, { action: 'hash', hash_key: key })).toBe(result)
    expect(redacted('x a@b.de', { action: 'hash', hash_key: key, replacement: '{hash}' })).toBe(
      `x ${hash('a@b.de')}`,
    )
    const file = join(tmp(), 'key')
    writeFileSync(file, `${key}\n`)
    const { filter } = redactOf({ action: 'hash', hash_key_file: file })
    return filter.start?.().then(() => {
      const chunk = chunkOf([{ log: text }, { n: 1 }])
      filter.apply(chunk, undefined as never)
      expect(recordsOf(chunk)).toEqual([{ log: result }, { n: 1 }])
    })
  })

  test('options that do not fit together are refused, and no message has the key', async () => {
    const problem = (texts: Texts): ShipperError => {
      try {
        redactOf(texts)
      } catch (error) {
        return error as ShipperError
      }
      throw new Error('accepted')
    }
    expect(problem({ action: 'hash' }).code).toBe('E_CONFIG_MISSING_OPTION')
    const key = 'top-secret-key-of-32-characters!'
    for (const texts of [
      { action: 'hash', hash_key: key, hash_key_file: '/x' },
      { hash_key: key },
      { action: 'hash', hash_key: key, replacement: 'x' },
      { replacement: '{hash}' },
      { kind: 'none' },
    ]) {
      const { code, message } = problem(texts)
      expect([code, message.includes(key)]).toEqual(['E_CONFIG_BAD_VALUE', false])
    }
    const file = join(tmp(), 'key')
    writeFileSync(file, 'short\n')
    await expect(redactOf({ action: 'hash', hash_key_file: file }).filter.start?.()).rejects.toThrow(
      /less than 16 bytes/,
    )
    expect(problem({ action: 'hash', hash_key_file: `${file}-absent` }).message).toMatch(/cannot be read/)
    expect(problem({ action: 'hash', hash_key_file: '/dev/zero' }).message).toMatch(/is not a regular file/)
    const fifo = join(tmp(), 'fifo')
    execFileSync('mkfifo', [fifo])
    expect(problem({ action: 'hash', hash_key_file: fifo }).message).toMatch(/is not a regular file/)
    writeFileSync(file, 'x'.repeat(70_000))
    await expect(redactOf({ action: 'hash', hash_key_file: file }).filter.start?.()).rejects.toThrow(
      /more than 65536 bytes/,
    )
  })

  test('each secret is counted by its kind', () => {
    const { filter, counts } = redactOf({ pattern: 'order ORD-\\d+' })
    const chunk = chunkOf([{ a: 'x@y.de ORD-5', b: CARDS[0], c: 'x@y.de' }, { d: 'password=x' }])
    filter.apply(chunk, undefined as never)
    expect(counts).toEqual({
      'redacted email': 2,
      'redacted pattern': 1,
      'redacted card': 1,
      'redacted password': 1,
    })
  })

  // A quadratic search takes minutes.
  test('text that repeats the beginning of a secret takes linear time', () => {
    const size = 1_000_000
    const parts = [
      'token=',
      'password=',
      '"token":"',
      'token=\\"',
      'eyJaaaaaaaaaa.',
      '@',
      'a@b.',
      '4111 ',
      '-----BEGIN ',
      'AIza-',
      'bearer ',
      'authorization=',
      'DE89 ',
      '://a:b',
      'sk-ant-',
      '-----BEGIN PRIVATE KEY-----',
      '-eyJa',
      'eyJ.',
      '-ewog',
      'password=[',
      'password=[x,',
      'password={"a":[',
      'token=[[',
      'authorization=x ',
      'authorization: digest a="',
      'Authorization: Bearer eyJa.',
      'bearer eyJaaaaaaaaaaaaaaaaaaaaaa1-',
      'authorization=["',
      'authorization:["Basic",',
      'authorization={"a":"',
      'password:\n ',
      'token:\\n ',
      'token:\n "',
      '://a:b@',
      'a@[1.2.3.4',
      'password\t',
      'sk-',
      '%20',
      '\\u0020',
    ]
    const { filter } = redactOf({ kind: 'card,iban,email,jwt,key,password,ipv4,ipv6' })
    for (const part of [...parts, '1.', ':', '::', 'f:']) {
      const chunk = chunkOf([{ log: part.repeat(size / part.length) }])
      filter.apply(chunk, undefined as never)
      expect(chunk.count).toBe(1)
    }
  })

  test('a record of 10,000 keys, of which all are addresses, takes linear time', () => {
    const record = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`u${i}@example.com`, i]))
    const [result] = through([record])
    expect(Object.keys(result as object)).toHaveLength(10_000)
    expect(decode(encode(result))).toEqual(result as never)
  })
})

test('reports the garbage of entries with secrets, four times their bytes, and none for the others', () => {
  const { filter, garbage } = redactOf()
  const secret = { log: 'mail joe@example.com' }
  filter.apply(chunkOf([{ log: 'nothing' }]), undefined as never)
  expect(garbage).toEqual([])
  const { size } = chunkOf([secret])
  filter.apply(chunkOf([{ log: 'nothing' }, secret, { log: 'nothing' }]), undefined as never)
  expect(garbage).toEqual([4 * size])
})
