import { join } from 'node:path'
import { FsFailure, isMissing, readRegular, stat } from '../fs/file-system.ts'
import { unusable } from './credentials-form.ts'

/** A profile: names in lower case, values without the blanks around them. */
export type Profile = ReadonlyMap<string, string>

const MAX_FILE_BYTES = 1_000_000
const DEFAULT_PROFILE = 'default'
/** Sections of the config file that are not profiles. */
const OTHER_SECTIONS = ['sso-session ', 'services ', 'plugins']
const PROFILE_WORD = 'profile '

/**
 * The files that the tools of AWS share. Both may have a part of a profile; where they differ the credentials file counts.
 *
 * ```
 *   ~/.aws/credentials   [name]           key = value
 *   ~/.aws/config        [profile name]   key = value     # [default] without the word
 * ```
 * Indented lines are settings below the key before them, which no credentials need. Comments begin a line with `#` or `;`.
 */
export class SharedFiles {
  readonly credentialsPath: string | undefined
  readonly configPath: string | undefined
  #stamp = ''
  #profiles: ReadonlyMap<string, Profile> = new Map()

  constructor(env: NodeJS.ProcessEnv, credentialsPath?: string) {
    const inHome = (name: string): string | undefined => (env.HOME ? join(env.HOME, '.aws', name) : undefined)
    this.credentialsPath = credentialsPath || env.AWS_SHARED_CREDENTIALS_FILE || inHome('credentials')
    this.configPath = env.AWS_CONFIG_FILE || inHome('config')
  }

  /** Returns the profile, or undefined when no file has it. Reads the files again when they have changed. */
  profile(name: string): Profile | undefined {
    const stamp = this.#currentStamp()
    if (stamp !== this.#stamp) {
      this.#profiles = this.#read()
      this.#stamp = stamp
    }
    return this.#profiles.get(name)
  }

  /** Returns true when a file is not the one that was read, or was written to since. */
  hasChanged(): boolean {
    return this.#currentStamp() !== this.#stamp
  }

  /** Names of the files for messages. */
  get names(): string {
    const paths = [this.credentialsPath, this.configPath].filter((path) => path !== undefined)
    return paths.length === 0 ? 'no file: HOME is not set' : paths.join(' and ')
  }

  #currentStamp(): string {
    return [this.credentialsPath, this.configPath].map(stampOf).join(' ')
  }

  #read(): Map<string, Profile> {
    return profilesIn(textOf(this.configPath), textOf(this.credentialsPath))
  }
}

/** Returns the name of the profile that the environment chooses, and whether it does. */
export function profileName(option: string | undefined, env: NodeJS.ProcessEnv): [string, boolean] {
  const chosen = option || env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE
  return chosen ? [chosen, true] : [DEFAULT_PROFILE, false]
}

function stampOf(path: string | undefined): string {
  const found = path === undefined ? undefined : stat(path)
  if (found === undefined) return '-'
  return found instanceof FsFailure ? found.code : `${found.dev}:${found.ino}:${found.mtimeNs}:${found.size}`
}

function textOf(path: string | undefined): string {
  if (path === undefined) return ''
  const content = readRegular(path, MAX_FILE_BYTES)
  if (isMissing(content)) return ''
  if (content instanceof FsFailure) throw unusable(path, `cannot be read: ${content.message}`)
  return content.toString('utf8')
}

/** Returns the profiles of the two files. Of a key that both have, the one in the credentials file counts. */
export function profilesIn(config: string, credentials: string): Map<string, Profile> {
  const profiles = new Map<string, Map<string, string>>()
  addProfiles(profiles, config, true)
  addProfiles(profiles, credentials, false)
  return profiles
}

function addProfiles(profiles: Map<string, Map<string, string>>, text: string, isConfig: boolean): void {
  let current: Map<string, string> | undefined
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    if (line.startsWith('[')) {
      const name = sectionName(line, isConfig)
      if (name === undefined) current = undefined
      else {
        current = profiles.get(name) ?? new Map()
        profiles.set(name, current)
      }
      continue
    }
    if (current === undefined || line.startsWith('#') || line.startsWith(';')) continue
    const sign = line.indexOf('=')
    // An indented line is a setting below the key before it.
    if (sign < 1 || line.startsWith(' ') || line.startsWith('\t')) continue
    current.set(line.slice(0, sign).trim().toLowerCase(), line.slice(sign + 1).trim())
  }
}

/** Returns the name of the profile that a section describes; undefined: it describes something else. */
function sectionName(line: string, isConfig: boolean): string | undefined {
  const end = line.indexOf(']')
  const text = end < 0 ? '' : line.slice(1, end).trim()
  if (isConfig && OTHER_SECTIONS.some((word) => text.startsWith(word))) return undefined
  const hasWord = isConfig && text.startsWith(PROFILE_WORD)
  const name = unquoted(hasWord ? text.slice(PROFILE_WORD.length).trim() : text)
  // Without the word only the default profile is one in the config file; elsewhere the word is part of the name.
  if (name === '' || (isConfig && !hasWord && name !== DEFAULT_PROFILE)) return undefined
  return name
}

function unquoted(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}
