import { defineFilter } from '../../../core/plugin.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { RECORD_TRANSFORMER_OPTIONS } from './options.ts'
import { RecordTransformer } from './transformer.ts'

const DESCRIPTION = `The filter of fluentd. Placeholders are \`\${tag}\`, \`\${tag_parts[n]}\`, \`\${tag_prefix[n]}\`, \`\${tag_suffix[n]}\` (n may be negative), \`\${hostname}\`, \`\${time}\`, \`\${record["key"]}\` and, which fluentd does not have, \`\${record["a"]["b"]}\`. What is missing is null, or nothing within a text. An unknown placeholder is a warning at the start, and \`__NAME__\`, which fluentd removes, stays.
**In files of fluent-bit’s formats** \`\${NAME}\` is a variable of the configuration if it has only letters, digits, \`_\` and \`.\`. Write
\`\${ tag }\`, \`\${ time }\` and \`\${ hostname }\` with blanks there; \`Record t \${tag}\` adds an empty text, with a warning. \`\${tag_parts[1]}\`
and \`\${record["key"]}\` are not names of variables and need no blanks.

**JSON.** A value that begins with \`{\` or \`[\` is JSON, so quotation marks in a placeholder are escaped:
\`Record meta {"text":"\${record[\\"msg\\"]}","parts":[1,"\${tag_parts[0]}"]}\`. What is not JSON is taken as text, with a warning.

With Enable_Ruby a placeholder is an expression in a part of Ruby, which is translated at the start; no Ruby runs, and nothing is evaluated as code:

\`\`\`
[FILTER]
    Name         record_transformer
    Match        *
    Enable_Ruby  on
    Record       level \${record["level"]&.downcase || "info"}
    Record       service \${tag_parts[1].upcase}
\`\`\`

With the tag \`app.cart\`, \`{"level":"WARN"}\` becomes \`{"level":"warn","service":"CART"}\`, and \`{"m":1}\` becomes
\`{"m":1,"level":"info","service":"CART"}\`. An expression may have:

- \`record["a"]["b"]\`, \`dig\`, \`fetch\`, \`key?\`, \`keys\`, \`values\`; \`tag\`, \`tag_parts\`, \`tag_prefix\`, \`tag_suffix\`, \`hostname\`, \`time\`, \`ENV["X"]\`, \`ENV.fetch\`, \`Socket.gethostname\`, \`Time.now\`, \`Time.at\`, \`Time.parse\` (RFC 3339), \`JSON.parse\`, \`JSON.generate\`
- strings in any quotes with \`#{...}\`, \`%w[...]\`, numbers, \`true\`, \`false\`, \`nil\`, lists, ranges as indexes, regular expressions
- \`||\` \`&&\` \`!\` \`or\` \`and\` \`not\` \`==\` \`!=\` \`<\` \`<=\` \`>\` \`>=\` \`=~\` \`!~\` \`+\` \`-\` \`*\` \`/\` \`%\` \`&.\` \`? :\` \`if\` \`unless\` \`rescue\`
- methods of strings: \`upcase\` \`downcase\` \`capitalize\` \`swapcase\` \`strip\` \`lstrip\` \`rstrip\` \`chomp\` \`chop\` \`gsub\` \`sub\` \`tr\` \`delete\` \`split\` \`scan\` \`partition\` \`rpartition\` \`match\` \`match?\` \`start_with?\` \`end_with?\` \`include?\` \`index\` \`slice\` \`[...]\` \`length\` \`bytesize\` \`reverse\` \`squeeze\` \`ljust\` \`rjust\` \`center\` \`lines\` \`chars\` \`ord\` \`hex\` \`to_i\` \`to_f\` \`scrub\` \`casecmp?\` \`delete_prefix\` \`delete_suffix\` \`empty?\`
- of numbers: \`round\` \`floor\` \`ceil\` \`abs\` \`zero?\` \`between?\`; of lists: \`first\` \`last\` \`take\` \`drop\` \`join\` \`compact\` \`uniq\` \`reverse\` \`include?\` \`size\`; of times: \`strftime\` \`utc\` \`getlocal\` \`iso8601\` \`to_i\` \`to_f\` \`year\` to \`sec\` \`nsec\`; of all: \`to_s\` \`inspect\` \`to_json\` \`nil?\` \`is_a?\`

Everything else (assignments, blocks, hashes, constants, other methods) is refused at the start with its text. An expression has at most 10,000 characters and 100 levels. The strings that the expressions make of one record have at most 1,000,000 characters plus 16 for each byte of the record. Regular expressions are subject to Regex_Step_Limit; their classes and \`i\` are ASCII.

When an expression fails on a record (\`nil.upcase\`), fluentd sends the record to the label @ERROR, and drops it without one. Here it goes to @ERROR if the configuration has that label, else it continues unchanged. Both are counted, and logged at most once a minute. Times as fields are text; bytes that are not UTF-8 stay as they are. Lists and maps within text look as in Ruby before 3.4: \`{"a"=>1}\`.`

export const spec = defineFilter({
  kind: 'filter',
  name: 'record_transformer',
  summary:
    'Adds, replaces and removes fields as fluentd does, with placeholders and expressions in a part of Ruby.',
  description: DESCRIPTION,
  options: RECORD_TRANSFORMER_OPTIONS,
  example: `[FILTER]
    Name        record_transformer
    Match       kube.*
    Record      host \${ hostname }
    Record      container \${tag_parts[1]}
    Remove_Keys $.kubernetes.labels
`,
  counters: {
    expression_failed: {
      help: 'records on which an expression failed',
      reasons: { error_label: 'sent to the label @ERROR', unchanged: 'continued unchanged' },
    },
    ...regexCounter('expression'),
  },
  errorRecords: ({ enableRuby }) => (enableRuby ? 'records on which an expression fails' : undefined),
  keepsPlaces: ({ enableRuby }) => !enableRuby,
  create: (options, ctx) => new RecordTransformer(options, ctx),
})
