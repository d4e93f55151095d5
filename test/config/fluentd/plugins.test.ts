import { describe, expect, test } from 'bun:test'
import { optionsOf, type Translated, translated } from './reading.ts'

function read(text: string, env = {}): Translated {
  const result = translated(text, { env })
  expect(result.reported).toEqual([])
  return result
}

const match = (lines: string): string => `<match a.**>\n${lines}\n</match>\n`
const filter = (lines: string): string => `<filter a.**>\n${lines}\n</filter>\n`
const source = (lines: string): string => `<source>\n${lines}\n</source>\n`

describe('the source forward', () => {
  test('listens on loopback unless it has a bind, with a warning', () => {
    const loopback = read(source('type forward\nport 24225'))
    expect(optionsOf(loopback, 'INPUT', 'forward')).toEqual(['Port 24225'])
    expect(loopback.warnings).toEqual([
      'f.conf:1:1: port 24225 has no bind: listening on 127.0.0.1 only; add bind 0.0.0.0 for other machines (fluentd’s default)',
    ])
    const all = read(source('@type forward\nbind 0.0.0.0'))
    expect(optionsOf(all, 'INPUT', 'forward')).toEqual(['Listen 0.0.0.0'])
    expect(all.warnings).toEqual([])
  })

  test('refuses the tags of pods that a kubernetes_metadata filter behind it takes, with a warning', () => {
    const FORWARD = '@type forward\nbind ::1\n@label @IN'
    const pods = (pattern: string): string =>
      `<label @IN>\n<filter x.**>\n@type kubernetes_metadata\n</filter>\n<match **>\n@type relabel\n@label @PODS\n</match>\n</label>\n` +
      `<label @PODS>\n<filter ${pattern}>\n@type kubernetes_metadata\n</filter>\n</label>\n`
    const warnings = (from: string, pattern: string): string[] => read(source(from) + pods(pattern)).warnings
    expect(warnings(FORWARD, '**')[0]).toStartWith(
      'f.conf:1:1: [forward] senders may not use tags that begin with kubernetes.var.log.containers.,',
    )
    expect(warnings(FORWARD, 'kubernetes.var.log.containers.a_**')).toHaveLength(1)
    expect(warnings(`${FORWARD}\nadd_tag_prefix kubernetes`, '**')).toHaveLength(1)
    expect(warnings(`${FORWARD}\nadd_tag_prefix up`, '**')).toEqual([])
    expect(warnings(`${FORWARD}\ntag app`, '**')).toEqual([])
    expect(warnings(FORWARD, 'app.**')).toEqual([])
    expect(warnings('@type forward\nbind ::1', '**')).toEqual([])
    const off = read(source(`${FORWARD}\ntag_reserved off`) + pods('**'))
    expect(off.warnings).toEqual([])
    expect(optionsOf(off, 'INPUT', 'forward')).toContain('Tag_Reserved off')
  })

  test('keeps the TLS, the key and the port of secure_forward', () => {
    const secure = read(source('type secure_forward\nshared_key s\nself_hostname h\nbind ::1'))
    expect(optionsOf(secure, 'INPUT', 'forward').sort()).toEqual([
      'Listen ::1',
      'Port 24284',
      'Shared_Key s',
      'Tls on',
    ])
    expect(secure.warnings).toEqual([])
    const plain = read(source('type secure_forward\nshared_key s\nsecure no\nport 1'))
    expect(optionsOf(plain, 'INPUT', 'forward').sort()).toEqual(['Port 1', 'Shared_Key s'])
  })

  test('adds the dot to add_tag_prefix, and hands its key and TLS on', () => {
    const text = source(
      '@type forward\nadd_tag_prefix up\n<security>\nself_hostname h\nshared_key "#{ENV[\'K\']}"\n</security>\n<transport tls>\ncert_path /c\n</transport>',
    )
    const options = optionsOf(read(text, { K: 'secret' }), 'INPUT', 'forward')
    for (const option of ['Tag_Prefix up.', 'Shared_Key secret', 'Tls on']) expect(options).toContain(option)
  })

  test('is not left without its key when the variable is not set', () => {
    const { reported } = translated(
      source('@type forward\n<security>\nshared_key "#{ENV[\'NO\']}"\n</security>'),
    )
    expect(reported).toEqual(['f.conf:4:12: "shared_key" must be a string that is not empty, not ""'])
  })

  test('refuses what would add fields to records', () => {
    const result = translated(source('@type forward\nsource_address_key ip'))
    expect(result.reported).toEqual(['f.conf:3:1: [forward] "source_address_key" is not supported'])
  })
})

describe('the source systemd', () => {
  test('starts at the end, unless read_from_head', () => {
    const text = source(
      '@type systemd\ntag host\nmatches [{ "_SYSTEMD_UNIT": "kubelet.service" }, {"_SYSTEMD_UNIT": "docker.service"}]\n<storage>\n@type local\npath /var/log/cursor.json\n</storage>\n<entry>\nfields_strip_underscores true\n</entry>',
    )
    const result = read(text)
    expect(optionsOf(result, 'INPUT', 'systemd')).toEqual([
      'Tag host',
      'Read_From_Tail on',
      'Systemd_Filter _SYSTEMD_UNIT=kubelet.service',
      'Systemd_Filter _SYSTEMD_UNIT=docker.service',
      'Strip_Underscores on',
      'DB /var/log/cursor.json.shipper.db',
    ])
    expect(result.warnings[0]).toContain('is not taken over')
    expect(optionsOf(read(source('@type systemd\ntag h\nread_from_head true')), 'INPUT')).toEqual(['Tag h'])
  })

  test('has fields that must all match in one match, and refuses several of such', () => {
    const and = source('@type systemd\ntag h\nmatches [{"_UID": "0", "PRIORITY": "3"}]')
    expect(optionsOf(read(and), 'INPUT')).toContain('Systemd_Filter_Type and')
    const both = translated(
      source('@type systemd\ntag h\nmatches [{"_UID": "0", "PRIORITY": "3"}, {"_UID": "1"}]'),
    )
    expect(both.reported[0]).toContain('several matches')
  })
})

describe('other sources', () => {
  test('monitor_agent is the HTTP server at its address', () => {
    expect(optionsOf(read(source('@type monitor_agent')), 'SERVICE')).toEqual([
      'HTTP_Server on',
      'HTTP_Listen 127.0.0.1',
      'HTTP_Port 24220',
    ])
    expect(read(source('@type monitor_agent')).warnings[0]).toContain('port 24220 has no bind')
    expect(optionsOf(read(source('@type monitor_agent\nbind ::1\nport 1')), 'SERVICE')).toContain(
      'HTTP_Listen ::1',
    )
  })

  test('prometheus is the HTTP server too, at the address of monitor_agent when that is there', () => {
    const metrics = source('@type prometheus\nport 24000')
    expect(optionsOf(read(metrics), 'SERVICE')).toContain('HTTP_Port 24000')
    for (const text of [metrics + source('@type monitor_agent'), source('@type monitor_agent') + metrics]) {
      const result = read(text)
      expect(optionsOf(result, 'SERVICE')).toContain('HTTP_Port 24220')
      expect(result.warnings.some((line) => line.includes('one HTTP server, on port 24220'))).toBe(true)
    }
  })

  test('sample and dummy are the input dummy', () => {
    expect(
      optionsOf(read(source('@type sample\ntag t\nrate 5\nsample [{"a":1}]')), 'INPUT', 'dummy'),
    ).toEqual(['Tag t', 'Rate 5', 'Dummy {"a":1}'])
    expect(optionsOf(read(source('@type dummy\ntag t')), 'INPUT')).toContain('Dummy {"message":"dummy"}')
  })

  test('debug_agent has no effect', () => {
    const result = read(source('@type debug_agent'))
    expect(result.sections).toEqual([])
    expect(result.warnings[0]).toContain('debug_agent has no effect')
  })

  test('that are not there are named as missing', () => {
    const result = read(source('@type kafka\nport 9880') + source('@type s3\ntag s'))
    expect(result.missing).toEqual(['input kafka', 'input s3'])
  })
})

describe('filters', () => {
  test('record_transformer has its parameters as options, placeholders unchanged', () => {
    const text = filter(
      '@type record_transformer\nenable_ruby true\nauto_typecast false\nremove_keys msg, tmp\n<record>\nhost "#{Socket.gethostname}"\nns ${record.dig("kubernetes", "ns")}\nlist ["a", "b"]\n</record>',
    )
    const options = optionsOf(read(text), 'FILTER', 'record_transformer')
    for (const option of [
      'Enable_Ruby on',
      'Auto_Typecast off',
      'Remove_Keys msg,tmp',
      'Record ns ${record.dig("kubernetes", "ns")}',
      'Record list ["a","b"]',
    ])
      expect(options).toContain(option)
  })

  test('record_modifier adds fixed fields, and leaves others to record_transformer', () => {
    const fixed = filter('@type record_modifier\nremove_keys a,b\n<record>\nx y\n</record>')
    expect(optionsOf(read(fixed), 'FILTER', 'record_modifier')).toEqual([
      'Record x y',
      'Remove_Key a',
      'Remove_Key b',
    ])
    const dynamic = filter('@type record_modifier\nwhitelist_keys x\n<record>\nx ${tag}\n</record>')
    expect(optionsOf(read(dynamic), 'FILTER', 'record_transformer')).toEqual([
      'Enable_Ruby on',
      'Record x ${tag}',
      'Keep_Keys x',
      'Renew_Record on',
    ])
  })

  test('grep keeps what every <regexp> matches and no <exclude>', () => {
    const text = filter(
      '@type grep\n<regexp>\nkey level\npattern /warn|error/i\n</regexp>\n<exclude>\nkey $.k.ns\npattern ^kube-\n</exclude>\n<exclude>\nkey $["a b"]["c"][0]\npattern /x/\n</exclude>'.replace(
        'a b',
        'ab',
      ),
    )
    const result = read(text)
    expect(optionsOf(result, 'FILTER', 'grep')).toEqual([
      'Values_As_Text on',
      'Regex level (?i:warn|error)',
      "Exclude $k['ns'] ^kube-",
      "Exclude $ab['c'][0] x",
    ])
    expect(result.steps['']).toEqual(['a.** -> filter grep'])
  })

  test('grep has a filter of its own for <or> of regexp and for <and> of exclude', () => {
    const rule = (name: string, key: string): string => `<${name}>\nkey ${key}\npattern /x/\n</${name}>`
    const text = filter(
      `@type grep\n@id g\n<or>\n${rule('regexp', 'a')}\n${rule('regexp', 'b')}\n</or>\n<and>\n${rule('exclude', 'c')}\n${rule('exclude', 'd')}\n</and>\n<or>\n${rule('exclude', 'e')}\n</or>`,
    )
    const result = read(text)
    expect(result.sections.map(({ options }) => options)).toEqual([
      ['Alias g', 'Values_As_Text on', 'Exclude e x'],
      ['Values_As_Text on', 'Logical_Op OR', 'Regex a x', 'Regex b x'],
      ['Values_As_Text on', 'Logical_Op AND', 'Exclude c x', 'Exclude d x'],
    ])
  })

  test('grep has numbered rules in old files', () => {
    expect(
      optionsOf(read(filter('type grep\nregexp1 message ^a b\nexclude1 level debug')), 'FILTER'),
    ).toEqual(['Values_As_Text on', 'Regex message ^a b', 'Exclude level debug'])
  })

  test('kubernetes_metadata knows the tags of the sources, and adds no annotations', () => {
    const tail = source(
      '@type tail\npath /var/log/containers/*.log\ntag raw.*\n<parse>\n@type json\n</parse>',
    )
    const result = read(
      filter('@type kubernetes_metadata\nskip_labels true\nkubernetes_url https://k:6443/api') + tail,
    )
    expect(optionsOf(result, 'FILTER', 'kubernetes')).toEqual([
      'Kube_Tag_Prefix raw.var.log.containers.',
      'Kube_URL https://k:6443',
      'Labels off',
      'Annotations off',
    ])
    expect(result.notes.some((note) => note.includes('docker.container_id'))).toBe(true)
    expect(optionsOf(read(filter('@type kubernetes_metadata')), 'FILTER')[0]).toBe(
      'Kube_Tag_Prefix kubernetes.var.log.containers.',
    )
  })

  test('concat has its parameters as options', () => {
    const text = `${filter('@type concat\nkey log\nmultiline_start_regexp /^\\S/\nseparator ""\nflush_interval 5\ntimeout_label @N')}<label @N>\n</label>\n`
    expect(optionsOf(read(text), 'FILTER', 'concat')).toEqual([
      'Key log',
      'Multiline_Start_Regexp /^\\S/',
      'Flush_Interval 5',
      'Separator ""',
      'Timeout_Label @N',
    ])
  })

  test('concat has notes of what becomes of incomplete groups and long texts', () => {
    const of = (lines: string, more = ''): string[] =>
      read(filter(`@type concat\nkey m\n${lines}`) + more).notes
    const incomplete = 'a group that is not complete after flush_interval is sent on as it is'
    const mentions = (notes: string[], text: string): boolean => notes.some((note) => note.includes(text))
    expect(mentions(of(''), incomplete)).toBe(true)
    const ERROR = '<label @ERROR>\n<match>\n@type null\n</match>\n</label>\n'
    expect(mentions(of('', ERROR), incomplete)).toBe(false)
    expect(mentions(of('timeout_label @ERROR', ERROR), incomplete)).toBe(false)
    expect(mentions(of(''), 'at most Multiline_Buffer_Limit')).toBe(true)
    expect(mentions(of('buffer_limit_size 1k'), '"buffer_limit_size" has no effect')).toBe(true)
    const limited = of('buffer_limit_size 1k\nbuffer_overflow_method drop')
    expect(mentions(limited, 'fluentd drops it with drop')).toBe(true)
    expect(mentions(limited, 'has no effect')).toBe(false)
    expect(mentions(of('buffer_overflow_method new'), 'buffer_overflow_method')).toBe(false)
  })

  test('parser has its parameters as options, and what was parsed counts', () => {
    const JSON_PARSE = '<parse>\n@type json\n</parse>'
    const of = (lines: string, more = ''): string[] =>
      optionsOf(
        read(filter(`@type parser\nkey_name log\n${lines}\n${JSON_PARSE}`) + more),
        'FILTER',
        'parser',
      )
    expect(of('')).toEqual(['Key_Name log', 'Parser parse.0'])
    expect(of('reserve_data true\nreserve_time yes\ninject_key_prefix p.\nhash_value_field h')).toEqual([
      'Reserve_Data on',
      'Reserve_Time on',
      'Result_Prefix p.',
      'Result_Key h',
      'Key_Name log',
      'Preserve_Key on',
      'Collision parsed',
      'Parser parse.0',
    ])
    const removed = ['Reserve_Data on', 'Key_Name log', 'Collision parsed', 'Parser parse.0']
    expect(of('reserve_data true\nremove_key_name_field true')).toEqual(removed)
    const ERROR = '<label @ERROR>\n<match>\n@type null\n</match>\n</label>\n'
    expect(of('', ERROR)).toContain('Unmatched error_label')
    expect(of('emit_invalid_record_to_error false', ERROR)).toContain('Unmatched drop')
    expect(of('reserve_data true\nemit_invalid_record_to_error false').join()).not.toContain('Unmatched')
  })

  test('parser takes a path as a record accessor, and several patterns as several parsers', () => {
    const read1 = (lines: string): Translated => read(filter(`@type parser\n${lines}`))
    const parse = '<parse>\n@type json\n</parse>'
    const key = (name: string): string | undefined =>
      optionsOf(read1(`key_name ${name}\n${parse}`), 'FILTER', 'parser')[0]
    expect(['log', '$.log', '$.a.b', "$['a']['b c']"].map((name) => key(name))).toEqual([
      'Key_Name log',
      'Key_Name log',
      "Key_Name $a['b']",
      "Key_Name $a['b c']",
    ])
    const patterns =
      '<parse>\n@type multi_format\n<pattern>\nformat json\n</pattern>\n<pattern>\nformat /^(?<a>.)/\n</pattern>\n<pattern>\nformat none\n</pattern>\n</parse>'
    const several = read1(`key_name log\n${patterns}`)
    expect(optionsOf(several, 'FILTER', 'parser')).toEqual([
      'Key_Name log',
      'Parser parse.0',
      'Parser parse.1',
      'Parser parse.2',
    ])
    expect(several.sections.filter(({ kind }) => kind === 'PARSER').map(({ options }) => options[1])).toEqual(
      ['Time_Format epoch', 'Regex /^(?<a>.)/', 'Regex /\\A(?<message>.*)\\z/m'],
    )
  })

  test('parser has notes of what becomes of records that it cannot read, and of a nested key', () => {
    const parse = '<parse>\n@type json\n</parse>'
    const result = (lines: string): Translated => read(filter(`@type parser\n${lines}\n${parse}`))
    expect(result('key_name log').notes.join()).toContain('goes on unchanged, and is counted')
    const nested = result('key_name $.a.b\nreserve_data true\nremove_key_name_field true')
    expect(nested.warnings.join()).toContain('"remove_key_name_field" has no effect on a field within a map')
    const faults = (lines: string): string[] => translated(filter(`@type parser\n${lines}`)).reported
    expect(faults(parse)).toEqual(['f.conf:1:1: [parser] "key_name" is missing'])
    expect(faults('key_name log')).toEqual(['f.conf:1:1: [parser] <parse> is missing'])
    expect(faults(`key_name $.a..b\n${parse}`)[0]).toContain('is not a key or a record accessor')
    const multiline = 'format multiline\nformat_firstline /^a/\nformat1 /^(?<a>.*)/'
    expect(faults(`key_name log\n${multiline}`)[0]).toContain('is not a message of several lines')
  })

  test('stdout becomes the filter stdout, whose lines are those of fluent-bit', () => {
    const read_ = read(filter('@type stdout\n<format>\n@type json\n</format>'))
    expect(read_.reported).toEqual([])
    expect(read_.warnings).toEqual(['f.conf:3:1: [stdout] <format> has no effect: a line of text is written'])
    expect(read_.steps['']?.[0]).toEndWith('-> filter stdout')
  })
})

describe('the match forward', () => {
  test('has one server', () => {
    const text = match(
      '@type forward\nsend_timeout 60s\nheartbeat_type tcp\ncompress gzip\nrequire_ack_response true\n<server>\nname one\nhost a.example\nport 24225\nweight 60\n</server>',
    )
    const result = read(text)
    expect(optionsOf(result, 'OUTPUT', 'forward')).toEqual([
      'Net.Io_Timeout 1m',
      'Compress gzip',
      'Require_Ack_Response on',
      'Host a.example',
      'Port 24225',
    ])
    expect(result.warnings).toEqual([])
  })

  test('keeps the TLS, the key and the port of secure_forward', () => {
    const text = match(
      'type secure_forward\nshared_key s\nself_hostname h\nca_cert_path /ca\n<server>\nhost x\n</server>',
    )
    const result = read(text)
    expect(optionsOf(result, 'OUTPUT', 'forward').sort()).toEqual([
      'Host x',
      'Port 24284',
      'Self_Hostname h',
      'Shared_Key s',
      'Tls on',
      'Tls.Ca_File /ca',
    ])
    expect(result.warnings).toEqual([])
  })

  test('refuses a second one at its place, and asks for one', () => {
    const server = '<server>\nhost a\n</server>\n<server>\nhost b\nstandby\n</server>'
    const result = translated(match(`@type forward\n${server}`))
    expect(result.reported).toEqual([
      'f.conf:6:1: [forward] 2 servers are not supported yet: b (standby) would get nothing',
    ])
    expect(translated(match('@type forward')).reported[0]).toContain('there is no <server>')
  })
})

describe('buffers', () => {
  const buffered = (buffer: string): Translated => read(match(`@type stdout\n<buffer>\n${buffer}\n</buffer>`))

  test.each([
    ['flush_interval 5s', 'Flush 5s'],
    ['flush_interval 5', 'Flush 5s'],
    ['flush_mode immediate', 'Flush 100ms'],
    ['retry_wait 2s', 'Scheduler.Base 2s'],
    ['retry_max_interval 30', 'Scheduler.Cap 30s'],
    ['chunk_limit_size 512k', 'Chunk_Size 524288'],
  ])('%s is the option %s of the agent', (line, option) => {
    expect(optionsOf(buffered(line), 'SERVICE')).toEqual([option])
  })

  test('of several outputs have the shortest interval', () => {
    const buffer = (seconds: number): string =>
      match(`@type stdout\n<buffer>\nflush_interval ${seconds}s\n</buffer>`)
    expect(optionsOf(read(buffer(10) + buffer(3) + buffer(5)), 'SERVICE')).toEqual(['Flush 3s'])
  })

  test('retry forever, or as often as they say', () => {
    expect(optionsOf(buffered('retry_max_times 30'), 'OUTPUT')).toEqual(['Retry_Limit 30'])
    expect(optionsOf(buffered('retry_max_times 0'), 'OUTPUT')).toEqual(['Retry_Limit no_retries'])
    expect(optionsOf(buffered('retry_forever true\nretry_max_times 3'), 'OUTPUT')).toEqual([])
    expect(buffered('retry_timeout 1h').warnings[0]).toContain('records are kept until they are delivered')
  })

  test('never drop, and say so', () => {
    expect(buffered('overflow_action drop_oldest_chunk').warnings[0]).toContain('nothing is dropped')
    expect(buffered('@type file\npath /b\ntotal_limit_size 1g\noverflow_action block').warnings).toEqual([])
  })

  const senders = '<source>\n@type forward\n</source>\n'
  const inFiles = (buffer: string): Translated =>
    read(`${senders}${match(`@type stdout\n<buffer>\n@type file\n${buffer}\n</buffer>`)}`)

  test('in files keep on disk what comes from senders', () => {
    const result = inFiles(
      'path /var/log/fluent/app.*.buffer\ntotal_limit_size 8g\noverflow_action drop_oldest_chunk',
    )
    expect(result.warnings.filter((warning) => warning.includes('dropped'))).toEqual([])
    expect(optionsOf(result, 'SERVICE')).toEqual(['storage.path /var/log/fluent'])
    expect(optionsOf(result, 'INPUT', 'forward')).toContain('storage.type filesystem')
    expect(optionsOf(result, 'OUTPUT')).toEqual(['storage.total_limit_size 8589934592'])
    expect(result.notes.some((note) => note.includes('what fluentd has left there is not sent'))).toBe(true)
  })

  test('in files have a limit only if the oldest records are to be dropped', () => {
    const block = inFiles('path /b/\ntotal_limit_size 8g\noverflow_action block')
    expect(optionsOf(block, 'OUTPUT')).toEqual([])
    expect(
      block.notes.some((note) => note.includes('"total_limit_size" has no effect: the size of the disk')),
    ).toBe(true)
    // 64 GB is the default of fluentd.
    expect(optionsOf(inFiles('path /b\noverflow_action drop_oldest_chunk'), 'OUTPUT')).toEqual([
      'storage.total_limit_size 68719476736',
    ])
  })

  test('in files of several outputs are one, in the folder of the first', () => {
    const buffer = (path: string): string =>
      match(`@type stdout\n<buffer>\n@type file\npath ${path}\n</buffer>`)
    const result = read(`${senders}${buffer('/one')}${buffer('/two')}`)
    expect(optionsOf(result, 'SERVICE')).toEqual(['storage.path /one'])
    expect(
      optionsOf(result, 'INPUT', 'forward').filter((option) => option.startsWith('storage')),
    ).toHaveLength(1)
    expect(result.notes.some((note) => note.includes('one buffer for all outputs, in /one'))).toBe(true)
  })

  test('in files do not write again what is read from files', () => {
    const tail = '<source>\n@type tail\npath /x\ntag t\n<parse>\n@type none\n</parse>\n</source>\n'
    const result = read(`${tail}${match('@type stdout\n<buffer>\n@type file\npath /b\n</buffer>')}`)
    expect(result.sections.some(({ kind }) => kind === 'SERVICE')).toBe(false)
    expect(optionsOf(result, 'INPUT', 'tail').filter((option) => option.startsWith('storage'))).toEqual([])
    expect(result.notes.some((note) => note.includes('the file that is read is the buffer'))).toBe(true)
  })

  test('of fluentd 0.12 stand in the section of the output, and are named as written', () => {
    const result = read(
      match(
        'type stdout\nbuffer_type file\nbuffer_path /b\nflush_interval 7s\nmax_retry_wait 9\ndisable_retry_limit',
      ),
    )
    expect(optionsOf(result, 'SERVICE')).toEqual(['Flush 7s', 'Scheduler.Cap 9s'])
    expect(result.notes.some((note) => note.includes('"buffer_path" has no effect'))).toBe(true)
    expect(result.warnings).toEqual([])
  })

  test('with a <secondary> of files write their dead letters there', () => {
    const text = match(
      '@type forward\n<server>\nhost a\n</server>\n<secondary>\n@type secondary_file\ndirectory /d\nbasename x\n</secondary>',
    )
    expect(optionsOf(read(text), 'OUTPUT')).toContain('Dead_Letter_File /d/x.jsonl')
    const other = match(
      '@type forward\n<server>\nhost a\n</server>\n<secondary>\n@type forward\n</secondary>',
    )
    expect(read(other).warnings[0]).toContain('go to the dead letters')
  })
})

test('the match kinesis-aggregation has the options of the plugin, in the old form and the new one', () => {
  const old = match(
    'type kinesis-aggregation\nstream_name st\nregion us-east-1\naws_key_id k\naws_sec_key s\nrole_arn arn:aws:iam::123456789012:role/r\nexternal_id x\nfixed_partition_key foo\nhttp_proxy http://squid:3128/\nnum_threads 5\ndetach_process 2\ndebug true\ninclude_tag_key false\nbuffer_chunk_limit 300k',
  )
  expect(optionsOf(read(old), 'OUTPUT', 'kinesis_aggregation')).toEqual([
    'Stream_Name st',
    'Region us-east-1',
    'Aws_Key_Id k',
    'Aws_Sec_Key s',
    'Role_Arn arn:aws:iam::123456789012:role/r',
    'External_Id x',
    'Fixed_Partition_Key foo',
    'Http_Proxy http://squid:3128/',
    'Include_Tag_Key off',
  ])
  const { reported, warnings, notes } = read(old)
  expect(reported).toEqual([])
  expect(warnings.join()).toContain('"debug" has no effect')
  expect(notes.join()).toContain('"detach_process" has no effect: one process is enough')
  const now = match('@type kinesis-aggregation\nstream_name st\n<buffer>\nflush_thread_count 3\n</buffer>')
  expect(optionsOf(read(now), 'OUTPUT', 'kinesis_aggregation')).toEqual(['Stream_Name st'])
})

describe('the match kafka2', () => {
  test('names the topic by a field, and writes the record as it is', () => {
    const text = match(
      '@type kafka2\nbrokers k1:9092,k2:9092\ndefault_topic messages\nuse_event_time true\nrequired_acks -1\ncompression_codec gzip\n<format>\n@type json\n</format>\n<buffer topic>\nflush_interval 3s\n</buffer>',
    )
    expect(optionsOf(read(text), 'OUTPUT', 'kafka')).toEqual([
      'Brokers k1:9092,k2:9092',
      'Topics messages',
      'Topic_Key topic',
      'Dynamic_Topic on',
      'Message_Key_Field message_key',
      'Timestamp_Key off',
      'Format json',
      'Acks all',
      'Compression gzip',
    ])
  })

  test('has a fixed topic, the tag as topic, one field as the value, TLS and SASL', () => {
    const text = match(
      '@type kafka2\nbrokers ["k1:9092"]\ntopic ${tag}\nssl_ca_cert ["/ca.pem"]\nusername u\npassword p\nscram_mechanism sha256\n<format>\n@type single_value\nmessage_key log\n</format>',
    )
    const options = optionsOf(read(text), 'OUTPUT', 'kafka')
    for (const option of [
      'Topics $TAG',
      'Format raw',
      'Raw_Log_Key log',
      'Tls on',
      'Tls.Ca_File /ca.pem',
      'Sasl_Mechanism SCRAM-SHA-256',
    ])
      expect(options).toContain(option)
    expect(options).not.toContain('Topic_Key topic')
  })

  test('refuses zookeeper, Kerberos, other formats and <inject>, all at once', () => {
    const text = match(
      '@type kafka_buffered\nzookeeper z:2181\ndefault_topic t\nprincipal p\noutput_data_type ltsv\noutput_include_tag true\n<inject>\ntag_key tag\n</inject>',
    )
    expect(translated(text).reported).toEqual([
      'f.conf:3:1: [kafka_buffered] "zookeeper" is not supported',
      'f.conf:5:1: [kafka_buffered] "principal" is not supported',
      'f.conf:7:1: [kafka_buffered] "output_include_tag" is not supported',
      'f.conf:6:18: [kafka_buffered] the format ltsv is not supported',
      'f.conf:8:1: [kafka_buffered] <inject> is not supported',
    ])
  })
})

describe('the match file', () => {
  test('writes one file with the suffix of fluentd, and says that it is one', () => {
    const result = read(match('@type file\npath /out/app\nappend true\n<format>\n@type json\n</format>'))
    expect(optionsOf(result, 'OUTPUT', 'file')).toEqual([
      'Mkdir on',
      'Path /out',
      'File app.log',
      'Format plain',
    ])
    expect(result.warnings).toEqual([
      'f.conf:3:1: [file] there is one file, /out/app.log, not one for each timekey: let logrotate rotate it',
    ])
  })

  test('has a file for each tag', () => {
    expect(optionsOf(read(match('@type file\npath /out/${tag}')), 'OUTPUT')).toContain('Path /out/')
  })

  // The names are those of a real fluentd 1.19.
  test.each([
    ['path /a/docker.*.log\n<buffer time>\ntimekey 3600\n</buffer>', 'docker.%Y%m%d%H.log'],
    ['path /a/docker.*.log', 'docker.%Y%m%d.log'],
    ['path /a/old.*\ntime_slice_format %Y_%m_%d', 'old.%Y_%m_%d'],
  ])('has a date for the star in %s', (lines, file) => {
    expect(optionsOf(read(match(`@type file\n${lines}`)), 'OUTPUT', 'file')).toContain(`File ${file}`)
  })

  test('refuses compression', () => {
    const { reported } = translated(match('@type file\npath /a\ncompress gzip'))
    expect(reported).toEqual(['f.conf:4:10: [file] compressed files are not supported'])
  })

  test('names a file by the date of each record, and warns that it is in UTC', () => {
    const result = read(match('@type file\npath /a/%Y%m/%d'))
    expect(optionsOf(result, 'OUTPUT', 'file')).toEqual([
      'Mkdir on',
      'Path /a/%Y%m',
      'File %d.log',
      'Max_Dynamic_Files 0',
      'Enable_Strftime on',
    ])
    expect(result.warnings).toEqual([
      'f.conf:3:1: [file] dates in the path are in UTC; those of fluentd are in the zone of the machine without timekey_use_utc',
    ])
    const utc = '@type file\npath /a/%Y%m%d\n<buffer time>\ntimekey 1d\ntimekey_use_utc true\n</buffer>'
    expect(read(match(utc)).warnings).toEqual([])
  })

  test.each([
    ['/a/${tag}/x', '/a/$TAG', 'x.log'],
    ['/a/${tag[1]}-${app}.log', '/a', '$TAG[1]-$app.log'],
    [
      "/a/${$.kubernetes.namespace-name}x/${$['a']['b.c']}",
      "/a/$kubernetes['namespace-name']x",
      "$a['b.c'].log",
    ],
  ])('has a file for each %s', (path, directory, file) => {
    const result = read(match(`@type file\npath ${path}`))
    expect(optionsOf(result, 'OUTPUT', 'file')).toEqual([
      'Mkdir on',
      `Path ${directory}`,
      `File ${file}`,
      'Max_Dynamic_Files 0',
    ])
  })

  test.each([
    ['/a/${chunk_id}', 'the placeholder ${chunk_id} is not supported'],
    ['/a/${tag[-1]}', 'the placeholder ${tag[-1]} is not supported'],
    ['/a/${a-b}', 'the placeholder ${a-b} is not supported'],
    ['/a/${app}_x', '${app} is followed by "_", with which its name would go on here'],
    ['/a/${tag}s', '${tag} is followed by "s", with which its name would go on here'],
    ['/a/*.*.log', 'a second * is not supported'],
  ])('refuses %s', (path, fault) => {
    const { reported } = translated(match(`@type file\npath ${path}`))
    expect(reported).toEqual([`f.conf:3:6: [file] the path ${path} cannot be used: ${fault}`])
  })
})

test('<system> sets the log level; workers have no object', () => {
  const result = read('<system>\nlog_level fatal\nworkers 4\n<log>\nformat json\n</log>\n</system>\n')
  expect(optionsOf(result, 'SERVICE')).toEqual(['Log_Level error', 'Log_Format json'])
})

test('the match gelf sends to the same port and protocol', () => {
  const text = match('@type gelf\nhost graylog.example\nport 12202\nprotocol tcp\ntls true')
  expect(optionsOf(read(text), 'OUTPUT', 'gelf')).toEqual(['Host graylog.example', 'Port 12202', 'Mode tls'])
})

test('the match remote_syslog sends one field in the format of RFC 3164, or JSON with a warning', () => {
  const lines = '@type remote_syslog\nhost h\nfacility local0\nseverity err\nprogram app'
  const one = read(match(`${lines}\n<format>\n@type single_value\nmessage_key log\n</format>`))
  expect(optionsOf(one, 'OUTPUT', 'syslog')).toEqual([
    'Host h',
    'Syslog_Format rfc3164',
    'Mode udp',
    'Syslog_Appname_Preset app',
    'Syslog_Facility_Preset 16',
    'Syslog_Severity_Preset 3',
    'Syslog_Message_Key log',
  ])
  expect(one.warnings).toEqual([])
  expect(read(match(lines)).warnings).toEqual([expect.stringContaining('sent as JSON, not as ltsv')])
})
