import { ShipperError } from '../../core/error.ts'
import { type CredentialsSource, unusable } from './credentials-form.ts'
import { profileSource } from './profile-source.ts'
import { type AwsEndpoint, endpointHost, parseEndpoint } from './regions.ts'
import type { Send } from './send.ts'
import type { Credentials } from './signature.ts'
import {
  containerSource,
  ENVIRONMENT,
  environmentSource,
  instanceSource,
  type SourceContext,
  staticSource,
  webIdentitySource,
} from './sources.ts'
import { type AssumedRole, Sts, sessionName } from './sts.ts'

export interface ChainOptions {
  region: string
  /** Credentials in options, before all others. */
  given?: Credentials | undefined
  profile?: string | undefined
  /** Credentials file, instead of that of the environment. */
  credentialsPath?: string | undefined
  /** Role that is assumed with the credentials that were found. */
  roleArn?: string | undefined
  externalId?: string | undefined
  stsEndpoint?: string | undefined
}

interface ChainContext {
  env: NodeJS.ProcessEnv
  send: Send
  nowMs: () => number
  hostname: string
}

/** Time without credentials after which a place that had some is skipped: until then its file may be in replacement. */
const ABSENT_AFTER_MS = 300_000

const SET_UP = 'set up one of the places that the message names'

const ABSENT_HINT = `restore them there; the places after it are asked when it has had none for ${ABSENT_AFTER_MS / 60_000} minutes, or after a restart`

/**
 * Returns the credentials of the first source that has some, in the order of fluent-bit:
 *
 * ```
 *   options > environment > profile > web identity > container > instance metadata   and then  > role_arn
 * ```
 * Places that are not set up are skipped. A place that is set up and fails ends the search with its error: later places would
 * have another identity. So does the place of the last credentials when it has none, until that has lasted for five minutes: a file that
 * is being replaced is empty or missing for a moment. Every call searches again, the places before the last one included.
 */
export class CredentialsChain {
  readonly #sources: readonly CredentialsSource[]
  /** Roles that are assumed one after the other. */
  readonly #roles: readonly AssumedRole[]
  readonly #sts: Sts
  /** The option, which credentials of the environment make ineffective. */
  readonly #profile: string | undefined
  readonly #nowMs: () => number
  #used: CredentialsSource | undefined
  /** Since when `#used` has none. */
  #absentSinceMs: number | undefined

  /** Throws E_CONFIG_BAD_VALUE for an option or a variable that is not a URL. */
  constructor(options: ChainOptions, { env, send, nowMs, hostname }: ChainContext) {
    const { region, given, profile, credentialsPath, roleArn, externalId, stsEndpoint } = options
    const endpoint: AwsEndpoint = stsEndpoint
      ? parseEndpoint(stsEndpoint, 'sts_endpoint')
      : parseEndpoint(endpointHost('sts', region), 'region')
    this.#profile = profile
    this.#nowMs = nowMs
    this.#sts = new Sts({ endpoint, region, send, nowMs })
    // Set on EKS Fargate: the role of the pod, for the credentials of the machine.
    const podRole = env.EKS_POD_EXECUTION_ROLE
    const ctx: SourceContext = { env, send, sts: this.#sts, hostname }
    this.#sources =
      given === undefined
        ? [
            environmentSource(ctx),
            profileSource(profile, credentialsPath, ctx),
            ...(podRole ? [] : [webIdentitySource(ctx)]),
            containerSource(ctx),
            instanceSource(ctx),
          ]
        : [staticSource(given)]
    const name = env.AWS_ROLE_SESSION_NAME || sessionName(hostname)
    this.#roles = [
      ...(podRole && given === undefined ? [{ arn: podRole, sessionName: name }] : []),
      ...(roleArn ? [{ arn: roleArn, externalId, sessionName: name }] : []),
    ]
  }

  /** Name of the place that had the last credentials. */
  get usedName(): string {
    const used = this.#used?.name ?? 'none'
    const isPassedOver = used === ENVIRONMENT && this.#profile !== undefined
    const why = isPassedOver ? ` (AWS_ACCESS_KEY_ID is set, so profile "${this.#profile}" is not used)` : ''
    const names = [`${used}${why}`, ...this.#roles.map(({ arn }) => `role ${arn}`)]
    return names.join(', ')
  }

  /** Returns true when what the last credentials were read from has changed, or a place that comes before it. */
  hasChanged(): boolean {
    const used = this.#used
    if (used === undefined) return false
    return this.#sources
      .slice(0, this.#sources.indexOf(used) + 1)
      .some((source) => source.hasChanged?.() === true)
  }

  /** Rejects with one error that says why each place had none. */
  async load(signal: AbortSignal): Promise<Credentials> {
    let found = await this.#find(signal)
    for (const role of this.#roles) found = await this.#sts.assumeRole(role, found, signal)
    return found
  }

  async #find(signal: AbortSignal): Promise<Credentials> {
    const reasons: string[] = []
    for (const source of this.#sources) {
      let found: Credentials | string
      try {
        found = await source.load(signal)
      } catch (error) {
        if (!(error instanceof ShipperError)) throw error
        const before = reasons.length === 0 ? '' : `; skipped: ${reasons.join('; ')}`
        const reason = error.message.replace(`${source.name}: `, '')
        // The last place is asked on any machine, so its failure may only mean that nothing is set up.
        const hint =
          source === this.#sources.at(-1) && reasons.length > 0 && !error.hint.startsWith(SET_UP)
            ? `${SET_UP}; on EC2: ${error.hint}`
            : error.hint
        throw unusable(`no credentials: ${source.name} failed`, `${reason}${before}`, hint)
      }
      if (typeof found !== 'string') {
        this.#used = source
        this.#absentSinceMs = undefined
        return found
      }
      if (source === this.#used) this.#checkAbsence(source.name, found)
      reasons.push(`${source.name}: ${found}`)
    }
    throw unusable('no credentials', reasons.join('; '))
  }

  /** Throws while a place that had credentials may have them again. */
  #checkAbsence(name: string, reason: string): void {
    const nowMs = this.#nowMs()
    this.#absentSinceMs ??= nowMs
    if (nowMs - this.#absentSinceMs >= ABSENT_AFTER_MS) return
    throw unusable(`no credentials: ${name} had some and has none now`, reason, ABSENT_HINT)
  }
}
