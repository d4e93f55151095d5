import { expect, test } from 'bun:test'
import { maskJson, maskValue } from '../../src/core/mask-secrets.ts'

test.each([
  ['http_passwd', 'abc', '******'],
  ['header', 'Authorization Bearer abc', 'Authorization ******'],
  ['header', 'X-Trace 1', 'X-Trace 1'],
  ['uri', 'https://me:abc@host/path?a=1', 'https://******@host/path?a=1'],
  ['uri', '-HTTP://me:abc@host, 1http+x://me:abc@host', '-HTTP://******@host, 1http+x://******@host'],
  ['uri', '/in?a=1&api_key=abc&b=2', '/in?a=1&api_key=******&b=2'],
  [
    'dummy',
    '{"user":"me","password":"a b","n":{"token":5}}',
    '{"user":"me","password":"******","n":{"token":"******"}}',
  ],
  ['record', 'api_key abc', 'api_key ******'],
  ['brokers', 'me:abc@host:9092,me:a/b@[::1]:1', '******@host:9092,******@[::1]:1'],
  ['regex', '^(?<user>[^:]+):(?<rest>[^@]+)@(?<host>.*)$', '^(?<user>[^:]+):(?<rest>[^@]+)@(?<host>.*)$'],
  ['connection', 'Server=x;Password=abc;Port=1', 'Server=x;Password=******;Port=1'],
  ['contains', 'c=Password=abc', 'c=Password=******'],
  ['path', '/var/log/*.log', '/var/log/*.log'],
  ['args', '-H "Authorization: Bearer abc" -v', '-H "Authorization: ******" -v'],
  ['args', "-H 'Authorization: Digest username=me, response=abc' -v", "-H 'Authorization: ******' -v"],
  ['args', 'Cookie: a=b; sid=abc', 'Cookie: ******'],
  ['args', 'authorization: "Bearer abc" more', 'authorization: ****** more'],
  ['command', 'df', 'df'],
  ['Command', 'curl -u me:abc -pabc --password abc', 'curl (5 more words)'],
  ['command', ' /usr/bin/x  y|z ', '/usr/bin/x (1 more word)'],
  ['command', 'PGPASSWORD="a b c" psql', '****** (3 more words)'],
  ['command', 'abc=def', '******'],
  ['tls.key_file', '/etc/secret/key.pem', '/etc/secret/key.pem'],
  ['db', '', ''],
])('the value of %s %p is shown as %p', (name, value, shown) => {
  expect(maskValue(name, value)).toBe(shown)
})

test('a JSON text stays one', () => {
  const json = '{"a":"x\\"y","client_secret":"p\\"q, \\"token\\":1","list":[1,{"cookie":null}]}'
  expect(JSON.parse(maskJson(json))).toEqual({
    a: 'x"y',
    client_secret: '******',
    list: [1, { cookie: '******' }],
  })
})

test('everything below a secret name is masked, and pairs within texts', () => {
  const json = '{"secret":{"a":["}",{"b":1}]},"tokens":[[1],"]"],"s":"x=1;pwd=\\"a b\\";y","z":0}'
  expect(JSON.parse(maskJson(json))).toEqual({
    secret: '******',
    tokens: '******',
    s: 'x=1;pwd=******;y',
    z: 0,
  })
})

test.each(['{"token":', 'token=', '[', '\\"='])(
  'a megabyte of %s as a value is searched in time that grows with its length',
  (part) => {
    expect(maskJson(`{"token":${part.repeat(100_000)}`).length).toBeGreaterThan(10)
    expect(maskJson(`{"a":"${part.repeat(100_000)}"}`).length).toBeGreaterThan(10)
  },
)

test.each(['\\"', 'a.', '{', 'a://', 'a=', '\\\\'])(
  'a megabyte of %s in a field is searched in time that grows with its length',
  (part) => {
    // Quadratic time would take hours.
    const json = `{"a":"${part.repeat(500_000)}","token":"x"}`
    expect(maskJson(json).endsWith('"token":"******"}')).toBe(true)
  },
)

test('a value of an option that is too long to be searched is masked as a whole', () => {
  expect(maskValue('regex', 'b'.repeat(1_000_000))).toBe('******')
})
