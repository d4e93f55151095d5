import type { OptionTable } from '../core/options/option.ts'
import { type Diagnostics, type Property, problem, warn } from './config-tree.ts'

const URI = /^([^:/?]+):\/\/(?:([^/?]*)@)?(\[[^\]]*\]|[^:/?]*)(?::(\d*))?(\/.*?)?(?:\?([\w.]+=.*))?$/

interface PluginUri {
  plugin: string
  /** User and password, for which there is no option. */
  user: string
  host: string
  port: string
  path: string
  /** `key=value` pairs. */
  query: [string, string][]
}

/**
 * Parses the name of a plugin that is an address, as in `-o forward://10.0.0.5:24224` or `-o file:///var/out?format=plain`:
 * name "://" [user "@"] [host] [":" port] ["/" path] ["?" key=value *("&" key=value)]. Returns undefined for a plain name.
 */
export function parseUri(text: string): PluginUri | undefined {
  const [, plugin, user = '', host = '', port = '', path = '', query = ''] = URI.exec(text) ?? []
  if (plugin === undefined) return undefined
  const pairs = query.split('&').filter((pair) => pair !== '')
  return {
    plugin,
    user,
    host: host.startsWith('[') ? host.slice(1, -1) : host,
    port,
    path,
    query: pairs.map((pair) => {
      const [key = '', ...rest] = pair.split('=')
      return [key, decode(rest.join('='))]
    }),
  }
}

interface Addressed {
  readonly options: OptionTable
  /** See OutputSpec. */
  readonly addressParts?: readonly string[]
}

/** Converts the parts of an address to options of the plugin; a part without an option is a problem. */
export function uriProperties(
  uri: PluginUri,
  name: Property,
  { options: table, addressParts }: Addressed,
  diagnostics: Diagnostics,
): Property[] {
  const properties: Property[] = []
  const located = { ...name, location: name.valueLocation }
  const add = (part: string, value: string, options: string[]): void => {
    if (value === '') return
    const key = options.find((option) => Object.hasOwn(table, option))
    if (key !== undefined) properties.push({ ...located, key, value })
    else {
      const message = `[${uri.plugin}] takes no ${part}, and "${withoutSecrets(name.value)}" has one`
      diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, name.valueLocation, ''))
    }
  }
  const addParts = ({ plugin, path }: PluginUri, keys: readonly string[]): void => {
    const values = path.split('/').filter((part) => part !== '')
    if (values.length >= keys.length)
      properties.push(...keys.map((key, i) => ({ ...located, key, value: values[i] as string })))
    else if (values.length > 0) {
      const form = `${plugin}://HOST:PORT/${keys.join('/').toUpperCase()}`
      const message = `the path "${path}" has no effect, as in fluent-bit: an address of ${plugin} is ${form}; set ${keys[0]} instead`
      warn(diagnostics, message, name.valueLocation)
    }
  }
  add('user or password', uri.user, [])
  add('host', uri.host, ['host', 'listen'])
  add('port', uri.port, ['port'])
  if (addressParts === undefined) add('path', uri.path === '/' ? '' : uri.path, ['path', 'uri'])
  else addParts(uri, addressParts)
  for (const [key, value] of uri.query) properties.push({ ...located, key, value })
  return properties
}

/** User and password of an address, and the text after its `?`: both may contain secrets. */
const SECRETS = /:\/\/[^/?]*@|\?.*$/gs

/** Returns an address without its secrets, for messages. */
export function withoutSecrets(address: string): string {
  return address.replace(SECRETS, (part) => (part.startsWith('?') ? '' : '://'))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
