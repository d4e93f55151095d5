import type { OptionTable } from '../core/options/option.ts'
import { type Diagnostics, type Property, problem } from './config-tree.ts'

const URI = /^([^:/?]+):\/\/(?:([^/?]*)@)?(\[[^\]]*\]|[^:/?]*)(?::(\d*))?(\/.*?)?(?:\?([\w.]+=.*))?$/

export interface PluginUri {
  plugin: string
  /** User and password: there is no option for them. */
  user: string
  host: string
  port: string
  path: string
  /** `key=value` pairs. */
  query: [string, string][]
}

/**
 * The name of a plugin may be an address, as in `-o forward://10.0.0.5:24224` or `-o file:///var/out?format=plain`:
 * name "://" [user "@"] [host] [":" port] ["/" path] ["?" key=value *("&" key=value)]. Undefined: it is a plain name.
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

/** The parts of an address as options of the plugin's table; a part that the plugin has no option for is a problem. */
export function uriEntries(
  uri: PluginUri,
  name: Property,
  table: OptionTable,
  findings: Diagnostics,
): Property[] {
  const entries: Property[] = []
  const place = { ...name, location: name.valueLocation }
  const add = (part: string, value: string, options: string[]): void => {
    if (value === '') return
    const key = options.find((option) => Object.hasOwn(table, option))
    if (key !== undefined) entries.push({ ...place, key, value })
    else {
      const message = `[${uri.plugin}] takes no ${part}, and "${withoutSecrets(name.value)}" has one`
      findings.problems.push(problem('E_CONFIG_BAD_VALUE', message, name.valueLocation, ''))
    }
  }
  add('user or password', uri.user, [])
  add('host', uri.host, ['host', 'listen'])
  add('port', uri.port, ['port'])
  add('path', uri.path === '/' ? '' : uri.path, ['path', 'uri'])
  for (const [key, value] of uri.query) entries.push({ ...place, key, value })
  return entries
}

/** User and password of an address, and what follows its `?`: either may hold a secret. */
const PRIVATE = /:\/\/[^/?]*@|\?.*$/gs

/** The address as it may be shown. */
export function withoutSecrets(address: string): string {
  return address.replace(PRIVATE, (part) => (part.startsWith('?') ? '' : '://'))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
