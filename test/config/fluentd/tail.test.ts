import { describe, expect, test } from 'bun:test'
import { optionsOf, type Translated, translated } from './reading.ts'

function source(lines: string, parse = '@type none'): string {
  const section = parse === '' ? '' : `  <parse>\n    ${parse.replaceAll('\n', '\n    ')}\n  </parse>\n`
  return `<source>\n  @type tail\n  tag t\n  ${lines.replaceAll('\n', '\n  ')}\n${section}</source>\n`
}

function tail(lines: string, parse?: string): string[] {
  const result = translated(source(lines, parse))
  expect(result.reported).toEqual([])
  return optionsOf(result, 'INPUT', 'tail')
}

function parser(parse: string): { options: string[]; result: Translated } {
  const result = translated(source('path /a', parse))
  expect(result.reported).toEqual([])
  return { options: optionsOf(result, 'PARSER'), result }
}

describe('the source tail', () => {
  test('becomes the input tail, and lines have the key message', () => {
    const result = translated(
      '<source>\n  @type tail\n  @id logs\n  @label @L\n  path /var/log/a.log, /var/log/b-*.log\n  tag app.*\n  read_from_head true\n  path_key file\n  refresh_interval 30s\n  rotate_wait 0\n  <parse>\n    @type none\n  </parse>\n</source>\n<label @L>\n  <match>\n    @type null\n  </match>\n</label>\n',
    )
    expect(result.reported).toEqual([])
    expect(result.warnings).toEqual([])
    expect(result.sections.find(({ name }) => name === 'tail')).toEqual({
      kind: 'INPUT',
      name: 'tail',
      label: '@L',
      options: [
        'Alias logs',
        'Read_From_Head on',
        'Path_Key file',
        'Refresh_Interval 30s',
        'Path /var/log/a.log',
        'Path /var/log/b-*.log',
        'Tag app.*',
        'Rotate_Wait 1ms',
        'Key message',
      ],
    })
  })

  test('keeps positions next to pos_file, which is read once', () => {
    expect(tail('path /a\npos_file /var/td/a.pos')).toContain('DB /var/td/a.pos.shipper.db')
    expect(tail('path /a\npos_file /var/td/a.pos')).toContain('Pos_File_Seed /var/td/a.pos')
  })

  test('follows every date of a path, and says so', () => {
    const result = translated(source('path /a/%Y%m%d.log'))
    expect(optionsOf(result, 'INPUT')).toContain('Path /a/[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].log')
    expect(result.notes.some((note) => note.includes('the date in /a/%Y%m%d.log'))).toBe(true)
    const head = translated(source('path /a/%Y.log\nread_from_head true'))
    expect(head.warnings).toEqual([
      'f.conf:4:8: [tail] the date in /a/%Y.log is a pattern here: files of every date are followed, those of earlier dates from their beginning',
    ])
  })

  test('has only * in paths, unless glob_policy allows more', () => {
    expect(tail('path /a/[x]?.log')).toContain('Path /a/\\[x\\]\\?.log')
    expect(tail('path /a/[xy]?.log\nglob_policy extended')).toContain('Path /a/[xy]?.log')
    const braces = tail('path /a/{x,y}.log|/b\nglob_policy always\npath_delimiter |')
    expect(braces.filter((option) => option.startsWith('Path '))).toEqual([
      'Path /a/x.log',
      'Path /a/y.log',
      'Path /b',
    ])
  })

  test('searches ** to a limited depth, with a warning', () => {
    const result = translated(source('path /a/**/*.log'))
    const paths = optionsOf(result, 'INPUT').filter((option) => option.startsWith('Path '))
    expect(paths.slice(0, 3)).toEqual(['Path /a/*.log', 'Path /a/*/*.log', 'Path /a/*/*/*.log'])
    expect(result.warnings[0]).toContain('** in /a/**/*.log stands for at most 5 directories')
  })

  test('excludes what exclude_path lists, as JSON or with commas', () => {
    const excluded = (text: string): string[] =>
      tail(`path /a\nexclude_path ${text}`).filter((option) => option.startsWith('Exclude_Path'))
    expect(excluded('["/a/*.gz", "/b"]')).toEqual(['Exclude_Path /a/*.gz', 'Exclude_Path /b'])
    expect(excluded('/a/*.gz,/b')).toEqual(['Exclude_Path /a/*.gz', 'Exclude_Path /b'])
  })

  test('reads sizes as powers of 1024, and skips longer lines as fluentd does', () => {
    expect(tail('path /a\nmax_line_size 2m')).toContain('Buffer_Max_Size 2097152')
    expect(tail('path /a\nmax_line_size 2m')).toContain('Skip_Long_Lines on')
  })

  test('converts from an encoding, and refuses one that it does not know', () => {
    expect(tail('path /a\nencoding utf-8\nfrom_encoding windows-1252')).toContain('Generic.Encoding Win1252')
    expect(tail('path /a\nfrom_encoding Shift_JIS\nencoding UTF-8')).toContain('Generic.Encoding ShiftJIS')
    expect(tail('path /a\nfrom_encoding utf-16le\nencoding UTF-8')).toContain('Unicode.Encoding UTF-16LE')
    expect(tail('path /a\nencoding UTF-8').some((option) => option.includes('Encoding'))).toBe(false)
    expect(translated(source('path /a\nfrom_encoding EBCDIC')).reported).toEqual([
      'f.conf:5:17: [tail] the encoding EBCDIC cannot be read',
    ])
  })

  test('without tag or <parse> is a problem, as in fluentd', () => {
    const result = translated('<source>\n  @type tail\n  path /a\n</source>\n')
    expect(result.reported).toEqual([
      'f.conf:1:1: [tail] "tag" is missing',
      'f.conf:1:1: [tail] <parse> is missing',
    ])
  })

  test('warns of an unknown parameter with the nearest name, and of one without effect with the reason', () => {
    const result = translated(
      source('path /a\nread_form_head true\nread_bytes_limit_per_second 8192\nread_lines_limit 10'),
    )
    expect(result.warnings).toEqual([
      'f.conf:5:3: [tail] unknown parameter "read_form_head" (did you mean read_from_head?): it has no effect',
      'f.conf:6:3: [tail] "read_bytes_limit_per_second" has no effect: the outputs’ acknowledgements determine the read rate',
    ])
    expect(result.notes.some((note) => note.startsWith('f.conf:7:3: [tail] "read_lines_limit"'))).toBe(true)
  })

  test('leaves lines of containers as they are with @type none', () => {
    const result = translated(source('path /var/log/containers/*.log'))
    expect(optionsOf(result, 'PARSER')).toContain('Regex ^(?<message>.*)$')
    expect(optionsOf(result, 'INPUT')).toContain('Parser parse.0')
  })
})

describe('a parser', () => {
  test('of JSON has the time in seconds, or in time_format; unparsed lines have the key unmatched_line', () => {
    expect(parser('@type json').options).toEqual([
      'Format json',
      'Time_Format epoch',
      'Time_System_Timezone on',
    ])
    const { options, result } = parser(
      '@type json\ntime_key ts\ntime_format %Y-%m-%dT%H:%M:%S.%NZ\nkeep_time_key true',
    )
    expect(options).toEqual([
      'Format json',
      'Time_Key ts',
      'Time_Format %Y-%m-%dT%H:%M:%S.%L%z',
      'Time_Keep on',
      'Time_System_Timezone on',
    ])
    expect(optionsOf(result, 'INPUT')).toContain('Key unmatched_line')
    expect(optionsOf(result, 'INPUT')).toContain('Parser parse.0')
  })

  test.each([
    ['timezone +09:00', 'Time_Offset +0900'],
    ['timezone Asia/Tokyo', 'Time_Zone Asia/Tokyo'],
    ['time_type unixtime', 'Time_Format epoch'],
    ['time_format %iso8601', 'Time_Format %Y-%m-%dT%H:%M:%S.%L%z'],
    ['time_format %d/%b/%Y:%T %z', 'Time_Format %d/%b/%Y:%T %z'],
    ['time_format %s.%3N', 'Time_Format %s.%L'],
  ])('with %s has the option %s', (line, option) => {
    expect(parser(`@type json\n${line}`).options).toContain(option)
  })

  test('is in UTC with utc or without localtime', () => {
    for (const line of ['utc true', 'localtime false', 'utc'])
      expect(parser(`@type json\n${line}`).options).not.toContain('Time_System_Timezone on')
  })

  test('with an expression has it unchanged, and types', () => {
    const { options } = parser(
      '@type regexp\nexpression /^(?<a>\\d+) (?<time>.*)$/i\ntypes a:integer, b:float,c:string\ntime_format %s',
    )
    expect(options).toContain('Regex /^(?<a>\\d+) (?<time>.*)$/i')
    expect(options).toContain('Types a:integer b:float c:string')
  })

  test('has types as JSON too, and warns of those that are not there', () => {
    const { options, result } = parser('@type ltsv\ntypes {"a":"integer","t":"time"}')
    expect(options).toContain('Types a:integer')
    expect(result.warnings[0]).toContain('the type time of t is not supported')
  })

  test('of access logs has the fields and types of fluentd', () => {
    const { options } = parser('@type apache2')
    expect(options).toContain('Types code:integer size:integer')
    expect(options).toContain('Time_Format %d/%b/%Y:%H:%M:%S %z')
    expect(parser('@type nginx').options.some((option) => option.includes('http_x_forwarded_for'))).toBe(true)
  })

  test('of tsv is an expression', () => {
    const { options } = parser('@type tsv\nkeys a,b\ntime_key a')
    expect(options).toContain('Regex ^(?<a>[^\\t]*)(?:\\t(?<b>.*))?$')
  })

  test('of cri drops the time, and adds the fields of a message in JSON', () => {
    expect(parser('@type cri').options).toEqual(['Format cri', 'Time_Keep off'])
    const inner = parser('@type cri\n<parse>\n  @type json\n</parse>').options
    expect(inner).toContain('Format regex')
    expect(inner).toContain('Decode_Field json message')
  })

  test('of klog lines has its time, also for messages of several lines', () => {
    const { options } = parser('@type kubernetes')
    expect(options).toContain('Time_Format %m%d %H:%M:%S.%L')
    const several = translated(source('path /a\nmultiline_flush_interval 5s', '@type multiline_kubernetes'))
    expect(several.reported).toEqual([])
    expect(optionsOf(several, 'INPUT')).toContain('Multiline on')
  })

  test('of several formats is that of container runtimes when they are its patterns', () => {
    const pattern = (lines: string): string => `<pattern>\n${lines}\n</pattern>\n`
    const json = pattern('format json\ntime_key time\ntime_format %Y-%m-%dT%H:%M:%S.%NZ\nkeep_time_key true')
    const cri = pattern(
      'format regexp\nexpression /^(?<time>.+) (?<stream>stdout|stderr)( (?<logtag>.))? (?<log>.*)$/',
    )
    const result = translated(source('path /var/log/containers/*.log', `@type multi_format\n${json}${cri}`))
    expect(result.reported).toEqual([])
    expect(optionsOf(result, 'INPUT')).toEqual([
      'Path /var/log/containers/*.log',
      'Tag t',
      'Key log',
      'multiline.parser docker, cri',
    ])
    const other = translated(source('path /a', `@type multi_format\n${json}${pattern('format none')}`))
    expect(other.reported).toEqual(['f.conf:6:11: [parse] there is no parser "multi_format"'])
  })

  test('that is not there is a problem with what stands in', () => {
    const result = translated(source('path /a', '@type csv\nkeys a,b'))
    expect(result.reported).toEqual(['f.conf:6:11: [parse] there is no parser "csv"'])
    expect(result.hints[0]).toContain('@type regexp')
  })

  test('of several lines reads the first one, and the others are appended', () => {
    const parse =
      '@type multiline\nformat_firstline /^\\d{4}-/\nformat1 /^(?<time>[^ ]+) /\nformat2 /(?<message>.*)/\ntime_format %Y-%m-%d'
    const result = translated(source('path /a\nmultiline_flush_interval 2s', parse))
    expect(result.reported).toEqual([])
    expect(optionsOf(result, 'PARSER')).toContain('Regex ^(?<time>[^ ]+) (?<message>.*)')
    const input = optionsOf(result, 'INPUT')
    for (const option of ['Multiline on', 'Parser_Firstline parse.0', 'Multiline_Flush 2s'])
      expect(input).toContain(option)
  })

  test('of several lines is refused when its expression goes over lines, and warns if it does not end with the rest', () => {
    const open = '@type multiline\nformat_firstline /^x/\nformat1 /^(?<a>\\w+) (?<b>\\d+)/'
    const warned = translated(source('path /a', open))
    expect(warned.reported).toEqual([])
    expect(warned.warnings[0]).toContain('the other lines are appended to its last field')
    const parse = '@type multiline\nformat_firstline /^x/\nformat1 /^(?<a>\\w+)\\n(?<b>\\d+)$/'
    const result = translated(source('path /a', parse))
    expect(result.reported).toEqual([
      'f.conf:8:13: [parse multiline] an expression over several lines is not supported',
    ])
    expect(result.hints[0]).toContain('(?<message>.*)')
  })
})

describe('the source tail of fluentd 0.12', () => {
  test('has the format in its own section, by name or as an expression', () => {
    const json = translated(
      '<source>\n  type tail\n  format json\n  time_key t\n  path /a\n  tag x\n</source>\n',
    )
    expect(json.reported).toEqual([])
    expect(optionsOf(json, 'PARSER')).toEqual([
      'Format json',
      'Time_Key t',
      'Time_Format epoch',
      'Time_System_Timezone on',
    ])
    const regex = translated(
      '<source>\n  type tail\n  format /^(?<level>\\w+) (?<message>.*)$/\n  path /a\n  tag x\n</source>\n',
    )
    expect(optionsOf(regex, 'PARSER')).toContain('Regex /^(?<level>\\w+) (?<message>.*)$/')
    expect(regex.warnings).toEqual([])
  })

  test('has the patterns of several formats', () => {
    const patterns =
      '<pattern>\nformat json\n</pattern>\n<pattern>\nformat /^(?<time>.+) (?<stream>stdout|stderr) (?<log>.*)$/\n</pattern>\n'
    const result = translated(
      `<source>\ntype tail\nformat multi_format\n${patterns}path /a\ntag x\n</source>\n`,
    )
    expect(result.reported).toEqual([])
    expect(optionsOf(result, 'INPUT')).toContain('multiline.parser docker, cri')
  })

  test('has messages of several lines', () => {
    const result = translated(
      '<source>\n  type tail\n  format multiline\n  format_firstline /^\\[/\n  format1 /^\\[(?<time>[^\\]]*)\\] (?<message>.*)/\n  path /a\n  tag x\n</source>\n',
    )
    expect(result.reported).toEqual([])
    expect(optionsOf(result, 'INPUT')).toContain('Multiline on')
  })
})
