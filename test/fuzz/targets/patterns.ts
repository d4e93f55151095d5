import { encodeStr } from '../../../src/core/msgpack/encode.ts'
import { RecordAccessor } from '../../../src/core/msgpack/record.ts'
import { matchTag } from '../../../src/core/tag.ts'
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
  ],
  seeds: () => [
    `${'a*'.repeat(20)}b\n${'a'.repeat(120)}`,
    'kube.*.log\nkube.var.log',
    "$kubernetes['labels']['app'][0]\nx",
    '*_[0-9]?[!a].log\nx_1a.log',
    '[z-a]\\\n[z-a]',
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
    must(matchTag(`${pattern}*`, name) || !found[0], 'a star more matches less')
    const accessor = RecordAccessor.parse(pattern)
    const at =
      accessor?.find(Buffer.concat([Buffer.from([0x81]), encodeStr('a'), Buffer.from([0x91, 1])]), 0, 5) ?? -1
    must(at >= -1 && at < 5, () => `an offset of ${at}`)
    const distance = editDistance(pattern.slice(0, 50), name.slice(0, 50))
    return `${found.join()} ${accessor !== undefined} ${at >= 0} ${size(distance)} ${pattern.replaceAll(/\w/g, '').slice(0, 4)}`
  },
}
