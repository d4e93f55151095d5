import { ShipperError } from '../../../src/core/error.ts'
import { awsErrorOf } from '../../../src/lib/aws/error-answer.ts'
import { parseEndpoint } from '../../../src/lib/aws/regions.ts'
import { profilesIn } from '../../../src/lib/aws/shared-files.ts'
import { containerSource } from '../../../src/lib/aws/sources.ts'
import { Sts } from '../../../src/lib/aws/sts.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const SIGNAL = new AbortController().signal
const SECRET = 'hidden'
// biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be in a message
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const JSON_ANSWER = `{"Code":"Success","AccessKeyId":"AK","SecretAccessKey":"${SECRET}","Token":"${SECRET}","Expiration":"2099-01-01T00:00:00Z"}`
const XML_ANSWER = `<A><Credentials><AccessKeyId>AK</AccessKeyId><SecretAccessKey>${SECRET}</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></A>`

/** Returns the kind of what becomes of an answer; credentials can be used in headers, and errors do not show them. */
async function outcomeOf(load: () => Promise<unknown>): Promise<string> {
  try {
    const found = (await load()) as { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
    for (const value of [found.accessKeyId, found.secretAccessKey, found.sessionToken ?? 'x'])
      must(/^[\x21-\x7e]+$/.test(value), 'a value that no header can have')
    return 'credentials'
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    must(error.code === 'E_AWS_CREDENTIALS' && error.retryable, 'an error that is not repeated')
    must(!CONTROL.test(error.message), 'a message with control characters')
    return kindOf(error).slice(0, 40)
  }
}

/** Answers with credentials, and errors, in JSON and XML. */
export const awsAnswers: Target = {
  name: 'aws-answers',
  maxBytes: 4000,
  dictionary: [
    '<Code>',
    '</Code>',
    '"__type":"',
    '&lt;',
    '\\u0000',
    '\\n',
    '"Code":"Failed"',
    'null',
    '[]',
    '#',
    ':',
  ],
  seeds: () => [
    JSON_ANSWER,
    XML_ANSWER,
    '{"__type":"a#ExpiredTokenException","message":"x"}',
    '<ErrorResponse><Error><Code>ExpiredToken</Code><Message>a &amp; b</Message></Error></ErrorResponse>',
  ],
  async run(input) {
    const text = input.toString()
    const error = awsErrorOf(400, text, undefined)
    must(error.message.length < 2600 && !CONTROL.test(error.message), 'a message of more than one short line')
    must(error.name.length <= 100, 'a long name')
    const answer = { status: 200, text, header: () => undefined }
    const send = async () => answer
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1/c' }
    const json = await outcomeOf(() => containerSource({ env, send }).load(SIGNAL))
    const endpoint = parseEndpoint('http://127.0.0.1', 'endpoint')
    const sts = new Sts({ endpoint, region: 'eu-west-1', send, nowMs: () => 0 })
    const xml = await outcomeOf(() =>
      sts.assumeRoleWithWebIdentity({ arn: 'r', token: 't', sessionName: 's' }, SIGNAL),
    )
    return `${error.class} ${json} ${xml}`
  },
}

/** The files with profiles. */
export const awsProfiles: Target = {
  name: 'aws-profiles',
  maxBytes: 4000,
  dictionary: ['[', ']', '[profile ', '[sso-session ', '=', '\n', '\r\n', '"', '#', ';', '  '],
  seeds: () => ['[default]\na = b\n', '[profile x y]\nrole_arn=r\nsource_profile = default\ns3 =\n  a = b\n'],
  run(input) {
    const text = input.toString()
    const profiles = profilesIn(text, text)
    let pairs = 0
    for (const [name, profile] of profiles) {
      must(name !== '' && !name.includes('\n'), 'a name of several lines')
      for (const [key, value] of profile) {
        pairs++
        must(
          key === key.toLowerCase() && key.trim() === key && value.trim() === value,
          'blanks around a pair',
        )
      }
    }
    return `${size(profiles.size)} ${size(pairs)}`
  },
}
