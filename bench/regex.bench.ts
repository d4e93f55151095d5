import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Backtracker } from '../src/lib/regex/backtracker.ts'
import { matcherOf } from '../src/lib/regex/line-matcher.ts'
import { TOO_MANY_STEPS } from '../src/lib/regex/match-result.ts'
import { translateOnigmo } from '../src/lib/regex/onigmo.ts'
import { compileWasm } from '../src/lib/regex/wasm/wasm-matcher.ts'

/**
 * Measures ns per line of the matchers alone, without newline search and fields: `bun bench/regex.bench.ts
 * [name ...]`. For each expression: the backtracker and the module, each in its first 2,000 lines and in its
 * best round; CPU time to compile the module; and memory at the end. Then, in ms of CPU, lines of 1 MB on which
 * expressions backtrack until they are done or at the budget: the first line, with the module, and the best of ten.
 */
const LINES = 2000
const ROUNDS = 300
const STEPS_PER_BYTE = 100
const MAX_STEPS = 1e9

const agent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36'
const seconds = (i: number): string => String(i % 60).padStart(2, '0')
const access = (i: number): string =>
  `10.1.${i % 256}.7 - user${i} [29/Nov/2026:10:00:${seconds(i)} +0000] "GET /api/v1/items/${i}?q=1 HTTP/1.1" 200 ${1000 + i} "-" "${agent}"`
const mongod = (i: number): string =>
  `2026-11-29T10:00:00.${100 + (i % 900)}+0000 I COMMAND  [conn${i}] command admin.$cmd appName: "shell" command: isMaster { isMaster: 1, client: { driver: { name: "x" }, n: ${i} } } numYields:0 reslen:${i} locks:{} protocol:op_msg ${i}ms`
const cri = (i: number): string => `2026-11-29T10:00:00.${100_000_000 + i}Z stdout F ${access(i)}`
const klog = (i: number): string =>
  `I1129 10:00:${seconds(i)}.${100_000 + i}       1 controller.go:${i}] "Reconciled the object" object="shop/web-${i}" duration="1.${i}ms" result="unchanged, nothing to do"`

/** fluent-bit's own expression. */
const NGINX =
  '^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "(?<method>\\S+)(?: +(?<path>[^\\"]*?)(?: +\\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\\"]*)" "(?<agent>[^\\"]*)")'
const CASES: [name: string, expression: string, line: (i: number) => string][] = [
  ['nothing', '\\A', access],
  ['nginx', builtIn('nginx'), access],
  ['nginx-stock', NGINX, access],
  ['mongodb', builtIn('mongodb'), mongod],
  ['cri', '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$', cri],
  [
    'klog',
    '^(?<level>[IWEF])(?<time>\\d{4} \\S+)\\s+(?<thread>\\d+) (?<source>[^:]+:\\d+)\\] (?<message>.*)$',
    klog,
  ],
  ['two-greedy', '^(?<a>.*) (?<b>.*)$', access],
  ['grep', 'error|warn|Safari', access],
]

/** Returns the expression of a parser of conf/parsers.conf. */
function builtIn(name: string): string {
  const file = readFileSync(resolve(import.meta.dirname, '../conf/parsers.conf'), 'utf8')
  const section = file.split('[PARSER]\n').find((text) => text.includes(`Name        ${name}\n`)) ?? ''
  return /Regex +(.*)/.exec(section)?.[1] ?? ''
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

interface Matcher {
  match(src: Buffer, start: number, end: number): number
}

/** Returns ns per line of the first round and of the best one. */
function measure(matcher: Matcher, src: Buffer): { first: number; best: number; matched: number } {
  let [first, best, matched] = [0, Number.POSITIVE_INFINITY, 0]
  for (let round = 0; round < ROUNDS; round++) {
    matched = 0
    const startedMs = performance.now()
    for (let start = 0; start < src.length; ) {
      const end = src.indexOf(10, start)
      matched += matcher.match(src, start, end)
      start = end + 1
    }
    const ns = ((performance.now() - startedMs) / LINES) * 1e6
    if (round === 0) first = ns
    best = Math.min(best, ns)
  }
  return { first, best, matched }
}

const LARGE_BYTES = 1_000_000
/** Expressions that backtrack, and the unit of a line that they do not match. */
const LARGE: [expression: string, unit: string][] = [
  ['^(?<a>(a+)+)$', 'a'],
  ['^(?<a>(x|xx)+)$', 'x'],
  ['^(?<a>(?:\\w+\\s?)+)$', 'word '],
  ['(?<a>.*.*.*x)', 'a'],
  ['^(?<a>(.*?,){11}P)', '1,'],
  ['(?<a>\\d+\\d+\\d+z)', '1'],
  ['(?<a>[a-z]+@[a-z]+)', 'a'],
  ['(?<a>[ab]{1,200}c)', 'ab'],
  ['^(?<a>(?:a?){30}a{30}b)', 'a'],
  ['(?<a>(a*)*b)', 'a'],
  ['(?<a>(?=(?:a+)+b).)', 'a'],
  ['^(?<a>.+)\\k<a>+x', 'ab'],
  ['(?<a>(?>a+)b)', 'a'],
]

function measureLarge(expression: string, unit: string): string {
  const matcher = matcherOf(translateOnigmo(expression))
  const src = Buffer.from(`${unit.repeat(LARGE_BYTES / unit.length)}!`)
  const times = Array.from({ length: 10 }, () => {
    const startedMs = cpuMs()
    const result = matcher.match(src, 0, src.length)
    return { ms: cpuMs() - startedMs, end: result === TOO_MANY_STEPS ? 'at the budget' : 'decided' }
  })
  const [first, ...others] = times
  return `1 MB, ${expression}: first ${first?.ms.toFixed(0)} ms, best ${Math.min(...others.map(({ ms }) => ms)).toFixed(0)} ms, ${first?.end}`
}

const wanted = process.argv.slice(2)
for (const [name, expression, line] of CASES) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const src = Buffer.from(`${Array.from({ length: LINES }, (_, i) => line(i)).join('\n')}\n`)
  const { program } = translateOnigmo(expression)
  const startedMs = cpuMs()
  const wasm = compileWasm(program, { stepsPerByte: STEPS_PER_BYTE })
  const compileMs = cpuMs() - startedMs
  if (wasm === undefined) throw new Error(`not covered: ${name}`)
  const backtracker = new Backtracker(program)
  const plain = {
    match: (src: Buffer, start: number, end: number) => backtracker.search(src, start, end, MAX_STEPS),
  }
  const [before, after] = [plain, wasm].map((matcher) => measure(matcher, src))
  const text = ({ first, best }: { first: number; best: number } = { first: 0, best: 0 }): string =>
    `${best.toFixed(0)} ns (first ${LINES}: ${first.toFixed(0)})`
  console.log(
    `${name}: ${(src.length / LINES).toFixed(0)} B/line, backtracker ${text(before)}, module ${text(after)}, compiled in ${compileMs.toFixed(1)} ms of CPU, ${before?.matched} and ${after?.matched} matched`,
  )
}
for (const [expression, unit] of LARGE)
  if (wanted.length === 0 || wanted.includes('large')) console.log(measureLarge(expression, unit))
console.log(`resident: ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MB`)
