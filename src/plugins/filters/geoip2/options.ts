import type { InvalidValue } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'
import type { PathStep } from './data-section.ts'

export const GEOIP2_OPTIONS = defineOptions({
  database: {
    type: 'string',
    required: true,
    help: 'Path of the MaxMind database, a file .mmdb. Read once, at the start, and held in memory.',
  },
  lookup_key: {
    type: 'string',
    repeat: true,
    check: checkAccessor,
    help: "Key of an address to look up, or record accessor: `$http['client']`.",
  },
  record: {
    type: 'slist',
    words: 3,
    form: 'KEY LOOKUP_KEY %{PATH}, e.g. `city client %{city.names.en}`',
    repeat: true,
    check: checkRecord,
    help: 'Add KEY with what the database has at PATH for the address in LOOKUP_KEY, which is one of Lookup_Key.',
  },
})

export type GeoIp2Options = OptionsOf<typeof GEOIP2_OPTIONS>

const FORM = /^%\{([^{}]+)\}$/
const MAX_PATH_STEPS = 16
const INDEX = /^-?\d{1,5}$/

/** Returns the steps of `%{a.b.0}`; undefined for another text. */
export function parsePath(text: string): PathStep[] | undefined {
  const names = FORM.exec(text)?.[1]?.split('.') ?? []
  if (names.length === 0 || names.length > MAX_PATH_STEPS || names.includes('')) return undefined
  return names.map((name) => ({ key: Buffer.from(name), index: INDEX.test(name) ? Number(name) : undefined }))
}

function checkRecord([, , path = '']: string[]): InvalidValue | undefined {
  if (parsePath(path) !== undefined) return undefined
  return {
    must: 'KEY LOOKUP_KEY %{PATH}',
    reason: `"${path}" is not a path in %{ }, of at most ${MAX_PATH_STEPS} names with dots between them`,
    hint: 'write e.g. `city client %{city.names.en}`',
  }
}
