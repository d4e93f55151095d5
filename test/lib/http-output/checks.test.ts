import { describe, expect, test } from 'bun:test'
import { maskTexts } from '../../../src/core/mask-texts.ts'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { parseOptions, parseValue } from '../../../src/core/options/parse.ts'
import { secretValues, withoutQuery } from '../../../src/core/options/secret-values.ts'
import { HttpConnections } from '../../../src/lib/http-output/connect.ts'
import { spec as es } from '../../../src/plugins/outputs/es/index.ts'
import { HTTP_OPTIONS } from '../../../src/plugins/outputs/http/options.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { outputContext } from '../../support/engine/output-context.ts'

const problemOf = (table: OptionTable, name: string, text: string) =>
  parseValue(name, table[name] as OptionTable[string], text).problem

describe('what no request can have is refused at the start', () => {
  test.each([
    ['header_tag', 'X Tag'],
    ['header_tag', 'content-length'],
    ['header_tag', 'Transfer-Encoding'],
    ['header_tag', 'Host'],
    ['header_tag', 'authorization'],
    ['header', 'Keep-Alive timeout=5'],
    ['header', 'Expect 100-continue'],
    ['header', 'TE trailers'],
    ['header', 'Proxy-Authorization Basic eDp5'],
    ['header', 'X-A k€y'],
    ['uri', '/a b'],
    ['uri', '/ü'],
    ['uri', '*'],
    ['uri', 'http://x/y'],
    ['uri', '/x#frag'],
    ['bearer_token', 'tökén€'],
  ])('http: %s %s', (name, text) => {
    expect(problemOf(HTTP_OPTIONS, name, text)).toBeDefined()
  })

  test('the hint at a header that the output sets itself names it, as the value is not shown', () => {
    expect(parseValue('header', HTTP_OPTIONS.header, 'Host evil')).toEqual({
      problem: '"header" must be a header that the output does not set itself, not ******',
      hint: 'leave host out: the output determines it',
    })
  })

  test('es: HTTP_API_Key k€y', () => {
    expect(problemOf(es.options, 'http_api_key', 'k€y')).toBeDefined()
  })

  test.each([
    ['header_tag', 'X-Tag'],
    ['header', 'Idempotency-Key x'],
    ['header', 'X-A tökén'],
    ['uri', 'logs'],
    ['uri', '/a%20b?c=d&e'],
    ['bearer_token', 'abc.def-~+/='],
  ])('and nothing else: http: %s %s', (name, text) => {
    expect(problemOf(HTTP_OPTIONS, name, text)).toBeUndefined()
  })

  test('a proxy of the environment that is none', () => {
    const before = process.env.HTTP_PROXY
    for (const proxy of ['socks5://u:secret@127.0.0.1:1', 'http://127.0.0.1:99999']) {
      process.env.HTTP_PROXY = proxy
      try {
        const create = () => new HttpConnections(parseOptions(HTTP_OPTIONS, {}), outputContext())
        expect(create).toThrow('HTTP_PROXY is not the URL of an HTTP proxy')
      } finally {
        if (before === undefined) delete process.env.HTTP_PROXY
        else process.env.HTTP_PROXY = before
      }
    }
  })

  test('two kinds of credentials are a warning that names the one which is not sent', () => {
    const { log, lines } = listLog()
    const options = parseOptions(es.options, { http_api_key: 'k', http_user: 'u' } as never)
    es.create(options as never, outputContext({ log }))
    expect(lines.join()).toContain('HTTP_User and HTTP_Passwd are not sent, because HTTP_API_Key is set')
  })
})

describe('secrets', () => {
  const table = {
    ...HTTP_OPTIONS,
  } satisfies OptionTable
  const options = parseOptions(table, {
    uri: '/in?token=quuux1&plain',
    http_user: 'someone',
    http_passwd: 'passwd1',
    bearer_token: 'bearer1',
    header: ['X-Api-Key header1', 'Authorization Scheme header2'],
    proxy: 'http://me:proxy1@proxy:3128',
  } as never)
  const secrets = secretValues(table, options)

  test('of an output are the values of its secret options, and what is in them and in the query of its path', () => {
    for (const secret of ['passwd1', 'bearer1', 'header1', 'header2', 'proxy1', 'quuux1', 'plain'])
      expect(secrets).toContain(secret)
    for (const plain of ['someone', 'X-Api-Key', 'Authorization', '/in']) expect(secrets).not.toContain(plain)
  })

  test('are masked in what a peer says, in each form that it may have them', () => {
    const mask = maskTexts(['pass"wörd/1', 'ab'])
    const base64 = Buffer.from('pass"wörd/1').toString('base64')
    expect(
      mask(`no pass"wörd/1, ${base64}, ${encodeURIComponent('pass"wörd/1')}, "pass\\"wörd/1", ab`),
    ).toMatch(/^no \*{6}, \*{6}=*, \*{6}, "\*{6}", ab$/)
  })

  test('of a path are the values of its query where it is shown', () => {
    expect(withoutQuery('/a?token=x&b&c=d', '******')).toBe('/a?token=******&******&c=******')
    expect(withoutQuery('/a/b', '******')).toBe('/a/b')
  })
})
