import { ShipperError } from '../../core/error.ts'
import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { parseOptions } from '../../core/options/parse.ts'
import type { Parser } from '../../core/parser.ts'
import type { InputContext } from '../../core/plugin.ts'
import { JsonParser } from '../parsing/json-parser.ts'
import { TIME_OPTIONS } from '../parsing/options.ts'
import { LineHost } from './host.ts'
import { JsonReader, jsonWriter } from './json-reader.ts'
import { LineReader } from './line-reader.ts'
import { LineWriter, type Sender } from './line-writer.ts'
import type { MessageLimit, StreamReader } from './stream-reader.ts'

/** Key of a line that is not parsed. */
const TEXT_KEY = 'log'
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  '0': '\0',
  a: '\x07',
  b: '\b',
  v: '\v',
  f: '\f',
}
const ESCAPE = /\\(x[0-9a-f]{1,2}|.)/gi

export const SOURCE_ADDRESS_FORM_OPTION = defineOptions({
  source_address_form: {
    type: 'enum',
    needs: { source_address_key: 'set' },
    values: ['url', 'host'],
    default: 'url',
    help: 'Form of that address: `url`, as fluent-bit writes it, or `host`, the IP address alone.',
  },
})

/** Options of the inputs tcp and udp that say what their senders send. */
export const FORMAT_OPTIONS = defineOptions({
  format: {
    type: 'enum',
    needs: { parser: 'unset', format: ['none'] },
    values: ['json', 'none'],
    default: 'json',
    help: 'json: JSON objects, one after the other; a list becomes `{"msg": list}`, anything else is kept as text under `log`. none: text, see Separator.',
  },
  separator: {
    type: 'string',
    needs: { format: ['none'], parser: 'set' },
    default: '\\n',
    check: checkSeparator,
    help: 'What stands between two messages with `Format none`; `\\n`, `\\t`, `\\r`, `\\\\`, `\\0` and `\\xHH` are escapes.',
  },
  parser: {
    type: 'string',
    help: 'Name of the parser for the messages; `Format` is then `none`. A message that it does not match is kept unchanged under `log`.',
  },
  source_address_key: {
    type: 'string',
    help: 'Key under which the address of the sender is added, as in `tcp://192.0.2.7:40312`. A field of the record with this key is replaced.',
  },
  ...SOURCE_ADDRESS_FORM_OPTION,
})

function unescaped(text: string): string {
  return text.replace(ESCAPE, (all, letter: string) =>
    /^x./i.test(letter)
      ? String.fromCharCode(Number.parseInt(letter.slice(1), 16))
      : (ESCAPES[letter] ?? all),
  )
}

function checkSeparator(text: string): InvalidValue | undefined {
  return text === '' ? { must: 'not empty', hint: 'leave it out for lines' } : undefined
}

/** Readers of what the senders of one input send. */
interface MessageFormat {
  readonly writer: LineWriter
  readerFor(sender: Sender): StreamReader
}

/** Returns the format that the options name. */
export function formatOf(
  options: OptionsOf<typeof FORMAT_OPTIONS>,
  ctx: InputContext,
  limit: MessageLimit,
): MessageFormat {
  const { format, separator, sourceAddressKey: source } = options
  checkKey(source, 'source_address_key', TEXT_KEY)
  const host = new LineHost(ctx, TEXT_KEY)
  const parser: Parser | undefined = options.parser === undefined ? undefined : ctx.parser(options.parser)
  const isHostOnly = options.sourceAddressForm === 'host'
  const keys = { text: TEXT_KEY, raw: undefined, source, isHostOnly }
  const writer = new LineWriter(host, keys, parser === undefined ? undefined : () => parser)
  if (format === 'json' && parser === undefined) {
    const { name, log, clock } = ctx
    const json = jsonWriter(writer, new JsonParser(parseOptions(TIME_OPTIONS, {}), { name, log, clock }))
    return { writer, readerFor: (sender) => new JsonReader(json, host, sender, limit) }
  }
  const ends = { separator: Buffer.from(unescaped(separator), 'utf8'), nulEnds: false }
  return { writer, readerFor: (sender) => new LineReader(writer, host, sender, limit, ends) }
}

/** Refuses a key whose pair would replace that of a message which is not parsed. */
export function checkKey(key: string | undefined, option: string, textKey: string): void {
  if (key === textKey)
    throw new ShipperError(
      'E_CONFIG_BAD_VALUE',
      `${option} cannot be "${textKey}": messages that are not parsed are kept there`,
      {
        option,
        hint: 'choose another key',
      },
    )
}
