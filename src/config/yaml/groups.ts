import { didYouMean } from '../../lib/text/did-you-mean.ts'
import type { Section } from '../config-tree.ts'
import type { YamlEntry, YamlMap, YamlNode } from './document.ts'
import { isEmpty, type KeyReader, type KeyReaders, shown, type YamlReading } from './reading.ts'

/** Kinds of data that processors and routes are listed under. Here there are only logs. */
const SIGNALS = ['logs', 'metrics', 'traces', 'profiles']
const SIGNAL_GAP = /[\s,|+]+/
const RULE_KEYS = ['state', 'regex', 'next_state']
const BOOLEAN = /^(?:true|false)$/i

/** Returns the readers of the keys of a stage whose values are groups. */
export function stageReaders(kind: 'INPUT' | 'FILTER' | 'OUTPUT', reading: YamlReading): KeyReaders {
  const misplaced = (owners: string): KeyReader => {
    return (_, { key }) =>
      reading.warn(`"${shown(key)}" has no effect here: it is for ${owners}`, key.location)
  }
  if (kind === 'FILTER')
    return {
      keys: {
        condition: filterCondition(reading),
        processors: misplaced('inputs and outputs'),
        routes: misplaced('inputs'),
      },
    }
  const processors: KeyReader = (section, entry) => {
    readSignals(entry, reading, (list, what) => {
      for (const map of reading.mapsOf(list, what))
        section.groups.push(reading.section('PROCESSOR', map, processorReaders(reading)))
    })
  }
  const routes: KeyReader = (section, entry) => {
    readSignals(entry, reading, (node, what) => {
      const maps = node.kind === 'map' ? [node] : reading.mapsOf(node, what)
      for (const map of maps) section.groups.push(reading.section('ROUTE', map, routeReaders(reading)))
    })
  }
  if (kind === 'OUTPUT') return { keys: { processors, routes: misplaced('inputs') } }
  return { keys: { processors, routes, ...telemetryReader(reading) } }
}

/** Returns a reader of `telemetry`, the only map that fluent-bit takes as an option: it counts records by their tags. */
export function telemetryReader(reading: YamlReading): Record<'telemetry', KeyReader> {
  return {
    telemetry: (section, entry) => {
      if (entry.value.kind === 'map')
        reading.warn('"telemetry" has no effect: records are not counted by tag', entry.key.location)
      else reading.property(section, entry)
    },
  }
}

/** Returns a reader of `condition` of a filter: a text of the filter modify; one with rules is for processors. */
function filterCondition(reading: YamlReading): KeyReader {
  return (section, entry) => {
    const { key, value } = entry
    if (value.kind !== 'map') reading.property(section, entry)
    else {
      const hint = 'move the filter into "processors" of its input or output'
      reading.problem(
        'E_CONFIG_BAD_VALUE',
        'a condition with rules is for processors only',
        key.location,
        hint,
      )
    }
  }
}

/** Returns a reader that makes a group of each map of a list. */
export function groupsReader(name: string, reading: YamlReading, readers: KeyReaders = {}): KeyReader {
  return (section, { key, value }) => {
    for (const map of reading.mapsOf(value, `"${shown(key)}"`))
      section.groups.push(reading.section(name, map, readers))
  }
}

/** Returns a reader that makes groups of all maps, however deep, named by their keys. */
export function anyGroups(reading: YamlReading): KeyReaders {
  const readers: KeyReaders = {
    rest: (section, { key, value }) => {
      const items = value.kind === 'list' ? value.items : [value]
      for (const item of items) {
        reading.visit(item)
        if (item.kind === 'map') section.groups.push(reading.section(key.text, item, readers))
        else reading.property(section, { key, value: item })
      }
    },
  }
  return readers
}

/** Returns the reader of `rules` of a multiline parser: each is a property `rule` as in the classic format. */
export function multilineReaders(reading: YamlReading): KeyReaders {
  const rules: KeyReader = (section, { key, value }) => {
    for (const item of reading.itemsOf(value, `"${shown(key)}"`)) {
      reading.visit(item)
      if (item.kind === 'map') readRule(section, item, reading)
      else reading.property(section, { key: { ...key, text: 'rule' }, value: item })
    }
  }
  return { keys: { rules } }
}

function readRule(section: Section, map: YamlMap, reading: YamlReading): void {
  const words = new Map<string, YamlNode>()
  for (const { key, value } of map.entries) {
    const name = key.text.toLowerCase()
    if (RULE_KEYS.includes(name)) words.set(name, value)
    else {
      const message = `unknown key "${shown(key)}" of a rule${didYouMean(name, RULE_KEYS)}`
      reading.problem(
        'E_CONFIG_UNKNOWN_OPTION',
        message,
        key.location,
        `the keys are ${RULE_KEYS.join(', ')}`,
      )
    }
  }
  const texts = RULE_KEYS.map((name) => {
    const word = words.get(name)
    if (word === undefined && name === 'next_state') return ''
    if (word?.kind === 'string') return word.text
    reading.problem(
      'E_CONFIG_MISSING_OPTION',
      `a rule needs a string as "${name}"`,
      word?.location ?? map.location,
    )
    return undefined
  })
  const [state, regex, next] = texts
  if (state === undefined || regex === undefined || next === undefined) return
  const expression = regex.endsWith('\\') && !regex.startsWith('/') ? `/${regex}/` : regex
  section.properties.push({
    key: 'rule',
    value: [state, expression, next].map(quoted).join(' '),
    location: map.location,
    valueLocation: words.get('regex')?.location ?? map.location,
  })
}

function quoted(word: string): string {
  return `"${word.replaceAll('"', '\\"')}"`
}

/** Calls `read` with what is listed for logs; the other signals have no effect. */
function readSignals(
  { key, value }: YamlEntry,
  reading: YamlReading,
  read: (node: YamlNode, what: string) => void,
): void {
  const name = shown(key)
  if (value.kind === 'list') {
    const message = `"${name}" must be a map with "logs", not a list`
    reading.problem('E_CONFIG_SYNTAX', message, value.location, `put the list below "logs:" in "${name}"`)
  }
  const entries = value.kind === 'list' ? [] : reading.entriesOf(value, `"${name}"`)
  for (const { key: signal, value: node } of entries) {
    const words = signal.text.toLowerCase().split(SIGNAL_GAP)
    const unknown = words.find((word) => !SIGNALS.includes(word) && word !== 'any')
    if (unknown !== undefined) {
      const message = `unknown key "${shown(signal)}" of "${name}"${didYouMean(unknown, SIGNALS)}`
      const hint = `the keys are ${SIGNALS.join(', ')}`
      reading.problem('E_CONFIG_UNKNOWN_OPTION', message, signal.location, hint)
    } else if (words.includes('logs') || words.includes('any')) read(node, `"${name}"`)
    else if (!isEmpty(node))
      reading.warn(`"${shown(signal)}" of "${name}" has no effect: there are only logs`, signal.location)
  }
}

function processorReaders(reading: YamlReading): KeyReaders {
  return { keys: { condition: conditionReader(reading) }, ...anyGroups(reading) }
}

function routeReaders(reading: YamlReading): KeyReaders {
  return {
    keys: {
      condition: conditionReader(reading),
      to: (section, { value }) => readTargets(section, value, reading),
      processors: (_, { key }) =>
        reading.warn('"processors" of a route has no effect, as in fluent-bit', key.location),
    },
  }
}

/** Reads `to: {outputs: [...]}`, or the list or name itself, into properties `outputs`. */
function readTargets(section: Section, value: YamlNode, reading: YamlReading): void {
  const entries = value.kind === 'map' ? reading.entriesOf(value, '"to"') : []
  if (value.kind !== 'map') readOutputs(section, value, reading)
  for (const { key, value: node } of entries) {
    if (key.text.toLowerCase() === 'outputs') readOutputs(section, node, reading)
    else {
      const message = `unknown key "${shown(key)}" of "to"${didYouMean(key.text, ['outputs'])}`
      reading.problem('E_CONFIG_UNKNOWN_OPTION', message, key.location, 'the only key is outputs')
    }
  }
}

/** An output may be a map with a name and a fallback, which is used when there is no output of the name. */
function readOutputs(section: Section, value: YamlNode, reading: YamlReading): void {
  for (const item of value.kind === 'list' ? value.items : [value]) {
    reading.visit(item)
    let name: YamlNode = item
    if (item.kind === 'map')
      for (const { key, value: word } of item.entries) {
        if (key.text.toLowerCase() === 'name') name = word
        else reading.warn(`"${shown(key)}" of an output of a route has no effect`, key.location)
      }
    const key = { kind: 'string', text: 'outputs', isPlain: true, location: name.location } as const
    if (name.kind === 'string') reading.add(section, key, name)
    else reading.problem('E_CONFIG_BAD_VALUE', 'an output of a route must be a name', name.location)
  }
}

/** Returns a reader of a condition; that of the filter modify is a text, or a list of texts. */
function conditionReader(reading: YamlReading): KeyReader {
  const rule: KeyReaders = {
    keys: {
      value: (section, entry) => {
        const { value } = entry
        if (value.kind === 'string' && value.isPlain && BOOLEAN.test(value.text)) {
          const message = `the value of a rule must be a string, a number or a list of strings, not ${value.text}`
          const hint = `put it in quotation marks: "${value.text}"`
          reading.problem('E_CONFIG_BAD_VALUE', message, value.location, hint)
        }
        reading.property(section, entry)
      },
    },
  }
  const readers = { keys: { rules: groupsReader('RULE', reading, rule) } }
  return (section, entry) => {
    const { key, value } = entry
    if (value.kind !== 'map') return reading.property(section, entry)
    const group = reading.section('CONDITION', { ...value, location: key.location }, readers)
    section.groups.push(group)
  }
}
