import { describe, expect, test } from 'bun:test'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPlan } from '../../../src/agent/dry-run.ts'
import { loadPlan } from '../../../src/config/load.ts'
import type { formatLocation } from '../../../src/core/error.ts'
import type { Plan } from '../../../src/core/plan.ts'
import { registry } from '../../../src/registry.ts'
import { Authority } from '../../support/certs.ts'
import { tmp } from '../../support/tmp.ts'

const folder = tmp()
const authority = new Authority()
const { cert, key } = authority.issue('localhost', ['localhost'])
const privateKey = createPrivateKey(key)
const files = {
  cert,
  key,
  chain: `${cert}${authority.cert}`,
  both: `${key}${cert}`,
  'other-key': authority.issue('other').key,
  der: new X509Certificate(cert).raw,
  'der-key': privateKey.export({ type: 'pkcs8', format: 'der' }),
  locked: privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'swordfish' }),
  text: 'hello\n',
  empty: '',
}
for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
const at = (name: keyof typeof files): string => join(folder, name)

/** Checks a configuration as -D does, and returns its problems with the line they are about. */
async function problemsOf(input: string, options: Record<string, string>) {
  const lines = Object.entries(options).map(([name, value]) => `    ${name} ${value}`)
  const file = join(folder, 'shipper.conf')
  const text = `[INPUT]\n    Name ${input}\n${lines.join('\n')}\n[OUTPUT]\n    Name null\n    Match *\n`
  writeFileSync(file, text)
  const { plan, validPart, problems, warnings } = await loadPlan({
    file,
    flags: undefined,
    registry,
    env: {},
  })
  const checked = await checkPlan(plan ?? (validPart as Plan), '1.2.3')
  const lineOf = (location: Parameters<typeof formatLocation>[0]): string =>
    text.split('\n')[(location?.line ?? 0) - 1]?.trim().split(' ')[0] ?? ''
  return {
    problems: [...problems, ...checked.problems].map((error) => {
      const { code, message, hint, location } = error
      return { code, message, hint, option: lineOf(location) }
    }),
    warnings: warnings ?? [],
  }
}

const good = { tls: 'on', 'tls.crt_file': at('cert'), 'tls.key_file': at('key') }

describe.each(['tcp', 'http', 'opentelemetry'])('TLS of the input %s', (input) => {
  test('with what fits has no problems', async () => {
    for (const more of [
      {},
      { 'tls.crt_file': at('chain') },
      { 'tls.crt_file': at('both'), 'tls.key_file': at('both') },
      { 'tls.key_file': at('locked'), 'tls.key_passwd': 'swordfish' },
      { 'tls.verify_client_cert': 'on', 'tls.ca_file': at('chain') },
      { 'tls.ciphers': 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256' },
      { 'tls.min_version': 'TLSv1.3', 'tls.max_version': 'TLSv1.3' },
    ])
      expect(await problemsOf(input, { ...good, ...more })).toEqual({ problems: [], warnings: [] })
  })

  test.each([
    [
      'a certificate that is text',
      { 'tls.crt_file': at('text') },
      'tls.crt_file',
      'no certificate that can be read',
    ],
    ['a certificate that is empty', { 'tls.crt_file': at('empty') }, 'tls.crt_file', 'no certificate'],
    ['a certificate that is DER', { 'tls.crt_file': at('der') }, 'tls.crt_file', 'no certificate'],
    [
      'a key for the certificate',
      { 'tls.crt_file': at('key') },
      'tls.crt_file',
      'has a key, and no certificate',
    ],
    [
      'a certificate for the key',
      { 'tls.key_file': at('cert') },
      'tls.key_file',
      'has a certificate, and no key',
    ],
    ['a key that is text', { 'tls.key_file': at('text') }, 'tls.key_file', 'no key that can be read'],
    ['a key that is DER', { 'tls.key_file': at('der-key') }, 'tls.key_file', 'no key that can be read'],
    [
      'a key of another certificate',
      { 'tls.key_file': at('other-key') },
      'tls.key_file',
      'does not belong to',
    ],
    ['a locked key', { 'tls.key_file': at('locked') }, 'tls.key_file', 'needs a password'],
    [
      'a wrong password',
      { 'tls.key_file': at('locked'), 'tls.key_passwd': 'sesame' },
      'tls.key_passwd',
      'cannot be read with tls.key_passwd',
    ],
    [
      'a file of CAs without one',
      { 'tls.verify_client_cert': 'on', 'tls.ca_file': at('text') },
      'tls.ca_file',
      'no certificate that can be read',
    ],
    ['ciphers that nobody knows', { 'tls.ciphers': 'FOO' }, 'tls.ciphers', 'no cipher that is known'],
    [
      'versions in the wrong order',
      { 'tls.min_version': 'TLSv1.3', 'tls.max_version': 'TLSv1.2' },
      'tls.min_version',
      'is above tls.max_version',
    ],
    [
      'clients to be verified by nobody',
      { 'tls.verify_client_cert': 'on' },
      'tls.verify_client_cert',
      'tls.ca_file',
    ],
    ['a file that is not there', { 'tls.crt_file': at('cert') + '-no' }, 'tls.crt_file', 'does not exist'],
  ] as const)('with %s is refused with the option and its place', async (_, more, option, said) => {
    const { problems } = await problemsOf(input, { ...good, ...more })
    expect(problems).toEqual([
      {
        code: 'E_CONFIG_BAD_VALUE',
        option,
        message: expect.stringContaining(said),
        hint: expect.any(String),
      },
    ])
    expect(JSON.stringify(problems)).not.toContain('sesame')
  })

  test('that is off, with clients to be verified, is refused; other options are warned of', async () => {
    const off = await problemsOf(input, { 'tls.verify_client_cert': 'on', 'tls.ca_file': at('cert') })
    expect(off.problems).toEqual([
      expect.objectContaining({
        code: 'E_CONFIG_BAD_VALUE',
        option: 'tls.verify_client_cert',
        message: expect.stringContaining('needs tls on'),
      }),
    ])
    expect(JSON.stringify(off.warnings)).not.toContain('verify_client_cert')
    const { problems, warnings } = await problemsOf(input, { 'tls.crt_file': at('cert') })
    expect(problems).toEqual([])
    expect(JSON.stringify(warnings)).toContain('tls.crt_file')
  })
})
