import { readWholeText } from '../../lib/fs/file-system.ts'
import { didYouMean } from '../../lib/text/did-you-mean.ts'
import type { YamlMap, YamlNode, YamlText } from './document.ts'
import { shown, type YamlReading } from './reading.ts'

const KEYS = ['name', 'value', 'uri', 'refresh_interval']
const FILE_URI = 'file://'
const MAX_VALUE_BYTES = 65_536
const LINE_ENDS = /[\r\n]+$/

/**
 * Reads the variables of `env`: a map, a list of maps, or a list of entries with `name` and `value` or `uri`. The file of a `uri`
 * is read once.
 */
export function readEnv(node: YamlNode, reading: YamlReading): void {
  const maps = node.kind === 'list' ? reading.mapsOf(node, '"env"') : [node]
  for (const map of maps) {
    if (
      node.kind === 'list' &&
      map.kind === 'map' &&
      textOf(map, 'name') !== undefined &&
      map.entries.length > 1
    )
      readEntry(map, reading)
    else readVariables(map, reading)
  }
}

function readVariables(node: YamlNode, reading: YamlReading): void {
  for (const { key, value } of reading.entriesOf(node, '"env"')) {
    reading.visit(value)
    if (value.kind === 'string') reading.tree.variables.set(key.text, value.text)
    else {
      const message = `the value of the variable ${shown(key)} must be a string, not a ${value.kind}`
      reading.problem('E_CONFIG_BAD_VALUE', message, value.location)
    }
  }
}

function readEntry(map: YamlMap, reading: YamlReading): void {
  for (const { key } of map.entries) {
    if (KEYS.includes(key.text.toLowerCase())) continue
    const message = `unknown key "${shown(key)}" of a variable${didYouMean(key.text, KEYS)}`
    reading.problem('E_CONFIG_UNKNOWN_OPTION', message, key.location, `the keys are ${KEYS.join(', ')}`)
  }
  const [name, value, uri] = [textOf(map, 'name'), textOf(map, 'value'), textOf(map, 'uri')]
  if (name === undefined) return
  if ((value === undefined) === (uri === undefined)) {
    const message = `the variable ${shown(name)} needs either a value or a uri`
    reading.problem('E_CONFIG_BAD_VALUE', message, map.location)
  } else if (value !== undefined) reading.tree.variables.set(name.text, value.text)
  else if (uri !== undefined) readFile(name, uri, reading)
  const refresh = textOf(map, 'refresh_interval')
  if (refresh !== undefined)
    reading.warn('"refresh_interval" has no effect: the file is read at the start only', refresh.location)
}

function readFile(name: YamlText, uri: YamlText, reading: YamlReading): void {
  if (!uri.text.startsWith(FILE_URI)) {
    const message = `the uri of the variable ${shown(name)} must begin with ${FILE_URI}`
    reading.problem('E_CONFIG_BAD_VALUE', message, uri.location, 'e.g. file:///run/secrets/token')
    return
  }
  const path = uri.text.slice(FILE_URI.length)
  const content = readWholeText(path, MAX_VALUE_BYTES)
  if (typeof content === 'string') reading.tree.variables.set(name.text, content.replace(LINE_ENDS, ''))
  else {
    const message = `cannot read the variable ${shown(name)} from ${path}: ${content.message}`
    reading.problem('E_CONFIG_UNREADABLE', message, uri.location, 'check the path and its permissions')
  }
}

/** Returns the text under a key, in any letter case. */
function textOf(map: YamlMap, name: string): YamlText | undefined {
  const entry = map.entries.find(({ key }) => key.text.toLowerCase() === name)
  return entry?.value.kind === 'string' ? entry.value : undefined
}
