import type { BufferSource } from '../../../src/core/buffer-source.ts'
import { Chunk, type ChunkInit } from '../../../src/core/chunk.ts'
import { MULTILINE_OPTIONS } from '../../../src/core/multiline.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Ack, FilterContext } from '../../../src/core/plugin.ts'
import { spec } from '../../../src/plugins/filters/multiline/index.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../support/engine/chunk-of.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { LaterList } from '../../support/later.ts'
import { must, size, type Target } from '../target.ts'

const TRACES = 'java,python,go,ruby,node,dotnet,php,rust,dart,own'
const OWN = parseOptions(MULTILINE_OPTIONS, {
  type: 'regex',
  rule: ['"start_state" "/^(\\w+:)? *begin/" "in"', '"in" "/^ +\\S/" "in"', '"in" "/^(a+)+$/" "in"'],
} as never)
const LIMIT_BYTES = 2000
const LINES_PER_CHUNK = 7

/** Lines that are joined are neither lost, nor doubled, nor reordered. */
export const multiline: Target = {
  name: 'multiline',
  maxBytes: 6000,
  dictionary: [
    '\n',
    '\n\tat a.B.c(B.java:3)',
    '\nCaused by: x',
    '\nTraceback (most recent call last):',
    '\n  File "a.py", line 1',
    '\ngoroutine 1 [running]:',
    '\npanic: x',
    '\n    at f (a.js:1:2)',
    '\nbegin',
    '\n x',
    '\n\n',
    '2026-11-21 06:00:00 ',
    "\nthread 'main' panicked at",
    '\n#0 /a.php(3): f()',
    '\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!',
  ],
  seeds: () => [
    'java.lang.RuntimeException: x\n\tat a.B.c(B.java:3)\nCaused by: java.io.IOException: y\n\t... 3 more\ninfo',
    'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: x\nnext',
    'panic: runtime error\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:3 +0x1\nexit status 2',
    "Error: x\n    at f (a.js:1:2)\n    at async g (b.js:3:4)\nthread 'main' panicked at 'x', a.rs:1:2\nstack backtrace:\n   0: f",
    'begin\n x\n y\nother\n\nPHP Fatal error:  x in /a.php:3\nStack trace:\n#0 {main}\n  thrown in /a.php on line 3',
    "Unhandled exception. System.Exception: x\n   at A.B() in /a.cs:line 3\na.rb:1:in `f': x (E)\n\tfrom b.rb:2:in `g'",
  ],
  run(input) {
    const lines = input.toString('latin1').split('\n').slice(0, 300)
    const made = run(lines)
    const text = made.join('\n')
    // An empty line at the end of a text that ends with a line feed has no line feed of its own.
    must(text.replaceAll('\n', '') === lines.join(''), 'lines are lost, doubled or reordered')
    const longest = Math.max(0, ...made.map((each) => each.length))
    const longestLine = Math.max(0, ...lines.map((line) => Buffer.byteLength(line)))
    must(longest <= LIMIT_BYTES + longestLine + 2, () => `a record of ${longest} characters`)
    return `${size(lines.length)} ${size(made.length)} ${size(longest)}`
  },
}

function run(lines: readonly string[]): string[] {
  const buffers = new LooseBuffers()
  const clock = new ManualClock()
  const made = { texts: [] as string[] }
  const take = (chunk: Chunk): void => {
    if (chunk.count > 0) made.texts.push(...recordsOf(chunk).map(({ log }) => log as string))
    chunk.release()
  }
  const options = parseOptions(spec.options, { 'multiline.parser': TRACES } as never)
  const filter = spec.create(options, {
    name: 'multiline.0',
    buffers,
    clock,
    counters: { add() {} },
    multiline: (name: string) => (name === 'own' ? OWN : undefined),
    multilineBytes: LIMIT_BYTES,
    emit(init: ChunkInit, from: BufferSource, ack: Ack) {
      take(new Chunk(init, from))
      ack('delivered')
    },
  } as unknown as FilterContext)
  const deferrals: LaterList[] = []
  for (let at = 0; at < lines.length; at += LINES_PER_CHUNK) {
    const chunk = chunkOf(
      lines.slice(at, at + LINES_PER_CHUNK).map((log) => ({ log })),
      'app',
      buffers,
    )
    const deferral = new LaterList(buffers)
    filter.apply(chunk, deferral)
    take(chunk)
    deferral.settle('delivered')
    deferrals.push(deferral)
  }
  clock.advance(60_000)
  void filter.close?.()
  must(
    deferrals.every(({ kept }) => kept.every((outcome) => outcome === 'delivered')),
    'a chunk is not settled',
  )
  must(buffers.out.size === 0, () => `${buffers.out.size} buffers were not given back`)
  return made.texts
}
