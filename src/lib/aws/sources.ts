import { maskTexts } from '../../core/mask-texts.ts'
import { FsFailure, readRegular } from '../fs/file-system.ts'
import { type CredentialsSource, checkedCredentials, jsonObject, unusable } from './credentials-form.ts'
import { awsErrorOf, describeAwsError } from './error-answer.ts'
import { DISABLED_VARIABLE, Imds, imdsEndpoint, isImdsDisabled } from './imds.ts'
import type { Send } from './send.ts'
import type { Credentials } from './signature.ts'
import { type Sts, sessionName } from './sts.ts'

/** Environment and services that sources use. */
export interface SourceContext {
  readonly env: NodeJS.ProcessEnv
  readonly send: Send
  readonly sts: Sts
  readonly hostname: string
}

const MAX_TOKEN_FILE_BYTES = 65_536

/** Credentials that options name. */
export function staticSource(credentials: Credentials): CredentialsSource {
  return { name: 'options', load: async () => credentials }
}

/** Name of the source in messages. */
export const ENVIRONMENT = 'environment'

/** AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. */
export function environmentSource({ env }: Pick<SourceContext, 'env'>): CredentialsSource {
  return {
    name: ENVIRONMENT,
    load: async () => {
      const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = env
      if (!id && !secret) return 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set'
      if (!id) throw unusable('environment', 'AWS_ACCESS_KEY_ID is not set, but AWS_SECRET_ACCESS_KEY is')
      if (!secret) throw unusable('environment', 'AWS_SECRET_ACCESS_KEY is not set, but AWS_ACCESS_KEY_ID is')
      return checkedCredentials(
        { accessKeyId: id, secretAccessKey: secret, sessionToken: token },
        'environment',
      )
    },
  }
}

/** A role for the token of an identity provider: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, as Kubernetes on EKS sets them. */
export function webIdentitySource({ env, sts, hostname }: SourceContext): CredentialsSource {
  return {
    name: 'web identity',
    load: async (signal) => {
      const { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: arn, AWS_ROLE_SESSION_NAME: name } = env
      if (!file) return 'AWS_WEB_IDENTITY_TOKEN_FILE is not set'
      if (!arn) throw unusable('web identity', 'AWS_ROLE_ARN is not set, but AWS_WEB_IDENTITY_TOKEN_FILE is')
      const token = tokenIn(file)
      return sts.assumeRoleWithWebIdentity({ arn, token, sessionName: name || sessionName(hostname) }, signal)
    },
  }
}

const CONTAINER_HOST = 'http://169.254.170.2'
const CONTAINER_TIMEOUT_MS = 2000
const MAX_CONTAINER_ANSWER_BYTES = 65_536
/** Hosts that may be used without TLS, as in the SDKs: those of ECS, EKS and this machine. */
const PLAIN_HOST =
  /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\]|169\.254\.170\.2|169\.254\.170\.23|\[fd00:ec2::23\])$/

/** The server of ECS and of EKS Pod Identity that issues the credentials of a container. */
export function containerSource({ env, send }: Pick<SourceContext, 'env' | 'send'>): CredentialsSource {
  return {
    name: 'container',
    load: async (signal) => {
      const url = containerUrl(env)
      if (url === undefined)
        return 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set'
      const path = `${url.pathname}${url.search}`
      const where = `GET ${url.origin}${url.pathname}`
      const token = containerToken(env)
      const { status, text, header } = await send({
        ...{ origin: url.origin, method: 'GET', path, signal },
        headers: { accept: 'application/json', ...(token === undefined ? {} : { authorization: token }) },
        ...{ timeoutMs: CONTAINER_TIMEOUT_MS, maxBodyBytes: MAX_CONTAINER_ANSWER_BYTES },
      })
      if (status !== 200) {
        // Some errors repeat the request.
        const words = maskTexts(token === undefined ? [] : tokenForms(token))(text)
        throw unusable(where, describeAwsError(status, awsErrorOf(status, words, header('x-amzn-errortype'))))
      }
      return handedOut(text, where)
    },
  }
}

function containerUrl(env: NodeJS.ProcessEnv): URL | undefined {
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
  if (relative) {
    if (!relative.startsWith('/'))
      throw unusable('container', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash')
    return new URL(CONTAINER_HOST + relative)
  }
  const full = env.AWS_CONTAINER_CREDENTIALS_FULL_URI
  if (!full) return undefined
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && PLAIN_HOST.test(url.hostname))) return url
  const hint =
    'it must be an https:// URL, or an http:// one of 169.254.170.2, 169.254.170.23, [fd00:ec2::23] or this machine'
  const what = url === undefined ? 'is not a URL' : `may not be ${url.protocol}//${url.host}`
  throw unusable('container', `AWS_CONTAINER_CREDENTIALS_FULL_URI ${what}`, hint)
}

function containerToken(env: NodeJS.ProcessEnv): string | undefined {
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  if (file) return tokenIn(file)
  const token = env.AWS_CONTAINER_AUTHORIZATION_TOKEN?.trim()
  if (!token) return undefined
  if (!HEADER_VALUE.test(token))
    throw unusable('container', 'AWS_CONTAINER_AUTHORIZATION_TOKEN has characters that a header cannot have')
  return token
}

/** Returns the header for a token, whose scheme is removed. */
function tokenForms(header: string): string[] {
  return [header, header.slice(header.indexOf(' ') + 1)]
}

const HEADER_VALUE = /^[\x20-\x7e]+$/

/** Returns the text of a file that holds one token. It is read each time: such files are replaced. */
export function tokenIn(file: string): string {
  const content = readRegular(file, MAX_TOKEN_FILE_BYTES)
  if (content instanceof FsFailure) throw unusable(file, `cannot be read: ${content.message}`)
  const token = content.toString('latin1').trim()
  if (token === '') throw unusable(file, 'it is empty')
  if (!HEADER_VALUE.test(token)) throw unusable(file, 'it holds no token')
  return token
}

const ROLES_PATH = '/latest/meta-data/iam/security-credentials/'
const ROLE = /^[\w+=,.@-]{1,64}$/

/** The role of the EC2 instance. */
export function instanceSource({ env, send }: Pick<SourceContext, 'env' | 'send'>): CredentialsSource {
  let imds: Imds | undefined
  return {
    name: 'instance metadata',
    load: async (signal) => {
      if (isImdsDisabled(env)) return `${DISABLED_VARIABLE} is true`
      imds ??= new Imds({ version: 'any', endpoint: imdsEndpoint(env), send })
      const [role] = ((await imds.get(ROLES_PATH, signal)) ?? '').split('\n')
      if (role === undefined || role.trim() === '') return 'the instance has no role'
      const path = `GET ${ROLES_PATH}${role.trim()}`
      if (!ROLE.test(role.trim())) throw unusable(`GET ${ROLES_PATH}`, 'the answer is not the name of a role')
      const text = await imds.get(ROLES_PATH + role.trim(), signal)
      if (text === undefined) throw unusable(path, 'there is none')
      return handedOut(text, path)
    },
  }
}

/** Reads `{"Code": "Success", "AccessKeyId": ..., "SecretAccessKey": ..., "Token": ..., "Expiration": ...}`. */
function handedOut(text: string, where: string): Credentials {
  const fields = jsonObject(text, where)
  const { Code: code } = fields
  if (typeof code === 'string' && code !== 'Success') {
    const secrets = [fields.SecretAccessKey, fields.Token].filter((each) => typeof each === 'string')
    throw unusable(where, describeAwsError(200, awsErrorOf(200, maskTexts(secrets)(text), undefined)))
  }
  return checkedCredentials(
    {
      accessKeyId: fields.AccessKeyId,
      secretAccessKey: fields.SecretAccessKey,
      sessionToken: fields.Token,
      expiration: fields.Expiration,
    },
    where,
  )
}
