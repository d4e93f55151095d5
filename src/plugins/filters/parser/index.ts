import { defineFilter } from '../../../core/plugin.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { PARSER_FILTER_OPTIONS } from './options.ts'
import { ParserFilter } from './parser-filter.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'parser',
  summary: 'Replaces records by what a parser reads in one of their fields.',
  description: `For files, use \`Parser\` of the input tail instead: it parses with less work.

The record gets the fields of the text, and its time if the parser has read one. With Reserve_Data the other fields follow, as
they were. Without it, they are discarded. A record whose text no parser can read goes on unchanged, as one without the field or with
another value than text does.

A field that is in the text and in the record has the value that it had in the record; fluent-bit writes both, of which readers of JSON
show the same one. If Key_Name is a record accessor such as \`$a['b']\`, Reserve_Data also keeps the field that was parsed, and Preserve_Key
has no effect, as in fluent-bit.

With the example below, \`{"log":"GET /a 200","host":"web1"}\` becomes \`{"method":"GET","path":"/a","code":200,"host":"web1"}\`.`,
  options: PARSER_FILTER_OPTIONS,
  example: `[PARSER]
    Name   request
    Format regex
    Regex  ^(?<method>[A-Z]+) (?<path>\\S+) (?<code>\\d+)$
    Types  code:integer

[FILTER]
    Name         parser
    Match        app.*
    Key_Name     log
    Parser       request
    Reserve_Data on
`,
  counters: {
    parse_failed: 'records with a text that no parser could read',
    time_failed: 'records whose time could not be read; they keep the time that they had',
    unmatched: {
      help: 'records that no parser could read, or without a text, that do not just go on, by Unmatched',
      reasons: { error_label: 'sent to the label @ERROR', drop: 'discarded' },
    },
    ...regexCounter('parser'),
  },
  errorRecords: ({ unmatched }) =>
    unmatched === 'error_label' ? 'records that no parser can read' : undefined,
  keepsPlaces: ({ unmatched }) => unmatched === 'pass',
  create: (options, ctx) => new ParserFilter(options, ctx),
})
