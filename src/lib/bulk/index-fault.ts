import { Template } from '../records/template.ts'
import { createIndexName } from './index-name.ts'
import type { BulkOptions } from './options.ts'

const FORBIDDEN = /[\\/*?"<>|\s,#:]/
const FIRST = /^[_+-]/

/**
 * Returns why Elasticsearch and OpenSearch refuse every index that the options name, as a clause; undefined when it depends on records, or
 * they do not. Expressions of dates (`<logs-{now/d}>`) are left to the server.
 */
export function indexNameFault(options: BulkOptions): string | undefined {
  const { text, beginsWithVariable } = fixedText(options)
  if (text.startsWith('<')) return undefined
  if (text !== text.toLowerCase()) return `"${written(options)}" has capital letters`
  const [char] = FORBIDDEN.exec(text) ?? []
  if (char !== undefined) return `"${text}" has the character ${JSON.stringify(char)}`
  return FIRST.test(text) && !beginsWithVariable ? `"${text}" begins with "${text[0]}"` : undefined
}

/** Returns true when a name that the server refuses is that of a record, and not of the configuration. */
export function recordsNameIndex(options: BulkOptions): boolean {
  return createIndexName(options).period === undefined && indexNameFault(options) === undefined
}

/** Returns the name as it is configured. */
function written(options: BulkOptions): string {
  const { index, logstashFormat, logstashPrefix, logstashPrefixKey } = options
  if (!logstashFormat) return index
  const prefix = logstashPrefixKey === undefined ? logstashPrefix : ''
  return `${prefix}${options.logstashPrefixSeparator}${options.logstashDateformat}`
}

/** Returns the part of the names that is the same for all records, with an example of a time. */
function fixedText(options: BulkOptions): { text: string; beginsWithVariable: boolean } {
  const { index, logstashFormat, logstashPrefix, logstashPrefixKey } = options
  if (!logstashFormat) return fixedOf(index, true)
  const { logstashPrefixSeparator: separator, logstashDateformat } = options
  const prefix = fixedOf(logstashPrefix, false)
  const date = fixedOf(logstashDateformat, true).text
  if (logstashPrefixKey !== undefined) return { text: `${separator}${date}`, beginsWithVariable: true }
  return { ...prefix, text: `${prefix.text}${separator}${date}` }
}

function fixedOf(text: string, times: boolean): { text: string; beginsWithVariable: boolean } {
  const template = Template.parse(text, { times })
  return { text: template.fixedText, beginsWithVariable: template.beginsWithVariable }
}
