import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import type { Option, OptionTable } from '../core/options/option.ts'
import { formatSize, formatTime } from '../core/options/units.ts'
import type { PluginKind, PluginSpec, Registry } from '../core/plugin.ts'
import { wrap } from './wrap.ts'

/** Options common to all plugins of a kind. */
export const COMMON_OPTIONS: Record<PluginKind, OptionTable> = {
  input: INPUT_OPTIONS,
  filter: FILTER_OPTIONS,
  output: OUTPUT_OPTIONS,
  parser: {},
}

export const KINDS = ['input', 'parser', 'filter', 'output'] as const
const FLAGS: Record<PluginKind, string> = { input: '-i ', filter: '-F ', output: '-o ', parser: 'format ' }
/** Widest name that the column of names makes room for, so that a single long one does not narrow all help texts. */
const MAX_NAME_COLUMN = 22
const LINE_START = /^(?=.)/gm

/** Returns the help of a plugin, generated from its option table. */
export function pluginHelp(spec: PluginSpec, width: number): string {
  const tables: [string, OptionTable][] = [[`Options of ${spec.name} (-p name=value):`, spec.options]]
  const common = COMMON_OPTIONS[spec.kind]
  if (Object.keys(common).length > 0) tables.push([`Options of every ${spec.kind}:`, common])
  return [
    wrap(`shipper ${FLAGS[spec.kind]}${spec.name}: ${spec.summary}`, width, 0),
    wrap(spec.description, width, 0),
    ...tables.map(([title, table]) => tableHelp(title, table, width)),
    `Example:\n${spec.example.replace(LINE_START, '  ')}`,
  ]
    .filter((part) => part.trim() !== '')
    .join('\n')
}

function tableHelp(title: string, table: OptionTable, width: number): string {
  const options = Object.entries(table)
  if (options.length === 0) return ''
  const effective = options.filter(([, option]) => option.ignored === undefined)
  const column = Math.min(Math.max(...effective.map(([name]) => name.length), 0), MAX_NAME_COLUMN) + 4
  const rows = effective.map(([name, option]) => {
    const head = `  ${name}`.padEnd(column - 2)
    return `${head}  ${optionFacts(option)}\n${wrap(option.help, width, column)}`
  })
  const ignored = options.filter(([, option]) => option.ignored !== undefined).map(([name]) => name)
  const rest = ignored.length === 0 ? '' : wrap(`Accepted but ignored: ${ignored.join(', ')}.`, width, 2)
  return `${title}\n${rows.join('')}${rest}`
}

/** Returns type, range and default of an option, e.g. `time, at least 1ms, default 60`. */
function optionFacts(option: Option): string {
  const facts = [optionType(option), optionRange(option)]
  if (option.required === true) facts.push('required')
  if (option.secret === true) facts.push("secret: give it as @FILE or '${VARIABLE}'")
  if (option.repeat === true) facts.push('may be repeated')
  if (option.default !== undefined) facts.push(`default ${option.default === '' ? 'empty' : option.default}`)
  if (option.aliases !== undefined)
    facts.push(`${option.named ? 'or' : 'also called'} ${option.aliases.join(', ')}`)
  return facts.filter((fact) => fact !== '').join(', ')
}

export function optionType(option: Option): string {
  switch (option.type) {
    case 'string':
      return 'text'
    case 'int':
      return 'whole number'
    case 'double':
      return 'number'
    case 'enum':
      return option.values?.join('|') ?? ''
    case 'clist':
      return 'comma-separated list'
    case 'slist':
      return option.words === undefined ? 'blank-separated list' : `${option.words} words`
    default:
      return option.type
  }
}

export function optionRange({ type, min, max }: Option): string {
  const format = type === 'size' ? formatSize : type === 'time' ? formatTime : String
  if (min !== undefined && max !== undefined) return `${format(min)} to ${format(max)}`
  if (max !== undefined) return `at most ${format(max)}`
  return min === undefined ? '' : `at least ${format(min)}`
}

const COMMAND_HELP: Record<string, string> = {
  manifest: `Usage: shipper manifest [-o OUTPUT [-p KEY=VALUE]...] [--image IMAGE] [--namespace NAME]

Prints the Kubernetes manifests of a DaemonSet that ships the logs of all pods to the output.

  -o, --output <NAME>     output, e.g. kafka or forward://10.0.0.5:24224, instead of that of the sample
  -p, --prop <KEY=VALUE>  set an option of the output
  --image <IMAGE>         image of the DaemonSet
  --namespace <NAME>      namespace (default: shipper)

Example:
  shipper manifest -o kafka -p brokers=kafka:9092 -p topics=logs | kubectl apply -f -
`,
  status: `Usage: shipper status [-c FILE | -L ADDRESS -P PORT | --url URL]

Prints the state of a running agent: memory, inputs with their files, filters, outputs. It asks the HTTP server of the
agent, which has to be on (HTTP_Server on, or -H). Ends with 0 when the agent is healthy, else with 1.

  -c, --config <FILE>          take the address from this configuration
  -L, --http_listen <ADDRESS>  address of the agent (default: 127.0.0.1)
  -P, --http_port <PORT>       port of the agent (default: 2020)
  --url <URL>                  both, e.g. http://10.0.0.7:2020
`,
  plugins: `Usage: shipper plugins

Lists the inputs, parser formats, filters and outputs. \`shipper -i NAME -h\` prints the options of one.
`,
}

/** Returns the help of a command that has options of its own. */
export function commandHelp(command: string | undefined): string | undefined {
  return command !== undefined && Object.hasOwn(COMMAND_HELP, command) ? COMMAND_HELP[command] : undefined
}

/** Returns the output of `shipper plugins`. */
export async function pluginList(registry: Registry, width: number): Promise<string> {
  const blocks = await Promise.all(KINDS.map((kind) => kindList(registry, kind, width)))
  return `${blocks.join('\n')}\nRun \`shipper -i tail -h\` to print the options of a plugin, here of tail.\n`
}

async function kindList(registry: Registry, kind: PluginKind, width: number): Promise<string> {
  const names = registry.names(kind)
  const column = Math.max(...names.map((name) => name.length), 0) + 4
  const rows = await Promise.all(
    names.map(async (name) => {
      const spec = await registry.find(kind, name)
      return `  ${name}`.padEnd(column) + wrap(spec?.summary ?? '', width, column).slice(column)
    }),
  )
  const title = kind === 'parser' ? 'parser formats' : `${kind}s`
  return `${title}:\n${rows.join('')}`
}
