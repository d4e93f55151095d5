import type { Chunk } from '../../../core/chunk.ts'
import { defineOutput, type Output, type OutputContext } from '../../../core/plugin.ts'
import { CHOSEN_COUNTERS, ChosenFileOutput } from './chosen-output.ts'
import { ChosenPath, isChosen } from './chosen-path.ts'
import { FileFormat } from './format.ts'
import { FILE_OPTIONS, type FileOptions } from './options.ts'
import { configuredDestination, destinationOf } from './path.ts'
import { refusalBy } from './refusal.ts'
import { FileWriter } from './writer.ts'

/** Appends each chunk to the file that the configuration or its tag names. */
class FileOutput implements Output {
  readonly #options: FileOptions
  readonly #writer: FileWriter
  readonly #format: FileFormat

  constructor(options: FileOptions, writer: FileWriter, format: FileFormat) {
    this.#options = options
    this.#writer = writer
    this.#format = format
  }

  async flush(chunk: Chunk): Promise<void> {
    const format = this.#format
    const destination = destinationOf(chunk.tag, this.#options)
    const failed = this.#writer.append(destination, format.text, (isNewFile) =>
      format.write(chunk, isNewFile),
    )
    if (failed !== undefined) throw failed.error
  }

  async close(): Promise<void> {}
}

/** Returns the path of the file that the configuration names. */
function configuredPath(options: FileOptions): string | undefined {
  const { fallbackPath, fallbackFile } = options
  if (isChosen(options))
    return fallbackFile === undefined ? undefined : configuredDestination(fallbackPath, fallbackFile).path
  const { path, chosenBy } = destinationOf('', options)
  return chosenBy === 'configuration' ? path : undefined
}

/** Returns an example of a file that records with this tag may choose, with Path and File as written where they are wrong. */
function examplePath(options: FileOptions, tag: string): string | undefined {
  if (!isChosen(options)) return destinationOf(tag, options).path
  try {
    return new ChosenPath(options).exampleOf(tag)
  } catch {
    return undefined
  }
}

/** A directive of strftime, as far as one is used for files. */
const DIRECTIVE = /%[-0^#_]*[YymdHMSjFT]/

/** Warns of what looks like a time in Path or File without Enable_Strftime: the file would have the name as it is written. */
function warnOfTimes({ path = '', file = '', enableStrftime }: FileOptions, { log }: OutputContext): void {
  const [directive] = DIRECTIVE.exec(`${path}/${file}`) ?? []
  if (enableStrftime || directive === undefined) return
  const option = DIRECTIVE.test(path) ? `Path ${path}` : `File ${file}`
  log.warn(`${option}: "${directive}" stays as written; set Enable_Strftime on to replace it by the time`)
}

export const spec = defineOutput({
  kind: 'output',
  name: 'file',
  summary: 'Appends records to files.',
  description:
    'A chunk counts as delivered when the operating system has taken its text. When the disk is full the write is ' +
    'retried, and nothing is written twice, except after a kill, see below. An incomplete last line, left by a crash, is ended before more is appended (not with Format msgpack, which has no lines). ' +
    'Only regular files are written, and character devices (a terminal, /dev/null) that File names, but never a FIFO. A tag or a record cannot name a file ' +
    'of the agent itself, such as its database, log or configuration.\n\n' +
    'With record accessors in Path or File, or Enable_Strftime and a `%` in them, each record chooses its file, as in fluent-bit ' +
    '5.1. The example writes `{"service":"cart"}` to `cart-2026-11-30.log`. Path has to begin with a directory, which no record can leave: a field or a tag is a single name in File, and ' +
    'may have slashes in Path, where the directories are created only by Mkdir. A record has no file when a field is missing or empty, ' +
    'is a map or a list, contains a control character or bytes that are not UTF-8, or makes a name that is empty, `.`, `..` or longer than 255 ' +
    'bytes, or a File with one of `/ : * ? " < > |`; On_Missing_Field says what becomes of it. Records of one file keep their order. ' +
    'A file that cannot be written does not hold up the others of its chunk, whose lines are written once. A path that never becomes ' +
    'a file, such as that of a directory, of a FIFO or of a file of the agent, is rejected at once: its records go to the dead letters. ' +
    'For what may heal, such as a missing permission, the chunk and those after it wait, and after Dead_Letter_After its records go to the ' +
    'dead letters. When the agent ends before that, or is killed between two files of a chunk, the next run writes the lines of the others again.',
  options: FILE_OPTIONS,
  example: `[OUTPUT]
    Name             file
    Match            *
    Path             /var/log/archive
    File             $service-%Y-%m-%d.log
    Enable_Strftime  on
    Mkdir            on
`,
  inFlight: 1,
  writes: configuredPath,
  mayWrite: examplePath,
  refusal: (options) => (isChosen(options) ? refusalBy(options) : undefined),
  counters: CHOSEN_COUNTERS,
  create: (options, ctx) => {
    warnOfTimes(options, ctx)
    const writer = new FileWriter(options, (path) => ctx.isOwnFile?.(path) === true)
    const format = new FileFormat(options)
    return isChosen(options)
      ? new ChosenFileOutput(options, ctx, writer, format)
      : new FileOutput(options, writer, format)
  },
})
