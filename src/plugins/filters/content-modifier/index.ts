import { defineFilter } from '../../../core/plugin.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { ContentModifier } from './content-modifier.ts'
import { CONTENT_MODIFIER_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'content_modifier',
  summary: 'Changes one key of each record, or of its metadata.',
  description: `A processor of fluent-bit, which may also be a [FILTER] here. Several changes are several processors, in their order:

\`\`\`yaml
pipeline:
  inputs:
    - name: tail
      path: /var/log/app.log
      tag: app
      parser: json
      processors:
        logs:
          - {name: content_modifier, action: insert, key: team, value: shop}
          - {name: content_modifier, action: extract, key: request, pattern: '^(?<method>\\w+) (?<path>\\S+)'}
          - {name: content_modifier, action: convert, key: status, converted_type: int}
          - {name: content_modifier, action: rename, key: request, value: message}
  outputs:
    - {name: stdout, match: '*'}
\`\`\`

\`{"request":"GET /cart","status":"200"}\` becomes
\`{"message":"GET /cart","team":"shop","method":"GET","path":"/cart","status":200}\`.

**Values.** Value is always text: \`value: 1\` adds \`"1"\`; convert makes a number of it. Convert leaves a value that has no form of the
type as it is: a text that is not a number (\`12ms\`), or for boolean not true or false in upper or lower case (\`True\` is converted; any
other text is false in fluent-bit), null, a map. Hash takes the bytes of a text and the JSON of any other value; null and the empty text
stay. A record that lacks the key, or that Pattern does not match, is left as it is.

**Place.** What is added comes after the existing pairs, and a converted value moves there; renaming and hashing keep the place. If a
record has the key twice, the last value counts, and the others are removed, so that nothing deleted or hashed remains. Rename replaces
a key of the new name (in fluent-bit the record then has it twice).

**Limits.** A record on which Pattern reaches Regex_Step_Limit is left as it is and counted. Key may be a record accessor (in fluent-bit it
is always a name); nothing is added to a map that is missing. Metadata is kept by stdout and tcp with Format msgpack, and by forward
with Retain_Metadata_In_Forward_Mode; the other outputs send the record without it.`,
  options: CONTENT_MODIFIER_OPTIONS,
  example:
    '[FILTER]\n    Name   content_modifier\n    Match  *\n    Action upsert\n    Key    env\n    Value  production\n',
  counters: regexCounter('extract'),
  keepsPlaces: () => true,
  create: (options, ctx) => new ContentModifier(options, ctx),
})
