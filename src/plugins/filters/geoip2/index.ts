import { defineFilter } from '../../../core/plugin.ts'
import { FsFailure, stat } from '../../../lib/fs/file-system.ts'
import { GeoIp2 } from './geoip2.ts'
import { GEOIP2_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'geoip2',
  summary: 'Adds what a MaxMind database has for an address.',
  description: `Adds a field for each Record, in their order, after those of the record; they replace fields of the same name. What is at the
path keeps its type: texts, integers, float64, booleans; bytes become a text. The field is null when the value of Lookup_Key is missing
or no address, the database does not have the address, nothing is at the path, or what is there is a map, an array, an integer of 128
bits or a text of more than 4,096 bytes.

**Paths.** Names with dots between them, as \`mmdblookup\` prints them: \`%{country.iso_code}\`, \`%{location.latitude}\`. Items of an array
have a number, from the end if it is negative: \`%{subdivisions.0.iso_code}\`.

**Addresses.** IPv4 in dotted form, and IPv6; an IPv4 address within an IPv6 address (\`::ffff:192.0.2.1\`) is looked up as IPv4. A name, an
address with a port or a zone, and short forms (\`127.1\`) are no addresses. Lookup_Key is the whole key, in upper and lower case as it
is in the record; fluent-bit takes any key that begins with it.

**Limits.** The database has at most 1 GB and is held in memory; a new version is read at the next start. One that is no database or is
cut off stops the start. Damage within is found with the address that it concerns: its fields are null, it is logged once and counted
(\`lookups_damaged\`). The answers for 4,096 addresses are kept.`,
  options: GEOIP2_OPTIONS,
  example: `[FILTER]
    Name       geoip2
    Match      *
    Database   /usr/share/GeoIP/GeoLite2-City.mmdb
    Lookup_key client
    Record     city    client %{city.names.en}
    Record     country client %{country.iso_code}
`,
  counters: {
    lookups: 'texts that were looked up in the database; those whose answer was kept are not',
    lookups_missed: 'such texts that are no address, or that the database does not have',
    lookups_damaged: 'fields that could not be read because the database is damaged',
  },
  memory: ({ database }) => {
    const found = stat(database)
    return found instanceof FsFailure ? undefined : { bytes: Number(found.size), what: 'its database' }
  },
  keepsPlaces: () => true,
  create: (options, ctx) => new GeoIp2(options, ctx),
})
