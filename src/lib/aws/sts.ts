import { type Mask, maskTexts } from '../../core/mask-texts.ts'
import { HttpError } from '../http/http-error.ts'
import { ClockOffset } from './clock-offset.ts'
import { checkedCredentials, unusable } from './credentials-form.ts'
import { type AwsError, awsErrorOf, describeAwsError, xmlText } from './error-answer.ts'
import type { AwsEndpoint } from './regions.ts'
import type { Send, ShortAnswer } from './send.ts'
import { type Credentials, payloadHash, signatureHeaders } from './signature.ts'

const VERSION = '2011-06-15'
const TIMEOUT_MS = 5000
/** The answer with a session token has about 2 KB. */
const MAX_ANSWER_BYTES = 131_072
const CONTENT_TYPE = 'application/x-www-form-urlencoded; charset=utf-8'
const SESSION_NAME_CHARS = 64

interface StsOptions {
  endpoint: AwsEndpoint
  region: string
  send: Send
  nowMs: () => number
}

export interface AssumedRole {
  arn: string
  externalId?: string | undefined
  sessionName: string
}

/** A client of the Security Token Service. Its answers are XML, of which only known elements are read. */
export class Sts {
  readonly #options: StsOptions
  readonly #clock: ClockOffset

  constructor(options: StsOptions) {
    this.#options = options
    this.#clock = new ClockOffset(options.nowMs)
  }

  /** Resolves with credentials of a role, for those of a principal that may assume it. */
  assumeRole(role: AssumedRole, base: Credentials, signal: AbortSignal): Promise<Credentials> {
    const fields = {
      Action: 'AssumeRole',
      Version: VERSION,
      RoleArn: role.arn,
      RoleSessionName: role.sessionName,
      ...(role.externalId === undefined ? {} : { ExternalId: role.externalId }),
    }
    return this.#call('AssumeRole', role.arn, fields, base, signal)
  }

  /** Resolves with credentials of a role, for a token of an identity provider. Not signed. */
  assumeRoleWithWebIdentity(
    role: { arn: string; token: string; sessionName: string },
    signal: AbortSignal,
  ): Promise<Credentials> {
    const fields = {
      Action: 'AssumeRoleWithWebIdentity',
      Version: VERSION,
      RoleArn: role.arn,
      RoleSessionName: role.sessionName,
      WebIdentityToken: role.token,
    }
    return this.#call('AssumeRoleWithWebIdentity', role.arn, fields, undefined, signal)
  }

  async #call(
    action: string,
    arn: string,
    fields: Record<string, string>,
    signer: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<Credentials> {
    const { endpoint, region, send } = this.#options
    const where = `${action} of ${arn} at ${endpoint.hostHeader}`
    const body = new URLSearchParams(fields).toString()
    const path = `${endpoint.basePath}/`
    const plain = {
      host: endpoint.hostHeader,
      'content-type': CONTENT_TYPE,
      'content-length': String(Buffer.byteLength(body)),
    }
    const post = (timeMs: number): Promise<ShortAnswer> => {
      const hash = payloadHash(Buffer.from(body))
      const request = {
        method: 'POST',
        path,
        headers: plain,
        payloadHash: hash,
        service: 'sts',
        region,
        timeMs,
      }
      const signature = signer === undefined ? {} : signatureHeaders({ ...request, credentials: signer })
      return send({
        ...{ origin: endpoint.origin, method: 'POST', path, headers: { ...plain, ...signature }, body },
        ...{ signal, mayUseProxy: true, timeoutMs: TIMEOUT_MS, maxBodyBytes: MAX_ANSWER_BYTES },
      }).catch((error) => {
        throw error instanceof HttpError ? unusable(where, error.reason, error.hint) : error
      })
    }
    const signedMs = this.#clock.nowMs()
    let answer = await post(signedMs)
    // Some errors repeat the request.
    const secrets = [fields.WebIdentityToken, signer?.sessionToken, signer?.secretAccessKey]
    const mask = maskTexts(secrets.filter((secret) => secret !== undefined))
    let error = errorIn(answer, mask)
    if (error?.class === 'clock' && this.#clock.learn(answer.header('date'), signedMs)) {
      answer = await post(this.#clock.nowMs())
      error = errorIn(answer, mask)
    }
    if (error !== undefined) throw unusable(where, describeAwsError(answer.status, error), hintFor(error))
    const element = (name: string): string | undefined => xmlText(answer.text, name)
    return checkedCredentials(
      {
        accessKeyId: element('AccessKeyId'),
        secretAccessKey: element('SecretAccessKey'),
        sessionToken: element('SessionToken'),
        expiration: element('Expiration'),
      },
      where,
    )
  }
}

/** Returns what to do about a refusal; undefined where the message says it. */
function hintFor({ class: kind }: AwsError): string | undefined {
  if (kind === 'access')
    return 'allow it twice: sts:AssumeRole in the policy of who asks, and who asks in the trust policy of the role; records wait, and none is lost'
  if (kind === 'clock')
    return 'check the secret access key and the clock of this machine; records wait, and none is lost'
  if (kind === 'throttling' || kind === 'server') return 'no action is needed: the request is repeated'
  return undefined
}

function errorIn(answer: ShortAnswer, mask: Mask): AwsError | undefined {
  if (answer.status === 200) return undefined
  return awsErrorOf(answer.status, mask(answer.text), answer.header('x-amzn-errortype'))
}

/** Returns a name of a session by which an audit finds the agent: with the characters and the length that STS allows. */
export function sessionName(hostname: string): string {
  return `shipper-${hostname}`.replace(/[^\w+=,.@-]/g, '-').slice(0, SESSION_NAME_CHARS)
}
