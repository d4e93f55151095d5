import { runCredentialProcess } from './credential-process.ts'
import { type CredentialsSource, checkedCredentials, unusable } from './credentials-form.ts'
import { type Profile, profileName, SharedFiles } from './shared-files.ts'
import type { Credentials } from './signature.ts'
import { containerSource, environmentSource, instanceSource, type SourceContext, tokenIn } from './sources.ts'
import { sessionName } from './sts.ts'

/** A profile may get its credentials from one that gets them from another; more than this is a mistake. */
const MAX_PROFILES = 10
/** Keys of profiles with an interactive login. */
const INTERACTIVE: Record<string, string> = {
  mfa_serial: 'it asks for a code (mfa_serial), which an agent cannot enter',
  sso_session: 'it logs in by a browser (sso_session), which an agent cannot do',
  sso_start_url: 'it logs in by a browser (sso_start_url), which an agent cannot do',
}

const MISSING_HINT =
  'correct the name (option profile, AWS_PROFILE), or add the profile; no other credentials are used in its place'

/**
 * A profile of the shared files: `option`, or the one that the environment names, or `default`. What it says, in this order:
 *
 * ```
 *   role_arn with source_profile             role, for the credentials of that profile
 *   role_arn with credential_source          role, for those of Environment, EcsContainer or Ec2InstanceMetadata
 *   role_arn with web_identity_token_file    role, for the token in the file
 *   aws_access_key_id, aws_secret_access_key
 *   credential_process                       what the program prints
 * ```
 */
export function profileSource(
  option: string | undefined,
  credentialsPath: string | undefined,
  ctx: SourceContext,
): CredentialsSource {
  const files = new SharedFiles(ctx.env, credentialsPath)
  const [name, isChosen] = profileName(option, ctx.env)
  return {
    name: `profile "${name}"`,
    load: async (signal) => {
      const profile = files.profile(name)
      if (profile === undefined && !isChosen) return `it is not in ${files.names}`
      if (profile === undefined)
        throw unusable(`profile "${name}"`, `it is not in ${files.names}`, MISSING_HINT)
      if (!isChosen && !hasCredentials(profile)) return `it has no credentials in ${files.names}`
      return new ProfileReader(files, ctx, signal).credentials(name, profile)
    },
    hasChanged: () => files.hasChanged(),
  }
}

/** Keys that name the source of credentials. */
const KEYS = [
  'role_arn',
  'aws_access_key_id',
  'aws_secret_access_key',
  'credential_process',
  'sso_session',
  'sso_start_url',
]

function hasCredentials(profile: Profile): boolean {
  return KEYS.some((key) => profile.has(key))
}

class ProfileReader {
  readonly #files: SharedFiles
  readonly #ctx: SourceContext
  readonly #signal: AbortSignal
  readonly #seen: string[] = []

  constructor(files: SharedFiles, ctx: SourceContext, signal: AbortSignal) {
    this.#files = files
    this.#ctx = ctx
    this.#signal = signal
  }

  async credentials(name: string, profile: Profile): Promise<Credentials> {
    const where = `profile "${name}"`
    const isSource = this.#seen.includes(name)
    this.#seen.push(name)
    if (this.#seen.length > MAX_PROFILES)
      throw unusable(where, 'source_profile leads through too many profiles')
    const hasKeys = profile.has('aws_access_key_id') || profile.has('aws_secret_access_key')
    // A profile may name itself as its source: its keys are meant then.
    if (isSource && !hasKeys) throw unusable(where, 'source_profile leads back to it')
    const arn = profile.get('role_arn')
    if (arn !== undefined && !isSource) return this.#role(arn, where, profile)
    if (hasKeys) return keysOf(profile, where)
    const command = profile.get('credential_process')
    if (command !== undefined) return runCredentialProcess(command, this.#signal)
    const login = Object.keys(INTERACTIVE).find((key) => profile.has(key))
    throw unusable(where, login === undefined ? 'it has no credentials' : (INTERACTIVE[login] as string))
  }

  async #role(arn: string, where: string, profile: Profile): Promise<Credentials> {
    const { sts, hostname } = this.#ctx
    if (profile.has('mfa_serial')) throw unusable(where, INTERACTIVE.mfa_serial as string)
    const name = profile.get('role_session_name') || sessionName(hostname)
    const tokenFile = profile.get('web_identity_token_file')
    if (tokenFile !== undefined && !profile.has('source_profile') && !profile.has('credential_source'))
      return sts.assumeRoleWithWebIdentity(
        { arn, token: tokenIn(tokenFile), sessionName: name },
        this.#signal,
      )
    const base = await this.#base(where, profile)
    return sts.assumeRole(
      { arn, externalId: profile.get('external_id'), sessionName: name },
      base,
      this.#signal,
    )
  }

  async #base(where: string, profile: Profile): Promise<Credentials> {
    const sourceName = profile.get('source_profile')
    const credentialSource = profile.get('credential_source')
    if (sourceName !== undefined) {
      const source = this.#files.profile(sourceName)
      if (source === undefined)
        throw unusable(where, `its source_profile "${sourceName}" is not in ${this.#files.names}`)
      return this.credentials(sourceName, source)
    }
    const source = {
      Environment: environmentSource,
      EcsContainer: containerSource,
      Ec2InstanceMetadata: instanceSource,
    }[credentialSource ?? '']
    if (source === undefined)
      throw unusable(
        where,
        credentialSource === undefined
          ? 'it has role_arn, but neither source_profile, credential_source nor web_identity_token_file'
          : 'its credential_source is not Environment, EcsContainer or Ec2InstanceMetadata',
      )
    const found = await source(this.#ctx).load(this.#signal)
    if (typeof found === 'string') throw unusable(where, `its credential_source has none: ${found}`)
    return found
  }
}

function keysOf(profile: Profile, where: string): Credentials {
  return checkedCredentials(
    {
      accessKeyId: profile.get('aws_access_key_id'),
      secretAccessKey: profile.get('aws_secret_access_key'),
      sessionToken: profile.get('aws_session_token'),
    },
    where,
  )
}
