import { expect, test } from 'bun:test'
import { optionsOf, translated } from './reading.ts'

const filter = (lines: string): string => `<filter a.**>\n@type geoip\n${lines}\n</filter>\n`

test('geoip becomes geoip2: its keys, its database, and a field for each placeholder', () => {
  const result = translated(
    filter(
      'geoip_lookup_keys host, client.ip\ngeoip2_database /var/city.mmdb\nbackend_library geoip2_c\n<record>\ncity ${city.names.en["host"]}\nregion ${subdivisions.0.iso_code["client.ip"]}\nlat "${location.latitude[\'host\']}"\n</record>',
    ),
  )
  expect(result.reported).toEqual([])
  expect(result.warnings).toEqual([])
  expect(optionsOf(result, 'FILTER', 'geoip2')).toEqual([
    'Database /var/city.mmdb',
    'Lookup_Key host',
    "Lookup_Key $client['ip']",
    'Record city host %{city.names.en}',
    "Record region $client['ip'] %{subdivisions.0.iso_code}",
    'Record lat host %{location.latitude}',
  ])
  expect(result.steps['']).toEqual(['a.** -> filter geoip2'])
})

test('geoip looks up host by default, and says where it does otherwise', () => {
  const result = translated(
    filter(
      'geoip2_database /d\nskip_adding_null_record true\n<record>\nc ${country.iso_code["host"]}\n</record>',
    ),
  )
  expect(optionsOf(result, 'FILTER', 'geoip2')).toContain('Lookup_Key host')
  expect(result.warnings).toEqual([
    'f.conf:4:1: [geoip] "skip_adding_null_record" has no effect: a field without a value is null',
  ])
})

test('geoip refuses fields that are not one placeholder, and a filter without a database', () => {
  const { reported } = translated(
    filter(
      '<record>\nat \'[${location.longitude["host"]},${location.latitude["host"]}]\'\nfixed x\n</record>',
    ),
  )
  expect(reported).toEqual([
    'f.conf:1:1: [geoip] "geoip2_database" is missing: none is built in',
    expect.stringContaining('f.conf:4:1: [geoip] the field "at" is not one placeholder'),
    expect.stringContaining('f.conf:5:1: [geoip] the field "fixed" is not one placeholder'),
  ])
})
