import type { Chunk } from '../../../core/chunk.ts'
import { encodeStr, FALSE, NIL, skip, TRUE } from '../../../core/msgpack/encode.ts'
import { entryMap, textHead, textLength } from '../../../core/msgpack/record.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { defineFilter, type Filter, type FilterContext } from '../../../core/plugin.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { checkAccessor, RecordAccessor } from '../../../lib/records/accessor.ts'
import { FixedPairs } from '../../../lib/records/added-pairs.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import { listMemory, Patterns } from './patterns.ts'

const OPTIONS = defineOptions({
  file: {
    type: 'string',
    required: true,
    help: 'File with the list, one pattern a line. Empty lines, and lines that begin with `#`, are passed over. Read once, at the start.',
  },
  mode: {
    type: 'enum',
    values: ['exact', 'partial'],
    default: 'exact',
    help: 'exact: the value is a pattern; partial: it begins with a pattern, or contains one that is written with `%` before it.',
  },
  ignore_case: { type: 'bool', default: 'off', help: 'Compare ASCII letters regardless of case.' },
  lookup_key: {
    type: 'string',
    default: 'log',
    check: checkAccessor,
    help: "Key of the value to look up, or record accessor: `$http['client']`.",
  },
  record: {
    type: 'slist',
    words: 2,
    form: 'KEY VALUE, e.g. `listed true`',
    repeat: true,
    required: true,
    help: 'Add `KEY VALUE` to records whose value is in the list. The values true, false and null (in any case) are these, all others strings.',
  },
  print_query_time: {
    type: 'bool',
    default: 'off',
    help: 'Log the time of each query.',
    ignored: 'nothing is logged per record',
  },
})

type Options = OptionsOf<typeof OPTIONS>

class Checklist implements Filter {
  readonly #options: Options
  readonly #ctx: FilterContext
  readonly #accessor: RecordAccessor
  readonly #pairs: FixedPairs
  readonly #out: EntryOutput
  readonly #number = new JsonText()
  #patterns: Patterns | undefined

  constructor(options: Options, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#accessor = RecordAccessor.parse(options.lookupKey, 'lookup_key')
    // Of several values for a key the last one is added.
    this.#pairs = new FixedPairs(
      new Map(options.record.map(([key = '', value = '']) => [key, encodeValue(value)])),
    )
    this.#out = new EntryOutput(ctx.buffers)
  }

  async start(): Promise<void> {
    const { file, mode, ignoreCase } = this.#options
    this.#patterns = Patterns.read(file, mode, ignoreCase)
    const { compared, states } = this.#patterns.sizes
    this.#ctx.log.debug(`read the list ${file}`, { patterns: compared, ...(states > 0 && { states }) })
  }

  check(): Promise<void> {
    return this.start()
  }

  /** Copies records that are not in the list together; a chunk without any stays as it is. */
  apply(chunk: Chunk): void {
    const patterns = this.#patterns
    if (patterns === undefined) return
    const out = this.#out
    const { buf, start, end } = chunk
    let run = start
    let isOpen = false
    for (let at = start; at < end; ) {
      const next = skip(buf, at, end)
      const map = entryMap(buf, at, next)
      if (map >= 0 && this.#isListed(patterns, buf, this.#accessor.find(buf, map, next))) {
        if (!isOpen) out.begin(chunk, chunk.count * (this.#pairs.bytes.length + MAX_MAP_HEAD))
        isOpen = true
        out.copy(buf, run, at)
        this.#pairs.addTo(buf, at, next, out)
        run = next
      }
      at = next
    }
    if (!isOpen) return
    out.copy(buf, run, end)
    out.finish(chunk, chunk.count)
  }

  #isListed(patterns: Patterns, buf: Buffer, at: number): boolean {
    if (at < 0) return false
    const head = textHead(buf, at)
    if (head > 0) return patterns.match(buf, at + head, at + head + textLength(buf, at))
    if (!isScalar(buf[at] as number)) return false
    const number = this.#number
    number.reset()
    number.value(buf, at)
    return patterns.match(number.buf, 0, number.at)
  }
}

const MAX_MAP_HEAD = 5

/** True for the first byte of a number or a boolean. */
function isScalar(type: number): boolean {
  return type < 0x80 || type >= 0xe0 || (type >= 0xca && type <= 0xd3) || type === TRUE || type === FALSE
}

function encodeValue(text: string): Buffer {
  const lower = text.toLowerCase()
  const byte = lower === 'true' ? TRUE : lower === 'false' ? FALSE : lower === 'null' ? NIL : undefined
  return byte === undefined ? encodeStr(text) : Buffer.of(byte)
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'checklist',
  summary: 'Adds fields to records whose value is in a list of a file.',
  description: `The fields come after those of the record and replace fields of the same name. Records that are not in the list stay as
they are.

**Comparison.** The bytes of a text; of a number or boolean its text as in JSON (in fluent-bit only texts are looked up). Blanks
at the end of a pattern belong to it, and a value also matches when it equals the pattern without these blanks; in fluent-bit such a line
finds nothing. A missing value, null, a list or a map is not in the list.

**Mode partial.** The value begins with the pattern. \`%\` at the start of a pattern finds it anywhere in the value: \`%error\`. One at its
end has no effect. Other \`%\`, and \`_\`, stand for themselves; in fluent-bit they are wildcards of SQL (any text, any character). A text
is read once, whatever the number of patterns.

**Limits.** The file: a regular one of at most 32 MB, read once at the start, with or without a byte order mark; a line: 4,096
bytes; all patterns with \`%\` before them: 2 MB. Beyond these, and without the file, the agent does not start
(fluent-bit passes records unchecked).`,
  options: OPTIONS,
  example:
    '[FILTER]\n    Name       checklist\n    Match      *\n    File       /etc/shipper/blocked.txt\n    Lookup_key client\n    Record     blocked true\n',
  memory: ({ file, mode }) => {
    const bytes = listMemory(file, mode)
    return bytes === undefined ? undefined : { bytes, what: 'its list, while it is read' }
  },
  keepsPlaces: () => true,
  create: (options, ctx) => new Checklist(options, ctx),
})
