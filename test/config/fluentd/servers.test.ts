import { describe, expect, test } from 'bun:test'
import { optionsOf, type Translated, translated } from './reading.ts'

function read(text: string): Translated {
  const result = translated(text)
  expect(result.reported).toEqual([])
  return result
}

const source = (lines: string): string => `<source>\n${lines}\n</source>\n`
const parse = (lines: string): string => `<parse>\n${lines}\n</parse>`
const JSON_PARSE = parse('@type json')

describe('the sources tcp and udp', () => {
  test('have their parameters as options, and a parser for every kind of message', () => {
    const tcp = read(
      source(`@type tcp\ntag t\nbind ::1\ndelimiter "\\n\\t|"\nmessage_length_limit 10k\n${JSON_PARSE}`),
    )
    expect(optionsOf(tcp, 'INPUT', 'tcp').toSorted()).toEqual([
      'Buffer_Size 10',
      'Listen ::1',
      'Parser parse.0',
      'Port 5170',
      'Separator \\n\\t|',
      'Tag t',
    ])
    expect(tcp.warnings).toEqual([])
    const udp = read(
      source(
        `@type udp\ntag t\nport 1\nsource_address_key ip\nreceive_buffer_size 1m\n${parse('@type none')}`,
      ),
    )
    expect(optionsOf(udp, 'INPUT', 'udp').toSorted()).toEqual([
      'Parser parse.0',
      'Port 1',
      'Receive_Buffer_Size 1048576',
      'Source_Address_Form host',
      'Source_Address_Key ip',
      'Tag t',
    ])
    expect(optionsOf(udp, 'PARSER')).toContain('Regex /\\A(?<message>.*)\\z/m')
    expect(udp.warnings[0]).toContain('port 1 has no bind')
  })

  test('take the parser of old files, and the default port of fluentd', () => {
    const udp = read(source('type udp\ntag t\nformat /^(?<a>.*)$/'))
    expect(optionsOf(udp, 'PARSER')).toContain('Regex /^(?<a>.*)$/')
    expect(optionsOf(udp, 'INPUT')).toContain('Port 5160')
    const limit = optionsOf(read(source(`@type tcp\ntag t\n${JSON_PARSE}`)), 'INPUT')
    expect(limit).toContain('Buffer_Size 1024')
  })

  test('have their TLS', () => {
    const tls =
      '<transport tls>\ncert_path /c\nprivate_key_path /k\nprivate_key_passphrase p\nclient_cert_auth true\nca_path /a\nmin_version TLS1_3\n</transport>'
    const tcp = read(source(`@type tcp\ntag t\n${JSON_PARSE}\n${tls}`))
    for (const option of [
      'tls on',
      'tls.crt_file /c',
      'tls.key_file /k',
      'tls.key_passwd p',
      'tls.verify_client_cert on',
      'tls.ca_file /a',
      'tls.min_version TLSv1.3',
    ])
      expect(optionsOf(tcp, 'INPUT')).toContain(option)
  })

  test('are refused where records or senders would not be what they are in fluentd', () => {
    const faults = (lines: string): string[] => translated(source(`@type tcp\n${lines}`)).reported
    expect(faults(JSON_PARSE)).toEqual(['f.conf:1:1: [tcp] "tag" is missing'])
    expect(faults('tag t')).toEqual(['f.conf:1:1: [tcp] <parse> is missing'])
    expect(faults(`tag t\nsource_hostname_key h\n${JSON_PARSE}`)[0]).toContain('"source_hostname_key"')
    expect(faults(`tag t\n${JSON_PARSE}\n<security>\n</security>`)[0]).toContain(
      '<security> is not supported',
    )
    expect(
      faults(`tag t\n${parse('@type multiline\nformat_firstline /^a/\nformat1 /^(?<a>.*)/')}`)[0],
    ).toContain('is not a message of several lines')
    const version = '<transport tls>\nversion TLS1_1\n</transport>'
    expect(faults(`tag t\n${JSON_PARSE}\n${version}`)[0]).toContain('must be TLS1_2 or TLS1_3')
  })
})

describe('the source syslog', () => {
  test('has facility and severity behind its tag, and no priority in its records', () => {
    const udp = read(source('@type syslog\ntag system\nbind 0.0.0.0'))
    expect(optionsOf(udp, 'INPUT', 'syslog')).toEqual([
      'Listen 0.0.0.0',
      'Tag system.*',
      'Mode udp',
      'Parser parse.0',
    ])
    const expression = optionsOf(udp, 'PARSER').find((option) => option.startsWith('Regex'))
    expect(expression).toStartWith('Regex ^<[0-9]{1,3}>(?<time>')
    expect(udp.warnings).toEqual([])
  })

  test('has its transport and its framing', () => {
    const of = (lines: string): string[] =>
      optionsOf(read(source(`@type syslog\ntag s\n${lines}`)), 'INPUT', 'syslog')
    expect(of('protocol_type tcp\nframe_type octet_count\nmessage_length_limit 4k')).toEqual([
      'Tag s.*',
      'Mode tcp',
      'Format octet_counting',
      'Buffer_Max_Size 4096',
      'Parser parse.0',
    ])
    const tls = of('<transport tls>\ncert_path /c\nprivate_key_path /k\n</transport>')
    expect(tls).toEqual([
      'Tag s.*',
      'Mode tcp',
      'tls on',
      'tls.crt_file /c',
      'tls.key_file /k',
      'Parser parse.0',
    ])
  })

  test('reads the expression of a parser after the priority, and refuses one for which that is not known', () => {
    const of = (lines: string) => translated(source(`@type syslog\ntag s\n${parse(lines)}`))
    const expression = (lines: string): string | undefined =>
      optionsOf(of(lines), 'PARSER').find((option) => option.startsWith('Regex'))
    expect(expression('@type regexp\nexpression /^(?<a>x|y[|])$/')).toBe('Regex /^<[0-9]{1,3}>(?<a>x|y[|])$/')
    expect(expression('@type none')).toBe('Regex /\\A<[0-9]{1,3}>(?<message>.*)\\z/m')
    expect(expression('@type syslog\nmessage_format auto\nwith_priority true')).toStartWith(
      'Regex ^<[0-9]{1,3}>(?:1 ',
    )
    // The type of the parser has a default in this source.
    expect(expression('message_format rfc5424')).toBe(expression('@type syslog\nmessage_format rfc5424'))
    expect(expression('message_format rfc5424')).toStartWith('Regex ')
    for (const lines of [
      '@type json',
      '@type regexp\nexpression /(?<a>x)/',
      '@type regexp\nexpression /^(?<a>x)|y/',
    ])
      expect(of(lines).reported[0]).toContain('cannot read a message after its priority')
  })

  test('refuses fields that the tag has, and says how to add them', () => {
    const result = translated(source('@type syslog\ntag s\nseverity_key level\nfacility_key f'))
    expect(result.reported).toHaveLength(2)
    expect(result.hints.join()).toContain('${tag_parts[-1]}')
    expect(result.hints.join()).toContain('${tag_parts[-2]}')
  })
})

describe('the source http', () => {
  test('answers as fluentd does, and says which bodies it reads', () => {
    const http = read(
      source(
        '@type http\nbind ::1\nbody_size_limit 8m\nkeepalive_timeout 5s\nadd_remote_addr true\nadd_http_headers false',
      ),
    )
    expect(optionsOf(http, 'INPUT', 'http')).toEqual([
      'Listen ::1',
      'Buffer_Max_Size 8388608',
      'http_server.idle_timeout 5s',
      'Add_Remote_Addr on',
      'Successful_Response_Code 200',
    ])
    expect(http.warnings.join()).toContain('application/json')
    expect(optionsOf(read(source('@type http\nuse_204_response')), 'INPUT')).toContain(
      'Successful_Response_Code 204',
    )
  })

  test('refuses what would add fields to records, other bodies, and browsers', () => {
    const faults = (lines: string): string[] => translated(source(`@type http\n${lines}`)).reported
    for (const line of ['add_http_headers true', 'cors_allow_origins ["*"]', 'add_tag_prefix x'])
      expect(faults(line)[0]).toContain(`"${line.split(' ')[0]}" is not supported`)
    expect(faults(parse('@type ltsv'))[0]).toContain('<parse> of type ltsv')
    expect(faults(JSON_PARSE)).toEqual([])
  })
})

describe('the source exec', () => {
  test('runs at an interval, also of less than a second, and reads columns unless told otherwise', () => {
    const columns = read(source('@type exec\ntag e\ncommand df\nkeys a,b\ntime_key a\nrun_interval 1.5'))
    expect(optionsOf(columns, 'INPUT', 'exec')).toEqual([
      'Tag e',
      'Command df',
      'Interval_Sec 1',
      'Interval_Nsec 500000000',
      'Parser parse.0',
    ])
    expect(optionsOf(columns, 'PARSER').toSorted()).toEqual([
      'Format regex',
      'Regex ^(?<a>[^\\t]*)(?:\\t(?<b>.*))?$',
      'Time_Format epoch',
      'Time_Key a',
      'Time_System_Timezone on',
    ])
    const json = read(source(`@type exec\ntag e\ncommand x\n${JSON_PARSE}`))
    expect(optionsOf(json, 'INPUT')).toEqual(['Tag e', 'Command x', 'Oneshot on', 'Parser parse.0'])
  })

  test('refuses what takes the tag or the time from fields, and stderr', () => {
    const faults = (lines: string): string[] =>
      translated(source(`@type exec\ntag e\ncommand x\nkeys a\n${lines}`)).reported
    expect(faults('tag_key k')[0]).toContain('"tag_key" is not supported')
    expect(faults('<extract>\ntag_key k\n</extract>')[0]).toContain('<extract> is not supported')
    expect(faults('connect_mode read_with_stderr')[0]).toContain('read_with_stderr is not supported')
    expect(faults('run_interval 0')[0]).toContain('"run_interval" must be a time')
  })
})
