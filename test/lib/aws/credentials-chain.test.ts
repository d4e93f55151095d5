import { describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ShipperError } from '../../../src/core/error.ts'
import { type ChainOptions, CredentialsChain } from '../../../src/lib/aws/credentials-chain.ts'
import { httpSend } from '../../../src/lib/aws/send.ts'
import { assumed, startSts, stsError } from '../../support/aws/sts.ts'
import { FAULTS, imdsHandler, startRawService, startService } from '../../support/metadata-service.ts'
import { tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const SIGNAL = new AbortController().signal
const ROLE = 'arn:aws:iam::123456789012:role/logs'
const ROLES_PATH = '/latest/meta-data/iam/security-credentials/'
const SECRETS = /secret-(?:of|env|new|old|hidden|x)|token-(?:of|env)|hidden/

function chainOf(
  env: Record<string, string>,
  options: Partial<ChainOptions> = {},
  nowMs = Date.now,
): CredentialsChain {
  const nowhere = { AWS_EC2_METADATA_DISABLED: 'true', HOME: tmp() }
  return new CredentialsChain(
    { region: 'eu-west-1', ...options },
    { env: { ...nowhere, ...env }, send: httpSend(), nowMs, hostname: 'node 1' },
  )
}

function load(env: Record<string, string>, options?: Partial<ChainOptions>) {
  return chainOf(env, options).load(SIGNAL)
}

async function failure(env: Record<string, string>, options?: Partial<ChainOptions>): Promise<ShipperError> {
  const error = await load(env, options).then(
    () => undefined,
    (thrown) => thrown as ShipperError,
  )
  if (error === undefined) throw new Error('there were credentials')
  expect(error).toMatchObject({ code: 'E_AWS_CREDENTIALS', retryable: true, scope: 'peer' })
  expect(`${error.message} ${error.hint}`).not.toMatch(SECRETS)
  return error
}

const handedOut = (id: string, more = {}): string =>
  JSON.stringify({
    Code: 'Success',
    AccessKeyId: id,
    SecretAccessKey: `secret-of-${id}`,
    Token: `token-of-${id}`,
    Expiration: '2099-01-01T00:00:00Z',
    ...more,
  })
const temporary = (id: string) => ({
  accessKeyId: id,
  secretAccessKey: `secret-of-${id}`,
  sessionToken: `token-of-${id}`,
  expiresMs: Date.UTC(2099, 0, 1),
})

describe('the environment', () => {
  const KEYS = { AWS_ACCESS_KEY_ID: 'AKENV', AWS_SECRET_ACCESS_KEY: 'secret-env' }

  test('has the keys, and a token if one is set', async () => {
    expect(await load(KEYS)).toEqual({ accessKeyId: 'AKENV', secretAccessKey: 'secret-env' })
    expect(await load({ ...KEYS, AWS_SESSION_TOKEN: 'token-env' })).toMatchObject({
      sessionToken: 'token-env',
    })
  })

  test('with half of the keys is a failure, not a reason to be somebody else', async () => {
    const { message } = await failure({ AWS_ACCESS_KEY_ID: 'AKENV' })
    expect(message).toBe(
      'no credentials: environment failed: AWS_SECRET_ACCESS_KEY is not set, but AWS_ACCESS_KEY_ID is',
    )
  })

  test('with a line end in a key is refused without showing it', async () => {
    const { message } = await failure({ ...KEYS, AWS_SECRET_ACCESS_KEY: 'secret-env\n' })
    expect(message).toContain('the secret access key is not one word of printable characters')
  })

  test('comes after options and before a profile', async () => {
    const given = { accessKeyId: 'AKGIVEN', secretAccessKey: 'secret-given' }
    expect(await load(KEYS, { given })).toEqual(given)
    const files = sharedFiles('[default]\naws_access_key_id = AKFILE\naws_secret_access_key = secret-file\n')
    expect(await load({ ...KEYS, ...files })).toMatchObject({ accessKeyId: 'AKENV' })
    expect(await load(files)).toMatchObject({ accessKeyId: 'AKFILE' })
  })
})

function sharedFiles(credentials?: string, config?: string): Record<string, string> {
  const folder = tmp()
  const paths: Record<string, string> = {
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
    AWS_CONFIG_FILE: join(folder, 'config'),
  }
  if (credentials !== undefined) writeFileSync(paths.AWS_SHARED_CREDENTIALS_FILE as string, credentials)
  if (config !== undefined) writeFileSync(paths.AWS_CONFIG_FILE as string, config)
  return paths
}

describe('a profile', () => {
  test('is that of the option, of AWS_PROFILE, of AWS_DEFAULT_PROFILE, or default', async () => {
    const of = (id: string): string => `aws_access_key_id=${id}\naws_secret_access_key = secret-${id}\n`
    const files = sharedFiles(
      `# comment\n[default]\n${of('AKDEFAULT')}[a]\n${of('AKA')}; comment\n[ b ]\r\n${of('AKB')}`,
      `[profile c d]\n${of('AKCD')}\n[e]\n${of('AKE')}`,
    )
    const idOf = async (env: Record<string, string>, profile?: string): Promise<string> =>
      (await load({ ...files, ...env }, { profile })).accessKeyId
    expect(await idOf({})).toBe('AKDEFAULT')
    expect(await idOf({ AWS_DEFAULT_PROFILE: 'a' })).toBe('AKA')
    expect(await idOf({ AWS_DEFAULT_PROFILE: 'a', AWS_PROFILE: 'b' })).toBe('AKB')
    expect(await idOf({ AWS_PROFILE: 'b' }, 'c d')).toBe('AKCD')
    // In the config file only the default profile is named without the word.
    expect((await failure(files, { profile: 'e' })).message).toContain('profile "e" failed: it is not in ')
  })

  test('has the keys of the credentials file where both files have some', async () => {
    const files = sharedFiles(
      '[a]\naws_access_key_id = AKNEW\naws_secret_access_key = secret-new\n',
      '[profile a]\nregion = eu-west-1\naws_access_key_id = AKOLD\naws_secret_access_key = secret-old\ns3 =\n  addressing_style = path\n',
    )
    expect(await load(files, { profile: 'a' })).toEqual({
      accessKeyId: 'AKNEW',
      secretAccessKey: 'secret-new',
    })
  })

  test('is in .aws of HOME by default, and read again when a file has changed', async () => {
    const files = sharedFiles('[default]\naws_access_key_id = AK1\naws_secret_access_key = secret-1\n')
    const chain = chainOf(files)
    expect(await chain.load(SIGNAL)).toMatchObject({ accessKeyId: 'AK1' })
    expect(chain.hasChanged()).toBe(false)
    writeFileSync(
      files.AWS_SHARED_CREDENTIALS_FILE as string,
      '[default]\naws_access_key_id = AK22\naws_secret_access_key = secret-2\n',
    )
    expect(chain.hasChanged()).toBe(true)
    expect(await chain.load(SIGNAL)).toMatchObject({ accessKeyId: 'AK22' })
    expect(chain.usedName).toBe('profile "default"')
  })

  describe('that had credentials, while the instance has a role', () => {
    const FILE = '[default]\naws_access_key_id = AK1\naws_secret_access_key = secret-1\n'
    const setup = async () => {
      const values = { [ROLES_PATH]: 'r', [`${ROLES_PATH}r`]: handedOut('AKROLE') }
      const service = await startService(imdsHandler({ values, tokens: ['t'] }))
      const files = sharedFiles(FILE)
      let nowMs = 0
      const instance = {
        AWS_EC2_METADATA_DISABLED: 'false',
        AWS_EC2_METADATA_SERVICE_ENDPOINT: service.url,
      }
      const chain = chainOf({ ...files, ...instance }, {}, () => nowMs)
      const path = files.AWS_SHARED_CREDENTIALS_FILE as string
      const id = async (): Promise<string> => (await chain.load(SIGNAL)).accessKeyId
      expect(await id()).toBe('AK1')
      return { chain, path, id, pass: (ms: number) => (nowMs += ms) }
    }

    test.each([
      ['is emptied', (path: string) => writeFileSync(path, '')],
      ['is removed', (path: string) => rmSync(path)],
    ])('and %s for some time stays the place to ask', async (_, damage) => {
      const { chain, path, id, pass } = await setup()
      damage(path)
      for (let i = 0; i < 5; i++) {
        await expect(id()).rejects.toThrow(
          'no credentials: profile "default" had some and has none now: it is',
        )
        pass(59_000)
      }
      writeFileSync(path, FILE.replace('AK1', 'AK2'))
      expect(await id()).toBe('AK2')
      expect(chain.usedName).toBe('profile "default"')
      // Only what lasts counts, not what comes again.
      writeFileSync(path, '')
      await expect(id()).rejects.toThrow('had some and has none now')
    })

    test('and has none for five minutes is passed over, until it has some again', async () => {
      const { chain, path, id, pass } = await setup()
      writeFileSync(path, '')
      await expect(id()).rejects.toThrow('had some and has none now')
      pass(300_000)
      expect(await id()).toBe('AKROLE')
      expect(chain.hasChanged()).toBe(false)
      writeFileSync(path, FILE)
      expect(chain.hasChanged()).toBe(true)
      expect(await id()).toBe('AK1')
    })
  })

  test('with a role gets it for the profile that it names, through several of them', async () => {
    const sts = await startSts(({ fields }) => assumed(`AS-${String(fields.RoleArn).split('/')[1]}`))
    const files = sharedFiles(
      '[base]\naws_access_key_id = AKBASE\naws_secret_access_key = secret-base\n',
      `[profile last]\nrole_arn = arn:aws:iam::123456789012:role/two\nsource_profile = middle\nexternal_id = x 1\nrole_session_name = me\n
[profile middle]\nrole_arn = arn:aws:iam::123456789012:role/one\nsource_profile = base\n`,
    )
    expect(await load(files, { profile: 'last', stsEndpoint: sts.url })).toEqual(temporary('AS-two'))
    expect(sts.calls.map(({ fields }) => fields)).toEqual([
      {
        Action: 'AssumeRole',
        Version: '2011-06-15',
        RoleArn: 'arn:aws:iam::123456789012:role/one',
        RoleSessionName: 'shipper-node-1',
      },
      {
        Action: 'AssumeRole',
        Version: '2011-06-15',
        RoleArn: 'arn:aws:iam::123456789012:role/two',
        RoleSessionName: 'me',
        ExternalId: 'x 1',
      },
    ])
    const signers = sts.calls.map(
      ({ authorization }) => /Credential=([^/]*).*sts/.exec(authorization ?? '')?.[1],
    )
    expect(signers).toEqual(['AKBASE', 'AS-one'])
  })

  test('may have its keys and its role at once', async () => {
    const sts = await startSts(() => assumed('AS1'))
    const files = sharedFiles(
      `[self]\nrole_arn = ${ROLE}\nsource_profile = self\naws_access_key_id = AKSELF\naws_secret_access_key = secret-self\n`,
    )
    expect(await load(files, { profile: 'self', stsEndpoint: sts.url })).toMatchObject({ accessKeyId: 'AS1' })
    expect(sts.calls[0]?.authorization).toContain('Credential=AKSELF/')
  })

  test('with a role for a web identity, or for the environment, gets it', async () => {
    const sts = await startSts(({ fields }) =>
      assumed(fields.WebIdentityToken === undefined ? 'ASENV' : 'ASWEB'),
    )
    const token = join(tmp(), 'token')
    writeFileSync(token, 'token-hidden\n')
    const files = sharedFiles(
      '',
      `[profile web]\nrole_arn = ${ROLE}\nweb_identity_token_file = ${token}\n[profile env]\nrole_arn=${ROLE}\ncredential_source = Environment\n`,
    )
    expect(await load(files, { profile: 'web', stsEndpoint: sts.url })).toMatchObject({
      accessKeyId: 'ASWEB',
    })
    expect(sts.calls[0]).toMatchObject({ authorization: undefined })
    const { message } = await failure(files, { profile: 'env', stsEndpoint: sts.url })
    expect(message).toContain(
      'its credential_source has none: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set',
    )
  })

  test('that was chosen and does not exist is a failure, not a reason to be somebody else', async () => {
    const imds = await startService(imdsHandler({ values: {}, tokens: ['t'] }))
    const env = {
      ...sharedFiles('[default]\naws_access_key_id = AK\naws_secret_access_key = secret-x\n'),
      ...{ AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.url },
    }
    for (const error of [
      await failure(env, { profile: 'typo' }),
      await failure({ ...env, AWS_PROFILE: 'typo' }),
    ]) {
      expect(error.message).toStartWith('no credentials: profile "typo" failed: it is not in ')
      expect(error.hint).toContain('correct the name')
    }
    expect(imds.requests).toEqual([])
  })

  test('that the option names and the environment makes ineffective is named with the credentials', async () => {
    const chain = chainOf({ AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'secret-x' }, { profile: 'dev' })
    await chain.load(SIGNAL)
    expect(chain.usedName).toBe('environment (AWS_ACCESS_KEY_ID is set, so profile "dev" is not used)')
  })

  test.each([
    [
      'leads back',
      'role_arn=R\nsource_profile=q\n[profile q]\nrole_arn=R\nsource_profile=p',
      'leads back to it',
    ],
    ['names none', 'role_arn=R\nsource_profile=gone', 'its source_profile "gone" is not in '],
    ['has a role and nothing to get it with', 'role_arn=R', 'it has role_arn, but neither source_profile'],
    ['asks for a code', 'role_arn=R\nmfa_serial=m\nsource_profile=p', 'an agent cannot enter'],
    ['logs in by a browser', 'sso_session=s\nsso_account_id=1', 'it logs in by a browser'],
    ['has half of the keys', 'aws_access_key_id=A', 'the secret access key is missing'],
    ['has nothing', 'region=eu-west-1', 'it has no credentials'],
  ])('that %s is a failure that says so', async (_, text, reason) => {
    const files = sharedFiles('', `[profile p]\n${text.replaceAll('=R', `=${ROLE}`)}\n`)
    expect((await failure(files, { profile: 'p' })).message).toContain(reason)
  })

  test('of ten thousand profiles, each the source of the one before, ends', async () => {
    const profiles = Array.from(
      { length: 10_000 },
      (_, i) => `[profile p${i}]\nrole_arn = ${ROLE}\nsource_profile = p${i + 1}\n`,
    )
    const { message } = await failure(sharedFiles('', profiles.join('')), { profile: 'p0' })
    expect(message).toContain('source_profile leads through too many profiles')
  })

  test('in a file that is too large or a folder is a failure that names the file', async () => {
    const files = sharedFiles('x'.repeat(2_000_000))
    expect((await failure(files)).message).toContain(`${files.AWS_SHARED_CREDENTIALS_FILE}: cannot be read: `)
    const folder = tmp()
    expect((await failure({ AWS_CONFIG_FILE: folder })).message).toContain(`${folder}: cannot be read: `)
  })
})

describe('a credential_process', () => {
  /** Returns the files of a profile whose program prints `output`. */
  function printing(output: string, status = 0): Record<string, string> {
    const program = join(tmp(), 'my program')
    writeFileSync(
      program,
      `#!/bin/sh\n[ "$1" = 'a b' ] || exit 9\ncat <<'END'\n${output}\nEND\necho secret-x >&2\nexit ${status}\n`,
    )
    chmodSync(program, 0o700)
    return sharedFiles('', `[default]\ncredential_process = "${program}"  "a b"\n`)
  }

  test('is run without a shell, and what it prints counts', async () => {
    const output =
      '{"Version":1,"AccessKeyId":"AKP","SecretAccessKey":"secret-of-AKP","SessionToken":"token-of-AKP","Expiration":"2099-01-01T00:00:00Z"}'
    expect(await load(printing(output))).toEqual(temporary('AKP'))
  })

  test.each([
    ['exits with 3', 'secret-x', 3, 'credential_process: it exited with status 3'],
    ['prints no JSON', 'secret-x', 0, 'the output of credential_process: it is not JSON'],
    ['prints another version', '{"Version":2}', 0, 'its Version is not 1'],
    ['prints no key', '{"Version":1,"AccessKeyId":"A"}', 0, 'the secret access key is missing'],
    ['prints too much', 'secret-x'.repeat(20_000), 0, 'it prints more than 65536 bytes'],
  ])('that %s is a failure without its output', async (_, output, status, reason) => {
    expect((await failure(printing(output, status))).message).toContain(reason)
  })

  test.each([
    ['/does/not/exist', 'the program does not exist'],
    ['"/bin/echo', 'a quotation mark is not at the beginning or the end of a word'],
    ['', 'it names no program'],
  ])('%s is a failure that says why', async (command, reason) => {
    const files = sharedFiles('', `[default]\ncredential_process = ${command}\n`)
    expect((await failure(files)).message).toContain(reason)
  })
})

test('a credential_process that hangs is ended with what it has started', async () => {
  const folder = tmp()
  const program = join(folder, 'hangs')
  const pids = join(folder, 'pids')
  writeFileSync(program, `#!/bin/sh\nsleep 7777 &\necho $$ $! > ${pids}.new\nmv ${pids}.new ${pids}\nwait\n`)
  chmodSync(program, 0o700)
  const stop = new AbortController()
  const chain = chainOf(sharedFiles('', `[default]\ncredential_process = ${program}\n`))
  const loaded = chain.load(stop.signal)
  loaded.catch(() => {})
  const started = await until(
    () => existsSync(pids) && readFileSync(pids, 'utf8').trim().split(' ').map(Number),
  )
  stop.abort()
  await expect(loaded).rejects.toThrow('the agent stops')
  expect(started).toHaveLength(2)
  for (const pid of started) await until(() => !isRunning(pid))
})

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('what a server of credentials repeats of a secret', () => {
  const TOKEN = 'token-hidden-a+b/c=='

  test('is masked in what a container, STS and an identity provider say', async () => {
    const echo = await startService((request, response) => {
      response.statusCode = 403
      response.end(JSON.stringify({ code: 'AccessDenied', message: `got ${request.headers.authorization}` }))
    })
    const container = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${echo.url}/c`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: `Bearer ${TOKEN}`,
    }
    expect((await failure(container)).message).toContain('AccessDenied: got ******')
    const sts = await startSts(({ fields }) =>
      stsError('AccessDenied', `no ${fields.WebIdentityToken ?? TOKEN} please`),
    )
    const file = join(tmp(), 'token')
    writeFileSync(file, TOKEN)
    const web = { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: ROLE }
    expect((await failure(web, { stsEndpoint: sts.url })).message).toContain('AccessDenied: no ****** please')
    const keys = {
      AWS_ACCESS_KEY_ID: 'AK',
      AWS_SECRET_ACCESS_KEY: 'secret-x',
      AWS_SESSION_TOKEN: TOKEN,
    }
    const denied = await failure(keys, { stsEndpoint: sts.url, roleArn: ROLE })
    expect(denied.message).toContain('AccessDenied: no ****** please')
    expect(denied.hint).toContain('trust policy of the role')
  })

  test('is masked where credentials come with an error', async () => {
    const echo = await startService((_, response) =>
      response.end(JSON.stringify({ Code: 'Failed', Message: `bad ${TOKEN}`, Token: TOKEN })),
    )
    const { message } = await failure({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${echo.url}/c` })
    expect(message).toContain('Failed: bad ******')
  })
})

describe('a web identity', () => {
  test('gets the role for the token in the file, which is read each time', async () => {
    const sts = await startSts(({ fields }) => assumed(`AS-${fields.WebIdentityToken}`))
    const file = join(tmp(), 'token')
    const chain = chainOf(
      { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: ROLE, AWS_ROLE_SESSION_NAME: 'pod' },
      { stsEndpoint: sts.url },
    )
    writeFileSync(file, 't1\n')
    expect(await chain.load(SIGNAL)).toMatchObject({ accessKeyId: 'AS-t1' })
    writeFileSync(file, 't2')
    expect(await chain.load(SIGNAL)).toMatchObject({ accessKeyId: 'AS-t2' })
    expect(sts.requests).toEqual(['POST /', 'POST /'])
    expect(sts.calls[1]).toEqual({
      fields: {
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: ROLE,
        RoleSessionName: 'pod',
        WebIdentityToken: 't2',
      },
      authorization: undefined,
      date: undefined,
    })
  })

  test('that is refused is a failure with the words of STS, and nobody else is asked', async () => {
    const sts = await startSts(() =>
      stsError('InvalidIdentityToken', 'No OpenIDConnect provider found &amp; none'),
    )
    const imds = await startService(imdsHandler({ values: {}, tokens: ['t'] }))
    const file = join(tmp(), 'token')
    writeFileSync(file, 'token-hidden')
    const env = {
      ...{ AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: ROLE },
      ...{ AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.url },
    }
    const { message } = await failure(env, { stsEndpoint: sts.url })
    expect(message).toContain(
      `no credentials: web identity failed: AssumeRoleWithWebIdentity of ${ROLE} at 127.0.0.1:`,
    )
    expect(message).toContain('status 403 InvalidIdentityToken: No OpenIDConnect provider found & none')
    expect(message).toContain('; skipped: environment: ')
    expect(imds.requests).toEqual([])
  })

  test('without a role, or with a file that is missing or empty, is a failure', async () => {
    const file = join(tmp(), 'token')
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: ROLE }
    expect((await failure({ AWS_WEB_IDENTITY_TOKEN_FILE: file })).message).toContain(
      'AWS_ROLE_ARN is not set',
    )
    expect((await failure(env)).message).toContain(
      `${file}: cannot be read: ENOENT: no such file or directory`,
    )
    writeFileSync(file, ' \n')
    expect((await failure(env)).message).toContain(`${file}: it is empty`)
  })
})

describe('a container', () => {
  test('is asked with the token of the variable, or of the file, which goes first', async () => {
    const seen: (string | undefined)[] = []
    const service = await startService((request, response) => {
      seen.push(request.headers.authorization)
      response.end(handedOut('AKC', { Code: undefined }))
    })
    const uri = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/v1/credentials?x=1` }
    expect(await load(uri)).toEqual(temporary('AKC'))
    expect(service.requests).toEqual(['GET /v1/credentials?x=1'])
    await load({ ...uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'Basic abc' })
    const file = join(tmp(), 'token')
    writeFileSync(file, 'from-file\n')
    const env = { AWS_CONTAINER_AUTHORIZATION_TOKEN: 'x', AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file }
    await load({ ...uri, ...env })
    expect(seen).toEqual([undefined, 'Basic abc', 'from-file'])
  })

  test.each([
    'http://169.254.170.2.example.com/x',
    'http://10.0.0.1/x',
    'http://example.com/x',
    'ftp://127.0.0.1/x',
    'http://169.254.169.254/x',
    'nonsense',
  ])('at %s is not asked', async (uri) => {
    const { message, hint } = await failure({ AWS_CONTAINER_CREDENTIALS_FULL_URI: uri })
    expect(message).toContain('AWS_CONTAINER_CREDENTIALS_FULL_URI ')
    expect(hint).toContain('it must be an https:// URL')
  })

  test.each([
    'http://169.254.170.23/v1',
    'http://[fd00:ec2::23]/v1',
    'http://[::1]/v1',
    'https://example.com/v1',
  ])('at %s is asked', async (uri) => {
    const asked: string[] = []
    const chain = new CredentialsChain(
      { region: 'eu-west-1' },
      {
        env: { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri },
        send: async ({ origin, path }) => {
          asked.push(origin + path)
          return { status: 200, text: handedOut('AKC'), header: () => undefined }
        },
        ...{ nowMs: Date.now, hostname: 'h' },
      },
    )
    expect(await chain.load(SIGNAL)).toEqual(temporary('AKC'))
    expect(asked).toEqual([uri])
  })

  test('with a relative URI is asked at 169.254.170.2', async () => {
    const asked: string[] = []
    const chain = new CredentialsChain(
      { region: 'eu-west-1' },
      {
        env: {
          AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/1',
          AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://x',
        },
        send: async ({ origin, path }) => {
          asked.push(origin + path)
          return { status: 200, text: handedOut('AKC'), header: () => undefined }
        },
        ...{ nowMs: Date.now, hostname: 'h' },
      },
    )
    await chain.load(SIGNAL)
    expect(asked).toEqual(['http://169.254.170.2/v2/credentials/1'])
  })

  test.each([
    ['refuses', 403, '{"code":"AccessDenied","message":"not\\nyou"}', 'status 403 AccessDenied: not\\nyou'],
    ['redirects', 302, '', 'status 302'],
    ['answers no JSON', 200, '<html>secret-x</html>', 'it is not JSON'],
    ['answers a list', 200, '[]', 'it is not an object'],
    ['answers no key', 200, '{"AccessKeyId":"A"}', 'the secret access key is missing'],
    ['answers a bad time', 200, handedOut('AKC', { Expiration: '1' }), 'Expiration is not a time'],
    ['answers a number', 200, handedOut('AKC', { Token: 5 }), 'the session token is not one word'],
  ])('that %s is a failure with the reason', async (_, status, body, reason) => {
    const service = await startService((_request, response) => {
      response.statusCode = status
      response.setHeader('location', 'http://127.0.0.1:1/')
      response.end(body)
    })
    const { message } = await failure({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/c` })
    expect(message).toContain(`no credentials: container failed: GET ${service.url}/c: ${reason}`)
  })

  test.each(Object.keys(FAULTS))('that %s is a failure within its time', async (fault) => {
    const service = await startRawService((socket) => {
      socket.once('data', () => FAULTS[fault]?.(socket))
    })
    await failure({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/c` })
  })
})

describe('the instance', () => {
  const at = (url: string): Record<string, string> => ({
    AWS_EC2_METADATA_DISABLED: 'false',
    AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
  })

  test('has the credentials of its role, by a token', async () => {
    const values = { [ROLES_PATH]: 'my-role\n', [`${ROLES_PATH}my-role`]: handedOut('AKI') }
    const service = await startService(imdsHandler({ values, tokens: ['t'] }))
    expect(await load(at(service.url))).toEqual(temporary('AKI'))
    expect(service.requests).toEqual([
      'PUT /latest/api/token',
      `GET ${ROLES_PATH}`,
      `GET ${ROLES_PATH}my-role`,
    ])
  })

  test('is asked without a token when it knows none', async () => {
    const service = await startService((request, response) => {
      response.statusCode = request.method === 'PUT' ? 405 : 200
      response.end(request.url === ROLES_PATH ? 'r' : handedOut('AK1'))
    })
    expect(await load(at(service.url))).toMatchObject({ accessKeyId: 'AK1' })
  })

  test.each([
    [
      'without a role is passed over',
      { [`${ROLES_PATH}r`]: 'x' },
      'instance metadata: the instance has no role',
    ],
    ['with a page instead of a role', { [ROLES_PATH]: '<html>' }, 'the answer is not the name of a role'],
    ['whose role is gone', { [ROLES_PATH]: 'r' }, `GET ${ROLES_PATH}r: there is none`],
    [
      'whose role fails',
      {
        [ROLES_PATH]: 'r',
        [`${ROLES_PATH}r`]: '{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume it"}',
      },
      'AssumeRoleUnauthorizedAccess: EC2 cannot assume it',
    ],
  ])('%s', async (_, values, reason) => {
    const service = await startService(imdsHandler({ values, tokens: ['t'] }))
    expect((await failure(at(service.url))).message).toContain(reason)
  })

  test('whose answer is no credentials has a hint that says once what to do', async () => {
    const service = await startService(imdsHandler({ values: { [ROLES_PATH]: '<html>' }, tokens: ['t'] }))
    const { hint } = await failure(at(service.url))
    expect(hint.match(/set up one of the places/g)).toHaveLength(1)
    expect(hint).not.toContain('on EC2')
  })

  test('whose token does not arrive is a failure that explains the hop limit', async () => {
    const service = await startRawService(() => {})
    const { hint } = await failure(at(service.url))
    expect(hint).toContain('--http-put-response-hop-limit 2')
  })

  test.each(Object.keys(FAULTS))('that %s is a failure within its time', async (fault) => {
    const service = await startRawService((socket) => {
      socket.once('data', () => FAULTS[fault]?.(socket))
    })
    await failure(at(service.url))
  })
})

describe('without credentials anywhere', () => {
  test('one error says what was looked at and why there are none', async () => {
    const { message } = await failure({ HOME: '/nowhere' })
    expect(message).toBe(
      'no credentials: environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set; ' +
        'profile "default": it is not in /nowhere/.aws/credentials and /nowhere/.aws/config; ' +
        'web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; ' +
        'container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set; ' +
        'instance metadata: AWS_EC2_METADATA_DISABLED is true',
    )
  })
})

/** Faults that take as long as the limit, which is long for STS. */
const SLOW = ['never answers', 'sends a body byte by byte']

describe('a role', () => {
  const KEYS = { AWS_ACCESS_KEY_ID: 'AKENV', AWS_SECRET_ACCESS_KEY: 'secret-env' }

  test('is assumed with the external id for what the chain has found', async () => {
    const sts = await startSts(() => assumed('AS1'))
    const chain = chainOf(KEYS, { roleArn: ROLE, externalId: 'e&1', stsEndpoint: sts.url })
    expect(await chain.load(SIGNAL)).toEqual(temporary('AS1'))
    expect(sts.calls[0]?.fields).toMatchObject({
      RoleArn: ROLE,
      ExternalId: 'e&1',
      RoleSessionName: 'shipper-node-1',
    })
    expect(chain.usedName).toBe(`environment, role ${ROLE}`)
  })

  test('is assumed by that of the pod on Fargate, and the web identity is not asked', async () => {
    const sts = await startSts(({ fields }) => assumed(`AS-${String(fields.RoleArn).split('/')[1]}`))
    const pod = 'arn:aws:iam::123456789012:role/pod'
    const env = { ...KEYS, EKS_POD_EXECUTION_ROLE: pod, AWS_WEB_IDENTITY_TOKEN_FILE: '/nowhere' }
    expect(await load(env, { roleArn: ROLE, stsEndpoint: sts.url })).toMatchObject({ accessKeyId: 'AS-logs' })
    expect(sts.calls.map(({ fields }) => fields.RoleArn)).toEqual([pod, ROLE])
  })

  test('is asked for again with the time of STS when the clock is wrong', async () => {
    const serverMs = Date.UTC(2026, 10, 30, 12)
    const sts = await startSts((call) =>
      call.date === '20261130T120000Z'
        ? assumed('AS1')
        : {
            ...stsError('SignatureDoesNotMatch', 'Signature expired'),
            date: new Date(serverMs).toUTCString(),
          },
    )
    const chain = chainOf(KEYS, { roleArn: ROLE, stsEndpoint: sts.url }, () => Date.UTC(2026, 10, 30, 4))
    expect(await chain.load(SIGNAL)).toMatchObject({ accessKeyId: 'AS1' })
    expect(sts.calls).toHaveLength(2)
  })

  test('is not asked for again when the key is wrong', async () => {
    const sts = await startSts(() =>
      stsError('SignatureDoesNotMatch', 'The Canonical String was POST secret-hidden'),
    )
    const { message } = await failure(KEYS, { roleArn: ROLE, stsEndpoint: sts.url })
    expect(message).toEndWith('status 403 SignatureDoesNotMatch')
    expect(sts.calls).toHaveLength(1)
  })

  test.each(Object.keys(FAULTS).filter((name) => !SLOW.includes(name)))(
    'of a server that %s is a failure',
    async (fault) => {
      const service = await startRawService((socket) => {
        socket.once('data', () => FAULTS[fault]?.(socket))
      })
      await failure(KEYS, { roleArn: ROLE, stsEndpoint: service.url })
    },
    180_000,
  )
})
