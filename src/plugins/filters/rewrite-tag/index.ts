import { MASK } from '../../../core/mask-secrets.ts'
import { defineFilter, MAX_REROUTES } from '../../../core/plugin.ts'
import { isSecretPath } from '../../../core/secret-names.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import { COUNTERS } from './counters.ts'
import { MAX_TAG_BYTES } from './groups.ts'
import { REWRITE_TAG_OPTIONS } from './options.ts'
import { MAX_REWRITES, RewriteTag, withoutMatch } from './rewrite-tag.ts'
import { rulesOf } from './rule.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'rewrite_tag',
  summary: 'Gives records another tag by their values, and sends them to the beginning of the way under it.',
  description: `\`Rule KEY EXPRESSION NEW_TAG KEEP\`: a record whose text under KEY matches the expression gets the new tag and begins anew:
all filters and outputs that match the new tag get it, also filters before this one. With KEEP true the record goes on under its own tag
as well, after this filter. Of several rules the first that matches counts.

\`\`\`
[FILTER]
    Name   rewrite_tag
    Match  app.*
    Rule   $level ^(error|fatal)$ $1.$TAG[1] false
    Rule   $kubernetes['namespace_name'] ^shop$ shop.$kubernetes['pod_name'] true
\`\`\`

**Filters before this one see a record twice** if their Match fits the new tag, too, as \`Match *\` does: once under each tag. Of nest, the
second time replaces the map that the first one has made, with the loss of its pairs; other filters count or add twice. Give them a Match
that the new tag does not fit, such as \`app.*\`, or place them after this filter.

**The new tag** may have $0 to $9 (the text that the expression matches, and its groups), $TAG, $TAG[n] (a part of the tag between dots,
from 0) and fields of the record such as $key and $key['sub'][0]. A record for which one of them is missing keeps its tag (fluent-bit leaves
an empty part). So does one whose new tag would be empty, longer than ${MAX_TAG_BYTES} bytes, not UTF-8 or have control characters.
Such records are counted in \`not_rewritten\` with the reason, and the first of each reason is logged. KEY is a field; its value must be a
text, or the rule does not match. A rule is refused whose new tag none of its records could get: an empty or too long text, a
control character, $n without such a group in the expression. Blanks in an expression are written \`\\s\`, or the expression stands in quotation marks.

**Nothing is lost in between.** The position of a file moves when the outputs of both copies have acknowledged them. There is no second
input with a buffer of its own as in fluent-bit: what is on its way counts against Mem_Buf_Limit of the input, so it pauses instead of
losing records. The records of one chunk and tag become one chunk, and keep their order; its id is the same after a restart if
the lines are read in the same portions.

**Circles.** Records that come directly from the filter pass it unchanged, as in fluent-bit, so a new tag may match its own Match.
A record that comes back to a filter by way of other rewrite_tag filters gets no new tag from it a second time: it goes on under the tag
that it has. Nor does a record to which ${MAX_REWRITES} filters have given a tag already. Both are counted in \`not_rewritten\`. fluent-bit would send them in a circle
without an end. A configuration that always leads to a circle is refused at the start: two filters with a rule of the same KEY and
expression, each of which gives a fixed tag that the other one matches.

**Copies.** With KEEP true, filters that match each other's tags multiply records: five with Match * make 326 of one. Of the records of
one chunk of an input, at most ${MAX_REROUTES} times as many are sent on under new tags, by all filters together; what would be more keeps
its tag, and is counted in \`not_rewritten\` as \`copies\`.

**Processors and routes.** The records do not pass the processors of the input again, and they go to outputs by Match, not by the
routes of the input, as in fluent-bit. The filter cannot be a processor of an output.

**Configurations of fluentd.** \`<match> @type rewrite_tag_filter\` becomes this filter with Unmatched drop. The records begin at the first
step of the label that it stands in, or of a label that follows KEEP: \`Rule $level ^error$ error false @ERRORS\`. With \`not\` after
KEEP a rule is one for the records that its expression does not match.`,
  options: REWRITE_TAG_OPTIONS,
  example: '[FILTER]\n    Name   rewrite_tag\n    Match  app.*\n    Rule   $level ^error$ error.$TAG false\n',
  counters: COUNTERS,
  newTags: ({ rule, removeFromTag }, ofRecords) => {
    const cut = removeFromTag === undefined ? undefined : translateOnigmo(removeFromTag)
    const tag = ofRecords === undefined || cut === undefined ? ofRecords : withoutMatch(ofRecords, cut)
    return rulesOf(rule).map(({ key, expression, template, label, isNot }) => {
      const records = `${key} ${isNot ? 'does not match' : 'matches'} ${isSecretPath(key) ? MASK : expression}`
      return { pattern: template.pattern(tag), records, rule: `${isNot} ${key} ${expression}`, label }
    })
  },
  keepsPlaces: () => true,
  create: (options, ctx) => new RewriteTag(options, ctx),
})
