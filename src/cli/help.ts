import { TEST_OPTIONS } from '../config/test-sections.ts'
import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import type { Option, OptionTable } from '../core/options/option.ts'
import { formatSize, formatTime } from '../core/options/units.ts'
import type { PluginKind, PluginSpec, Registry } from '../core/plugin.ts'
import { plain, terminalText } from './markdown.ts'
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
    wrap(`shipper ${FLAGS[spec.kind]}${spec.name}: ${plain(spec.summary)}`, width, 0),
    terminalText(spec.description, width),
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
    const facts = wrap(optionFacts(option), Math.max(width, column + 1), column).slice(column)
    const others = isList(option) ? option.aliases.map((alias) => `  ${alias}\n`).join('') : ''
    return `${head}  ${facts}${others}${wrap(plain(option.help), width, column)}`
  })
  const ignored = options.filter(([, option]) => option.ignored !== undefined).map(([name]) => name)
  const rest = ignored.length === 0 ? '' : wrap(`Accepted but ignored: ${ignored.join(', ')}.`, width, 2)
  return `${title}\n${rows.join('')}${rest}`
}

/** Maximum number of other names that stand in the line of an option. */
const MAX_ALIASES_IN_LINE = 3

/** True for an option with many names, each of which gets a line below the first. */
function isList(option: Option): option is Option & { aliases: readonly string[] } {
  return (option.aliases?.length ?? 0) > MAX_ALIASES_IN_LINE
}

/** Returns type, range and default of an option, e.g. `time, at least 1ms, default 60`. */
function optionFacts(option: Option): string {
  const facts = [optionType(option), optionRange(option)]
  if (option.required === true) facts.push('required')
  if (option.secret === true) facts.push("secret: give it as @FILE or '${VARIABLE}'")
  if (option.repeat === true) facts.push('may be repeated')
  if (option.default !== undefined) facts.push(`default ${option.default === '' ? 'empty' : option.default}`)
  if (option.aliases !== undefined && !isList(option))
    facts.push(`${option.named ? 'or' : 'also called'} ${option.aliases.join(', ')}`)
  return facts.filter((fact) => fact !== '').join(', ')
}

export function optionType(option: Option): string {
  switch (option.type) {
    case 'string':
      return 'string'
    case 'int':
      return 'integer'
    case 'bool':
      return 'boolean'
    case 'double':
      return 'number'
    case 'enum':
      return option.values?.join('|') ?? ''
    case 'clist':
      return 'comma-separated list'
    case 'slist':
      // `KEY VALUE` of `KEY VALUE, e.g. env production`.
      if (option.form !== undefined) return option.form.split(',', 1)[0] ?? ''
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

/** Width of the help texts of commands. */
const COMMAND_WIDTH = 118

/** Returns the keys of a test, from their table. */
function testHelp(): string {
  return tableHelp('Keys of a test:', TEST_OPTIONS, COMMAND_WIDTH)
}

const COMMAND_HELP: Record<string, string> = {
  manifest: `Usage: shipper manifest [-o OUTPUT [-p KEY=VALUE]...] [--image IMAGE] [--namespace NAME]
                        [--aws-role ARN]

Prints the Kubernetes manifests of a DaemonSet that ships the logs of all pods to the output.

  -o, --output <NAME>     output, e.g. kafka or forward://10.0.0.5:24224, instead of that of the sample
  -p, --prop <KEY=VALUE>  set an option of the output
  --image <IMAGE>         image of the DaemonSet
  --namespace <NAME>      namespace (default: shipper)
  --aws-role <ARN>        IAM role of the service account (IRSA), for outputs to AWS

A value \${NAME} comes from the Secret \`shipper\`, and a file in /etc/shipper-tls from the Secret \`shipper-tls\`; the first
lines of what is printed say how to create them.

Examples:
  shipper manifest -o kafka -p brokers=kafka:9092 -p topics=logs | kubectl apply -f -
  shipper manifest -o es -p host=es.logging.svc -p http_user=shipper -p 'http_passwd=\${PASSWORD}' \\
    -p tls=on -p tls.ca_file=/etc/shipper-tls/ca.crt > shipper.yaml
`,
  status: `Usage: shipper status [-c FILE | -L ADDRESS -P PORT | --url URL]

Prints the state of a running agent: memory, inputs with their files, filters, outputs. It asks the HTTP server of the
agent, which has to be on (HTTP_Server on, or -H). Ends with 0 when the agent is healthy, else with 1.

  -c, --config <FILE>          take the address from this configuration
  -L, --http_listen <ADDRESS>  address of the agent (default: 127.0.0.1)
  -P, --http_port <PORT>       port of the agent (default: 2020)
  --url <URL>                  both, e.g. http://10.0.0.7:2020
`,
  buffer: `Usage: shipper buffer FOLDER [--check], or shipper buffer -c FILE [--check]

Lists what a buffer on disk has: records that wait for each output, the files they are in, and what of them is damaged. Nothing
is locked or written, so the agent that uses it may run. Ends with 1 when something is damaged.

  -c, --config <FILE>  the folder of this configuration
  --check              read everything, and verify the checksums

Example:
  shipper buffer /var/lib/shipper/buffer --check
`,
  explain: `Usage: shipper explain -c FILE | -i INPUT ... -o OUTPUT ...

Prints the effective configuration in the classic format: every option that is in force, defaults included, each below a
comment with the place that it comes from: file, line and column, a flag, a variable and where that was set, or the default.
Secrets are shown as ******. Ends with 1 when the configuration has problems, which are on stderr.

  -c, --config <FILE>  configuration file
`,
  route: `Usage: shipper route TAG -c FILE [--input NAME]

Prints which filters and outputs the records of a tag pass, in order, and why not the others. Ends with 0 when an output gets
them, else with 1.

  -c, --config <FILE>  configuration file
  --input <NAME>       only records of this input; default: every input whose records may have the tag

Example:
  shipper route kube.var.log.containers.web-1.log -c shipper.conf
`,
  try: `Usage: shipper try -c FILE --tag TAG [--input NAME] [--json] [--limit N] < SAMPLE

Sends the lines of standard input through the stages of a configuration, one record after the other, and prints each record
behind each stage, or which filter drops it. The input with the tag reads the lines: with its parser and its rules for lines
that belong together. Nothing is sent: outputs are not created. Filters that ask other machines (kubernetes) are left out.

  -c, --config <FILE>  configuration file
  -t, --tag <TAG>      tag of the lines; default: that of the only input
  --input <NAME>       read the lines as this input does, if several have the tag; its messages may make the tag
  --json               each line is a JSON object that is the record; no parser reads it
  --limit <N>          maximum number of lines (default: 1000)

Example:
  tail -n 20 /var/log/app.log | shipper try -c shipper.conf --tag app
`,
  test: `Usage: shipper test FILE

Runs the tests in a configuration: sections [TEST], in YAML entries of tests:. Nothing is sent. Ends with 0 when all
have passed, else with 1.

${testHelp()}
Example:
  [TEST]
      Name      drops health checks
      Tag       app
      Line      GET /healthz 200
      Output    none

  [TEST]
      Name      reads the level
      Tag       app
      Line      level=error msg=failed
      Contains  level=error
      Output    forward.0
`,
  migrate: `Usage: shipper migrate FILE --to yaml|classic

Prints a configuration in another format. Variables stay as they are written, secrets too; comments are lost. The content of
included files becomes a part of the output, parsers files stay files. What the format cannot express is listed on stderr, and
the command then ends with 1.

  --to <FORMAT>             yaml or classic
  --config-format <FORMAT>  format of FILE, if its name and content do not tell

Example:
  shipper migrate td-agent.conf --to yaml > shipper.yaml
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
      return `  ${name}`.padEnd(column) + wrap(plain(spec?.summary ?? ''), width, column).slice(column)
    }),
  )
  const title = kind === 'parser' ? 'parser formats' : `${kind}s`
  return `${title}:\n${rows.join('')}`
}
