import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { encodeStr, NIL, skip } from '../../../core/msgpack/encode.ts'
import { entryMap, textHead, textLength } from '../../../core/msgpack/record.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { PairAdder } from '../../../lib/records/added-pairs.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import { AnswerCache, canonicalAddress } from './answers.ts'
import { DAMAGED, type DataSection, MAX_ENCODED_BYTES, type PathStep } from './data-section.ts'
import type { Database } from './database.ts'
import { type GeoIp2Options, parsePath } from './options.ts'

/** A field: its key as MessagePack, and the path in the database. */
interface Field {
  key: Buffer
  path: readonly PathStep[]
}

/** Fields that stand side by side and come from one address. */
interface Run {
  accessor: RecordAccessor
  fields: Field[]
  /** The fields with null. */
  nulls: Buffer
}

/** Adds what a database has for an address. The pairs of the last addresses are kept encoded. */
export class GeoIp2 implements Filter {
  readonly #options: GeoIp2Options
  readonly #ctx: FilterContext
  readonly #runs: readonly Run[]
  readonly #count: number
  readonly #adder: PairAdder
  readonly #out: EntryOutput
  /** Pairs of each run, by address. */
  readonly #answers = new AnswerCache<readonly Buffer[]>()
  readonly #scratch = Buffer.allocUnsafeSlow(MAX_ENCODED_BYTES)
  readonly #lookUp = (text: string): readonly Buffer[] => this.#answerOf(text)
  #database: Database | undefined
  #isDamageLogged = false

  constructor(options: GeoIp2Options, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    const fields = fieldsOf(options)
    this.#runs = runsOf(fields)
    this.#count = fields.size
    this.#adder = new PairAdder([...fields.keys()].map((key) => Buffer.from(key)))
    this.#out = new EntryOutput(ctx.buffers)
  }

  async start(): Promise<void> {
    const { Database } = await import('./database.ts')
    this.#database = Database.read(this.#options.database)
  }

  check(): Promise<void> {
    return this.start()
  }

  apply(chunk: Chunk): void {
    if (chunk.count === 0) return
    const out = this.#out
    const { buf, start, end } = chunk
    out.begin(chunk, chunk.count * EXPECTED_GROWTH)
    for (let at = start; at < end; ) {
      const next = skip(buf, at, end)
      const map = entryMap(buf, at, next)
      if (this.#adder.begin(buf, at, next, out)) {
        for (let i = 0; i < this.#runs.length; i++) {
          const pairs = this.#pairsOf(i, buf, map, next)
          out.copy(pairs, 0, pairs.length)
        }
        this.#adder.finish(out, this.#count)
      }
      at = next
    }
    out.finish(chunk, chunk.count)
  }

  #pairsOf(index: number, buf: Buffer, map: number, end: number): Buffer {
    const { accessor, nulls } = this.#runs[index] as Run
    const value = accessor.find(buf, map, end)
    const head = value < 0 ? -1 : textHead(buf, value)
    if (head < 0) return nulls
    const start = value + head
    return this.#answers.get(buf, start, start + textLength(buf, value), this.#lookUp)?.[index] ?? nulls
  }

  /** Returns the pairs of each run for a text that may be an address. */
  #answerOf(text: string): readonly Buffer[] {
    const database = this.#database
    const address = database === undefined ? undefined : canonicalAddress(text)
    const at = address === undefined ? -1 : (database as Database).find(address)
    this.#ctx.counters.add('lookups')
    if (at < 0) {
      this.#ctx.counters.add('lookups_missed')
      return this.#runs.map(({ nulls }) => nulls)
    }
    const { data } = database as Database
    return this.#runs.map(({ fields }) =>
      Buffer.concat(fields.flatMap(({ key, path }) => [key, this.#encode(data, at, path)])),
    )
  }

  #encode(data: DataSection, at: number, path: readonly PathStep[]): Buffer {
    const value = data.find(at, path)
    const end = value < 0 ? value : data.encode(value, this.#scratch, 0)
    if (end > 0) return Buffer.from(this.#scratch.subarray(0, end))
    if (end === DAMAGED) this.#reportDamage()
    return NULL
  }

  #reportDamage(): void {
    this.#ctx.counters.add('lookups_damaged')
    if (this.#isDamageLogged) return
    this.#isDamageLogged = true
    this.#ctx.log.warn(
      `the database ${this.#options.database} is damaged: fields that cannot be read are null`,
      {
        hint: 'fetch it again and restart the agent; later ones are counted only',
      },
    )
  }
}

const NULL = Buffer.of(NIL)
/** Bytes by which a record is expected to grow. */
const EXPECTED_GROWTH = 64

/** Returns lookup key and path of each field; of several with one key the last counts. */
function fieldsOf({ lookupKey, record }: GeoIp2Options): Map<string, { lookup: string; path: PathStep[] }> {
  for (const [option, values, example] of [
    ['lookup_key', lookupKey, 'Lookup_Key client'],
    ['record', record, 'Record city client %{city.names.en}'],
  ] as const) {
    if (values.length === 0)
      throw new ShipperError('E_CONFIG_MISSING_OPTION', `"${option}" is missing`, {
        hint: `write e.g. \`${example}\``,
      })
  }
  const fields = new Map<string, { lookup: string; path: PathStep[] }>()
  for (const words of record) {
    const [key = '', lookup = '', path = ''] = words
    if (!lookupKey.includes(lookup)) {
      throw new ShipperError('E_CONFIG_BAD_VALUE', `"record" looks up "${lookup}", which is no Lookup_Key`, {
        option: `record ${words.join(' ')}`,
        hint: `add \`Lookup_Key ${lookup}\`, or use one of ${lookupKey.join(', ')}`,
      })
    }
    fields.delete(key)
    fields.set(key, { lookup, path: parsePath(path) ?? [] })
  }
  return fields
}

function runsOf(fields: ReadonlyMap<string, { lookup: string; path: PathStep[] }>): Run[] {
  const runs: Run[] = []
  let last: string | undefined
  for (const [key, { lookup, path }] of fields) {
    if (lookup !== last)
      runs.push({ accessor: RecordAccessor.parse(lookup, 'lookup_key'), fields: [], nulls: NULL })
    last = lookup
    runs.at(-1)?.fields.push({ key: encodeStr(key), path })
  }
  for (const run of runs) run.nulls = Buffer.concat(run.fields.flatMap(({ key }) => [key, NULL]))
  return runs
}
