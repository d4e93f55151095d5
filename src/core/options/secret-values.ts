import { camelName, type Option, type OptionTable } from './option.ts'

/** Values behind the `?` of an address: `?token=abc&x`. */
const QUERY_VALUE = /([?&](?:[^=&#\s]*=)?)([^&#\s]+)/g

/**
 * Returns the texts of an output's options that are not to be shown: values of secret options, passwords within them
 * (`USER:PASSWORD`, of an address too), and values of the queries of addresses.
 */
export function secretValues(table: OptionTable, options: Readonly<Record<string, unknown>>): string[] {
  const secrets = new Set<string>()
  for (const [name, { secret, hasQuery }] of Object.entries(table)) {
    const value = options[camelName(name)]
    if (secret === 'user' && typeof value === 'string') addUser(secrets, value)
    if (secret === true) for (const text of textsOf(value)) addSecret(secrets, text)
    if (hasQuery === true && typeof value === 'string')
      for (const [, , text = ''] of value.matchAll(QUERY_VALUE)) secrets.add(text)
  }
  return [...secrets].filter((text) => text !== '')
}

/** Returns an address with the values of its query replaced. */
export function withoutQuery(address: string, mask: string): string {
  return address.replace(QUERY_VALUE, (_, name: string) => `${name}${mask}`)
}

/** Returns true when an option with this value has a secret. */
export function hasSecret({ secret }: Option, value: string): boolean {
  return secret === true || (secret === 'user' && value.includes('@'))
}

const USER = /^([\w+.-]+:\/\/)?(.+)@/s

/** Returns an address with its user and password replaced. */
export function withoutUser(address: string, mask: string): string {
  return address.replace(USER, (_, scheme = '') => `${scheme}${mask}@`)
}

/** Adds the user and password of an address and the password alone, as they are written and as they are sent. */
function addUser(secrets: Set<string>, address: string): void {
  const [, , user] = USER.exec(address) ?? []
  if (user === undefined) return
  for (const text of [user, user.slice(user.indexOf(':') + 1)]) {
    secrets.add(text)
    secrets.add(decoded(text))
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function addSecret(secrets: Set<string>, text: string): void {
  secrets.add(text)
  // `Bearer abc` of a header, `user:abc`, `http://user:abc@host`.
  const word = text.slice(text.lastIndexOf(' ') + 1)
  secrets.add(word)
  const [, password] = /^(?:\w+:\/\/)?[^:/@]*:([^/@]+)(?:@|$)/.exec(text) ?? []
  if (password !== undefined) secrets.add(password)
}

/** Returns the texts of a value: of header lines what follows the name. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value)) return []
  if (value.length > 1 && value.every((each) => typeof each === 'string')) return value.slice(1) as string[]
  return value.flatMap((each) => textsOf(each))
}
