/** Formats of a configuration file, as given with `--config-format`. */
export const CONFIG_FORMATS = ['classic', 'yaml', 'fluentd'] as const
export type ConfigFormat = (typeof CONFIG_FORMATS)[number]

const BOM = /^\uFEFF/
const MAX_SNIFFED_LINES = 10_000
const YAML_NAME = /\.ya?ml$/i
const YAML_START = /^(?:---|%YAML|[a-z_]+:(?:\s|$))/
const FLUENTD_START = /^(?:<\/?[A-Za-z]|@?include\s)/
const INCLUDE = /^@?include\s/i
const CLASSIC_HEADER = /^\[[^\]]+\]/

/**
 * Detects the format by the file name, else by the first line with content: a mounted file may have any name. A line
 * `@include FILE` begins a file of either format, so that the lines after it decide: a header in column 1 is classic. With
 * nothing but includes it is fluentd if the first is written in lower case, as only that is valid there.
 */
export function formatOf(file: string, text: string): ConfigFormat {
  if (YAML_NAME.test(file)) return 'yaml'
  let first: string | undefined
  for (const line of text.replace(BOM, '').split('\n', MAX_SNIFFED_LINES)) {
    const content = line.trim()
    if (content === '' || content.startsWith('#')) continue
    first ??= content
    if (!INCLUDE.test(first)) break
    if (CLASSIC_HEADER.test(line)) return 'classic'
    if (content.startsWith('<')) return 'fluentd'
  }
  if (first === undefined) return 'classic'
  if (YAML_START.test(first)) return 'yaml'
  return FLUENTD_START.test(first) ? 'fluentd' : 'classic'
}
