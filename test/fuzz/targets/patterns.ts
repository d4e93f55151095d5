import { ShipperError } from '../../../src/core/error.ts'
import { encodeStr } from '../../../src/core/msgpack/encode.ts'
import { matchTag } from '../../../src/core/tag.ts'
import { checkAccessor, RecordAccessor } from '../../../src/lib/records/accessor.ts'
import { compileTagPatterns, type TagTest } from '../../../src/lib/tags/tag-pattern.ts'
import { editDistance } from '../../../src/lib/text/did-you-mean.ts'
import { escapePattern, NamePattern } from '../../../src/plugins/inputs/tail/discovery/fnmatch.ts'
import { must, size, type Target } from '../target.ts'

/** Patterns of tags, file names and fields, against names that others choose. */
export const patterns: Target = {
  name: 'patterns',
  maxBytes: 1000,
  dictionary: [
    '*',
    '?',
    '[a-z]',
    '[!',
    '[[:digit:]]',
    '\\',
    ']',
    '\n',
    "$a['b']",
    '[0]',
    'kube.',
    '.log',
    '\xf0\x9f\x98\x80',
    '**',
    '**.',
    '{a,',
    '}',
  ],
  seeds: () => [
    `${'a*'.repeat(20)}b\n${'a'.repeat(120)}`,
    'kube.*.log\nkube.var.log',
    "$kubernetes['labels']['app'][0]\nx",
    '*_[0-9]?[!a].log\nx_1a.log',
    '[z-a]\\\n[z-a]',
    `${'**.a'.repeat(50)}\n${'a.'.repeat(200)}b`,
    '{a.**,{b,c}.*}\na.b.c',
  ],
  run(input) {
    const [pattern = '', ...rest] = input.toString().split('\n')
    const name = rest.join('\n')
    const found = [
      matchTag(pattern, name),
      new NamePattern(pattern, false).test(name),
      new NamePattern(pattern, true).test(name),
    ]
    must(new NamePattern(escapePattern(name), false).test(name), 'an escaped name does not match itself')
    const tags = tagsOf(pattern)
    found.push(tags?.test(name) === true)
    must(
      tags === undefined || !found[3] || compileTagPatterns(['x', pattern]).test(name),
      'an alternative more matches less',
    )
    must(matchTag(`${pattern}*`, name) || !found[0], 'a star more matches less')
    const accessor = checkAccessor(pattern) === undefined ? RecordAccessor.parse(pattern) : undefined
    const at =
      accessor?.find(Buffer.concat([Buffer.from([0x81]), encodeStr('a'), Buffer.from([0x91, 1])]), 0, 5) ?? -1
    must(at >= -1 && at < 5, () => `an offset of ${at}`)
    const distance = editDistance(pattern.slice(0, 50), name.slice(0, 50))
    return `${found.join()} ${accessor !== undefined} ${at >= 0} ${size(distance)} ${pattern.replaceAll(/\w/g, '').slice(0, 4)}`
  },
}

/** Compiles the text as fluentd's tag patterns; undefined when it is refused. */
function tagsOf(text: string): TagTest | undefined {
  try {
    return compileTagPatterns([text])
  } catch (error) {
    if (error instanceof ShipperError) return undefined
    throw error
  }
}
