import { basename, dirname, resolve } from 'node:path'
import type { Chunk } from '../../../src/core/chunk.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { Entry } from '../../../src/lib/records/entry.ts'
import { TagText } from '../../../src/lib/records/template.ts'
import { ChosenPath } from '../../../src/plugins/outputs/file/chosen-path.ts'
import { spec } from '../../../src/plugins/outputs/file/index.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { kindOf, must, type Target } from '../target.ts'

const DIRECTORY = '/var/log/apps'
const SETTINGS = [
  { path: `${DIRECTORY}/$a/%Y`, file: '$b-$TAG.log' },
  { path: `${DIRECTORY}/x-$a$b` },
  { path: DIRECTORY, file: '$a$b' },
]
const PATHS = SETTINGS.flatMap((texts) =>
  ['on', 'off'].map((mkdir) => {
    const options = parseOptions(spec.options, { enable_strftime: 'on', mkdir, ...texts })
    return new ChosenPath(options as never)
  }),
)

/** Files that two fields and a tag choose: none is outside of the directory of Path, or cannot be a file there. */
export const chosenPath: Target = {
  name: 'chosen-path',
  maxBytes: 5000,
  dictionary: [
    '/',
    '..',
    '.',
    '../',
    '\0',
    '\n',
    '\xff',
    '\xe2\x80\xae',
    '%Y',
    '$a',
    ':',
    '\x1b',
    'x'.repeat(255),
  ],
  seeds: () => [
    'a\nb\nt',
    '../..\n..\n../x',
    '/etc\npasswd\n/a/b',
    '\n\n',
    `a/b\n${'x'.repeat(250)}\n${'y/'.repeat(99)}`,
  ],
  run(input) {
    const [a = Buffer.alloc(0), b = a, tag = a] = partsOf(input)
    const chunk = chunkOf([{ a: textOf(a), b: textOf(b) }], tag.toString())
    return PATHS.map((path) => kindAt(path, chunk)).join(' ')
  },
}

function kindAt(path: ChosenPath, chunk: Chunk): string {
  const [out, entry] = [new JsonText(), new Entry()]
  entry.read(chunk, chunk.start)
  if (!path.write(out, new TagText().set(chunk.tag), chunk.buf, entry)) return 'missing'
  const found = path.resolve(Buffer.from(out.bytes()), chunk.tag)
  if (typeof found === 'string') return kindOf(new Error(found))
  must(found.path === resolve(found.path), () => `${JSON.stringify(found.path)} is not normalized`)
  must(dirname(found.path).startsWith(DIRECTORY), () => `${JSON.stringify(found.path)} is elsewhere`)
  must(Buffer.byteLength(basename(found.path)) <= 255, 'the name is too long')
  must(!found.path.includes('\0'), 'the path contains NUL')
  return found.chosenBy
}

/** Returns the lines of the input, of which the last may contain newlines. */
function partsOf(input: Buffer): Buffer[] {
  const first = input.indexOf(0x0a)
  if (first < 0) return [input]
  const second = input.indexOf(0x0a, first + 1)
  const end = second < 0 ? input.length : second
  return [
    input.subarray(0, first),
    input.subarray(first + 1, end),
    input.subarray(Math.min(end + 1, input.length)),
  ]
}

/** Returns a text as such, and bytes that are none as bytes. */
function textOf(bytes: Buffer): unknown {
  const text = bytes.toString()
  return Buffer.from(text).equals(bytes) ? text : bytes
}
