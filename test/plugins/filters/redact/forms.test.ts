import { describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { encode } from '@msgpack/msgpack'
import { chunkOf, recordsOf } from '../../../support/engine/chunk-of.ts'
import { redacted, redactOf, through } from '../../../support/redact-filter.ts'

const CARD = '4111111111111111'
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln'
/** Put together here, so that no scanner of repositories takes them for keys. */
const AWS = `AKIA${'IOSFODNN7EXAMPLE'}`
const GITHUB = `ghp_${'a1B2'.repeat(9)}`
const OPENAI = `sk-${'a1B2'.repeat(12)}`

/** Returns a chunk with one entry whose map has these keys and values, in this order and as often as they are there. */
function withPairs(pairs: readonly (readonly [string, unknown])[]) {
  const chunk = chunkOf([{}])
  const body = Buffer.concat(pairs.flatMap(([key, value]) => [encode(key), encode(value)]))
  const head = chunk.buf.subarray(chunk.start, chunk.end - 1)
  const entry = Buffer.concat([head, Buffer.from([0x80 + pairs.length]), body])
  chunk.replace(
    Buffer.concat([chunk.buf.subarray(0, chunk.start), entry, Buffer.alloc(128)]),
    chunk.start,
    chunk.start + entry.length,
    1,
  )
  return chunk
}

describe('redact', () => {
  test('Key selects each value of a key that a map has twice, at any depth', () => {
    const flat = withPairs([
      ['msg', 'a@b.de'],
      ['msg', 'c@d.de'],
      ['x', 'e@f.de'],
    ])
    redactOf({ key: ['msg'] }).filter.apply(flat, undefined as never)
    const text = flat.buf.toString('latin1', flat.start, flat.end)
    expect([text.match(/REDACTED/g)?.length, /[ac]@/.test(text), text.includes('e@f.de')]).toEqual([
      2,
      false,
      true,
    ])
    const deep = withPairs([
      ['log', { msg: 'a@b.de' }],
      ['log', { msg: 'c@d.de' }],
    ])
    redactOf({ key: ["$log['msg']"] }).filter.apply(deep, undefined as never)
    expect(deep.buf.toString('latin1', deep.start, deep.end)).not.toContain('@')
  })

  test('the name of a secret holds for all in the list or map under it', () => {
    const hidden = '[REDACTED:password]'
    for (const copies of [1, 400]) {
      const records = Array.from({ length: copies }, () => ({
        password: ['hunter2', 1234.5, null, true],
        db: { password: { value: 'hunter2', deep: [{ x: 'y' }] }, after: 'z' },
        token: ['abcd1234efgh', 'short'],
        secret: { secretName: 'web-tls-1', data: 'abcd1234efgh' },
        authorization: ['Basic dXNlcjpwYXNz'],
      }))
      const expected = {
        password: [hidden, hidden, null, true],
        db: { password: { value: hidden, deep: [{ x: hidden }] }, after: 'z' },
        token: [hidden, 'short'],
        secret: { secretName: 'web-tls-1', data: hidden },
        authorization: ['Basic [REDACTED:key]'],
      }
      expect(through(records)).toEqual(Array.from({ length: copies }, () => expected))
    }
  })

  test('the name of a secret holds for all in the list or map after it in a text, which stays JSON', () => {
    for (const [text, result] of [
      ['{"password":["hunter2"],"a":1}', '{"password":["[REDACTED:password]"],"a":1}'],
      ['{"password":["a1","b2"],"a":1}', '{"password":["[REDACTED:password]"],"a":1}'],
      ['{"password":{"value":"hunter2"},"a":1}', '{"password":{"value":"[REDACTED:password]"},"a":1}'],
      [
        '{"password": {"v": ["x", {"y": "z"}]}, "a":1}',
        '{"password": {"v": ["[REDACTED:password]"}]}, "a":1}',
      ],
      ['{"token":["abcd1234efgh"]}', '{"token":["[REDACTED:password]"]}'],
      ['{"token":["short","abcd1234efgh"]}', '{"token":["short","[REDACTED:password]"]}'],
      ['{"token":{"type":"x","ttl":3600}}', '{"token":{"type":"x","ttl":3600}}'],
      ['{\\"password\\":[\\"hunter2\\"]}', '{\\"password\\":[\\"[REDACTED:password]\\"]}'],
      ['{"authorization":["Basic dXNlcjpwYXNz"]}', '{"authorization":["Basic [REDACTED:key]"]}'],
      [
        '{"secret":{"secretName":"web-tls-1","n":{"mode":42}}}',
        '{"secret":{"secretName":"web-tls-1","n":{"mode":42}}}',
      ],
      ['{"password":{"a":"x","b":1},"c":2}', '{"password":{"a":[REDACTED:password]},"c":2}'],
      ['{"password":1234.5}', '{"password":[REDACTED:password]}'],
      ['map[password:[hunter2] user:[joe]]', 'map[password:[[REDACTED:password]] user:[joe]]'],
      ['password=[x]', 'password=[[REDACTED:password]]'],
      ['password=[none]', 'password=[none]'],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('a text that was redacted is left as it is', () => {
    const hash = { action: 'hash', hash_key: 'k'.repeat(32) }
    for (const [text, ...modes] of [
      ['password=hunter2 x', {}, hash],
      ['{"password":["a"]}', {}],
      ['password=[x]', {}, hash],
      ['Authorization: Basic dXNlcjpwYXNz', {}, hash],
    ] as const)
      for (const texts of modes) {
        const once = redacted(text, texts)
        expect(once).not.toBe(text)
        expect(redacted(once, texts)).toBe(once)
      }
  })

  test('the letter of an escape sequence or a colour before a secret is no part of it', () => {
    for (const before of [
      '\\n',
      '\\t',
      '\\r',
      'x\\n',
      '\\u000a',
      '\\u0009',
      '\\x0a',
      '%20',
      '%0A',
      '%3D',
      '\x1b[31m',
      '\\u001b[1;32m',
    ])
      for (const [secret, kind] of [
        [CARD, 'card'],
        ['DE89370400440532013000', 'iban'],
        [TOKEN, 'jwt'],
        [AWS, 'key'],
        [GITHUB, 'key'],
        ['Bearer abcdefgh12345678', 'key'],
      ]) {
        const shown = secret?.startsWith('Bearer') ? 'Bearer ' : ''
        expect(redacted(`a ${before}${secret} b`)).toBe(`a ${before}${shown}[REDACTED:${kind}] b`)
      }
    expect(redacted('{"a":"x\\njoe@example.com"}')).toBe('{"a":"x\\n[REDACTED:email]"}')
    expect(redacted(`temp${CARD} n${CARD} x20${CARD}`)).toBe(`temp${CARD} n${CARD} x20${CARD}`)
  })

  test('all of the credential of an Authorization header is replaced, whatever its scheme', () => {
    const key = '[REDACTED:key]'
    for (const [text, result] of [
      ['Authorization: SSWS 00QCjAl4MlV-WPXM', `Authorization: SSWS ${key}`],
      ['Authorization: GenieKey 9c5f-41aa', `Authorization: GenieKey ${key}`],
      ['Authorization: OAuth abcdefgh', `Authorization: OAuth ${key}`],
      ['Authorization: Api-Key abcdefgh and more', `Authorization: Api-Key ${key} and more`],
      ['Authorization: Unheard 00QCjAl4MlV, x', `Authorization: Unheard ${key}, x`],
      [
        'Authorization: Digest username="joe", uri="/a b", response="6629fae4" x',
        `Authorization: Digest ${key} x`,
      ],
      [
        '{"h":"Authorization: Digest username=\\"joe\\", response=\\"6629fae4\\"","status":200}',
        `{"h":"Authorization: Digest ${key}","status":200}`,
      ],
      [
        'Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261121/eu/s3, SignedHeaders=host;range, Signature=fe5f80\nHost: x',
        `Authorization: AWS4-HMAC-SHA256 ${key}\nHost: x`,
      ],
      ['"authorization":"Other abc def",', `"authorization":"Other ${key}",`],
      ['Authorization: Token token="abcdef", email="x"', `Authorization: Token ${key}`],
      ['["Authorization: Basic dXNlcg==","Host: x"]', `["Authorization: Basic ${key}","Host: x"]`],
      [`authorization: Bearer ${TOKEN.slice(0, 20)}`, `authorization: Bearer ${key}`],
      ['/x?authorization=Basic%20dXNlcg&a=1', `/x?authorization=Basic%20${key}&a=1`],
      ['"authorization":"Basic abc"', `"authorization":"Basic ${key}"`],
      ['authorization: enabled', 'authorization: enabled'],
      ['Authorization: request denied by policy', 'Authorization: request denied by policy'],
    ] as const)
      expect(redacted(text)).toBe(result)
    const digest = 'Digest username="joe@example.com", response="6629fae4"'
    expect(through([{ authorization: digest }, { 'Proxy-Authorization': 'Foo bar baz' }])).toEqual([
      { authorization: `Digest ${key}` },
      { 'Proxy-Authorization': `Foo ${key}` },
    ])
    expect(through([{ authorization: `Bearer ${TOKEN}` }])).toEqual([
      { authorization: 'Bearer [REDACTED:jwt]' },
    ])
  })

  test('finds passwords behind any blanks, with stars and in backquotes', () => {
    for (const [text, result] of [
      ['password:       hunter2', 'password:       [REDACTED:password]'],
      ['password\t=\thunter2', 'password\t=\t[REDACTED:password]'],
      ['password=*hunter*', 'password=[REDACTED:password]'],
      ['password=*****', 'password=*****'],
      ['"passwd":"Passphrase: "hunter2', '"passwd":"[REDACTED:password]'],
      ['password=`a b`', 'password=`[REDACTED:password]`'],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('finds cards with a code or date beside them, on a track, after a name, and as integer keys', () => {
    const card = '[REDACTED:card]'
    for (const [text, result] of [
      [`${CARD}-123`, `${card}-123`],
      [`${CARD}-0126`, `${card}-0126`],
      [`12-${CARD}`, `12-${card}`],
      [`%B${CARD}^DOE/J^`, `%B${card}^DOE/J^`],
      [`PAN${CARD}`, `PAN${card}`],
      [`${CARD}.00`, `${card}.00`],
    ] as const)
      expect(redacted(text)).toBe(result)
    const chunk = chunkOf([{}])
    const entry = Buffer.concat([
      chunk.buf.subarray(chunk.start, chunk.end - 1),
      Buffer.from([0x81]),
      encode(BigInt(CARD), { useBigInt64: true }),
      encode('x'),
    ])
    const whole = Buffer.concat([chunk.buf.subarray(0, chunk.start), entry, Buffer.alloc(128)])
    chunk.replace(whole, chunk.start, chunk.start + entry.length, 1)
    redactOf().filter.apply(chunk, undefined as never)
    expect(recordsOf(chunk)).toEqual([{ [card]: 'x' }])
  })

  test('finds tokens after a hyphen, with blanks in their JSON, and of more issuers', () => {
    const spaced = Buffer.from('{ "alg":"HS256" }').toString('base64url')
    const lines = Buffer.from('{\n  "alg":"HS256"}').toString('base64url')
    for (const [text, result] of [
      [`session-${TOKEN}`, 'session-[REDACTED:jwt]'],
      [`s_${TOKEN}`, 's_[REDACTED:jwt]'],
      [`${TOKEN}.${TOKEN}`, '[REDACTED:jwt]'],
      [`${spaced}.e30.c2ln`, '[REDACTED:jwt]'],
      [`${lines}.e30.c2ln`, '[REDACTED:jwt]'],
      ['ewoman-portal.example.com ewogshop-web.a.b', 'ewoman-portal.example.com ewogshop-web.a.b'],
      [OPENAI, '[REDACTED:key]'],
      [`sk-svcacct-${'a1B2_'.repeat(5)}`, '[REDACTED:key]'],
      [`xapp-1-${'A012-34567'}`, '[REDACTED:key]'],
      ['Bearer AbCdEfGhIjKlMnOpQrStUv', 'Bearer [REDACTED:key]'],
      ['bearer authentication_is_required', 'bearer authentication_is_required'],
      ['task-0123456789abcdef0123456789abcdef', 'task-0123456789abcdef0123456789abcdef'],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('finds passwords in URLs with ;, & and @ in them, and before a host in brackets', () => {
    for (const [text, result] of [
      ['http://u:p;a&b@host/x', 'http://u:[REDACTED:key]@host/x'],
      ['http://u:p@[::1]:80/', 'http://u:[REDACTED:key]@[::1]:80/'],
      ['http://u:p@ss@host/x', 'http://u:[REDACTED:key]@host/x'],
      ['http://host:80/?m=x', 'http://host:80/?m=x'],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('finds addresses of rare forms, but no names of files, units and repositories', () => {
    const email = '[REDACTED:email]'
    for (const [text, result] of [
      ['joe!@example.com', email],
      ['to joe@my_host.example.com', `to ${email}`],
      ['joe@[10.1.2.3] x', `${email} x`],
      ['joe@[IPv6:2001:db8::1]', email],
      ['joe@пример.рф', email],
      ['joe@mail.example.target', email],
      ['joe@example.com，です', `${email}，です`],
      ['GET /img/logo@2x.png 200', 'GET /img/logo@2x.png 200'],
      ['a@b.js c@d.e.css', 'a@b.js c@d.e.css'],
      ['git@github.com:org/repo.git', 'git@github.com:org/repo.git'],
      ['ssh://git@github.com/org', 'ssh://git@github.com/org'],
      ['from git@example.com', `from ${email}`],
    ] as const)
      expect(redacted(text)).toBe(result)
  })

  test('sources of nsswitch.conf and limits of tokens are no secrets', () => {
    for (const text of [
      'passwd: compat',
      'passwd:         files systemd',
      'max_token: 100000000',
      '"max-token":123456789',
    ])
      expect(redacted(text)).toBe(text)
    expect(redacted('passwd: dB')).toBe('passwd: [REDACTED:password]')
    expect(redacted('password: db')).toBe('password: [REDACTED:password]')
    expect(through([{ max_token: '100000000' }])).toEqual([{ max_token: '100000000' }])
    expect(redacted('token: 100000000')).toBe('token: [REDACTED:password]')
  })

  test('a number has the same pseudonym however it is encoded', () => {
    const key = 'k'.repeat(32)
    const hash = createHmac('sha256', key).update('12345').digest('hex').slice(0, 16)
    const values = [
      Buffer.from('cd3039', 'hex'),
      Buffer.from('d200003039', 'hex'),
      Buffer.from('cf0000000000003039', 'hex'),
    ]
    for (const value of [...values, Buffer.from('cb40c81c8000000000', 'hex'), Buffer.from(encode('12345'))]) {
      const chunk = chunkOf([{}])
      const head = chunk.buf.subarray(0, chunk.end - 1)
      const body = Buffer.concat([Buffer.from([0x81]), encode('password'), value])
      chunk.replace(Buffer.concat([head, body, Buffer.alloc(128)]), chunk.start, head.length + body.length, 1)
      redactOf({ action: 'hash', hash_key: key }).filter.apply(chunk, undefined as never)
      expect(recordsOf(chunk)).toEqual([{ password: `[password#${hash}]` }])
    }
  })

  test('empty matches of a pattern do not count as matches', () => {
    const text = `${'a'.repeat(15_000)}zz`
    expect(redacted(text, { pattern: 'x z*', kind: 'none' })).toBe(`${'a'.repeat(15_000)}[REDACTED:x]`)
  })

  test('finds the credential of an Authorization header in lists, maps, behind blanks and on the next line', () => {
    const key = '[REDACTED:key]'
    const basic = 'Basic dXNlcjpwYXNz'
    for (const [text, result] of [
      [`{"Authorization": [\n  "${basic}"\n]}`, `{"Authorization": [\n  "Basic ${key}"\n]}`],
      [`{"Authorization": [\r\n\t"${basic}"]}`, `{"Authorization": [\r\n\t"Basic ${key}"]}`],
      [
        `"{\\"Authorization\\": [\\n  \\"${basic}\\"\\n]}"`,
        `"{\\"Authorization\\": [\\n  \\"Basic ${key}\\"\\n]}"`,
      ],
      [`{"Authorization":{"value":"${basic}"}}`, `{"Authorization":{"value":"Basic ${key}"}}`],
      [`{"Authorization":\n{\n"value":\n"${basic}"}}`, `{"Authorization":\n{\n"value":\n"Basic ${key}"}}`],
      [`{"Authorization":" ${basic}","a":1}`, `{"Authorization":" Basic ${key}","a":1}`],
      [`{"Authorization":"\\t${basic}","a":1}`, `{"Authorization":"\\tBasic ${key}","a":1}`],
      ['{"authorization":["Basic","dXNlcjpwYXNz"],"a":1}', `{"authorization":["Basic","${key}"],"a":1}`],
      [`{"authorization":["${basic}","Bearer abcdefgh"]}`, `{"authorization":["Basic ${key}"]}`],
      [`Authorization:\n ${basic}\nHost: x`, `Authorization:\n Basic ${key}\nHost: x`],
      [`Authorization:\r\n\t${basic}\r\nHost: x`, `Authorization:\r\n\tBasic ${key}\r\nHost: x`],
      ['Authorization:\nX-Request-Id1: a', 'Authorization:\nX-Request-Id1: a'],
      ['Authorization:\n  X-Request-Id1: a', 'Authorization:\n  X-Request-Id1: a'],
    ] as const)
      expect(redacted(text)).toBe(result)
    expect(
      through([
        { Authorization: ` ${basic}` },
        { Authorization: `\t${basic}` },
        { authorization: ['Basic', 'dXNlcjpwYXNz', 'more words'], other: 'words' },
        { authorization: { type: 'Basic' }, a: ['Basic', 'words'] },
        { token: ' abcd1234efgh' },
        { token: 'abcd1234efgh ' },
        { token: ' expired 2026-11-30 ' },
      ]),
    ).toEqual([
      { Authorization: ` Basic ${key}` },
      { Authorization: `\tBasic ${key}` },
      { authorization: ['Basic', key, `more ${key}`], other: 'words' },
      { authorization: { type: 'Basic' }, a: ['Basic', 'words'] },
      { token: '[REDACTED:password]' },
      { token: '[REDACTED:password]' },
      { token: ' expired 2026-11-30 ' },
    ])
  })

  test('finds a value on the line after its name, if it is indented or in quotation marks', () => {
    const hidden = '[REDACTED:password]'
    for (const [text, result] of [
      ['{"password":\n "hunter2"}', `{"password":\n "${hidden}"}`],
      ['{"password":\r\n"hunter2"}', `{"password":\r\n"${hidden}"}`],
      ['{\\"password\\":\\n  \\"hunter2\\"}', `{\\"password\\":\\n  \\"${hidden}\\"}`],
      ['{"password":\n[\n"a",\n"b"\n]}', `{"password":\n[\n"${hidden}"\n]}`],
      ['{\\"password\\":[\\n\\"a\\"\\n]}', `{\\"password\\":[\\n\\"${hidden}\\"\\n]}`],
      ['password:\n  hunter2\nuser: joe', `password:\n  ${hidden}\nuser: joe`],
      ['password:\r\n\thunter2\r\n', `password:\r\n\t${hidden}\r\n`],
      ['password:\n  - hunter2', `password:\n  - ${hidden}`],
      ['{"log":"password:\\thunter2"}', `{"log":"password:\\t${hidden}"}`],
      ['token:\n  abcd1234efgh', `token:\n  ${hidden}`],
    ] as const)
      expect(redacted(text)).toBe(result)
    for (const text of [
      'Enter password:\nLogin incorrect',
      'Enter password:\n[INFO] ready',
      '{"msg":"enter password:\\n","level":"info"}',
      'Invalid password:\n\tat com.example.Main.run(Main.java:5)',
      'password:\n  min_length: 8',
      'PASSWORD=\nHOME=/root',
    ])
      expect(redacted(text)).toBe(text)
  })
})
