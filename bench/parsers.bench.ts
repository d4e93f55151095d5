import type { EntryWriter, Parser } from '../src/core/parser.ts'
import { spec as cri } from '../src/plugins/parsers/cri.ts'
import { spec as docker } from '../src/plugins/parsers/docker.ts'
import { spec as json } from '../src/plugins/parsers/json.ts'
import { spec as logfmt } from '../src/plugins/parsers/logfmt.ts'
import { spec as ltsv } from '../src/plugins/parsers/ltsv.ts'
import { builtin, parserOf } from './parser-of.ts'

/**
 * Measures MB of input per CPU-second of each parser alone, without files, newline search and output:
 * `bun bench/parsers.bench.ts [name ...]`.
 */
const LINES = 2000
const CPU_SECONDS = 0.6

interface Case {
  name: string
  parser: Parser
  line(i: number): string
}

const WORDS = 'the quick request of client 10.1.2.3 was handled by node seven within limits '
const text = (i: number, length: number): string => `${i} ${WORDS.repeat(4)}`.slice(0, length)
const time = (i: number): string =>
  `2026-11-21T06:00:${String(i % 60).padStart(2, '0')}.${String(100_000_000 + i)}`

const dockerLine = (log: string, i: number): string =>
  JSON.stringify({ log: `${log}\n`, stream: i % 8 === 0 ? 'stderr' : 'stdout', time: `${time(i)}Z` })
const nested = (i: number): string =>
  JSON.stringify({
    level: 'info',
    ts: time(i),
    msg: text(i, 60),
    status: 200 + (i % 5),
    took: i / 7,
    http: { path: `/a/${i}`, ok: true, tags: ['a', 'b', i] },
    user: null,
  })

const CASES: Case[] = [
  {
    name: 'nginx',
    parser: builtin('nginx'),
    line: (i) =>
      `10.0.${i % 256}.7 - - [21/Nov/2026:06:00:0${Math.floor(i / 250)} +0000] "GET /api/v1/items?id=${i}&lang=en HTTP/1.1" 200 ${i * 7} "https://shop.example.com/start?from=mail" "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"`,
  },
  {
    name: 'syslog-rfc3164',
    parser: builtin('syslog-rfc3164'),
    line: (i) => `<34>Nov 21 06:00:0${Math.floor(i / 250)} host-${i % 10} sshd[${i}]: ${text(i, 150)}`,
  },
  { name: 'cri', parser: parserOf(cri), line: (i) => `${time(i)}Z stdout F ${text(i, 205)}` },
  { name: 'docker', parser: parserOf(docker), line: (i) => dockerLine(text(i, 160), i) },
  {
    name: 'docker-escapes',
    parser: parserOf(docker),
    line: (i) => dockerLine(`${text(i, 80)}name="daily report" ${text(i, 60)}`, i),
  },
  { name: 'docker-nested-json', parser: parserOf(docker), line: (i) => dockerLine(nested(i), i) },
  {
    name: 'docker-decoded-json',
    parser: parserOf(docker, { decode_field: 'decode_field_as json log' }),
    line: (i) => dockerLine(nested(i), i),
  },
  { name: 'json-docker-generic', parser: parserOf(json), line: (i) => dockerLine(text(i, 160), i) },
  { name: 'json', parser: parserOf(json), line: nested },
  {
    name: 'json-time',
    parser: parserOf(json, { time_key: 'ts', time_format: '%Y-%m-%dT%H:%M:%S.%L' }),
    line: nested,
  },
  {
    name: 'logfmt',
    parser: parserOf(logfmt, { time_key: 'ts', time_format: '%Y-%m-%dT%H:%M:%S.%L' }),
    line: (i) => `ts=${time(i)} level=info msg="${text(i, 80)}" status=200 took=0.25 path=/a/${i} ok`,
  },
  {
    name: 'ltsv',
    parser: parserOf(ltsv),
    line: (i) =>
      `time:[21/Nov/2026:06:00:00 +0000]\thost:10.0.0.${i % 256}\treq:GET /a/${i} HTTP/1.1\tstatus:200\tsize:5316\tua:${text(i, 90)}`,
  },
]

function run({ name, parser, line }: Case): void {
  const lines = Array.from({ length: LINES }, (_, i) => Buffer.from(`${line(i)}\n`))
  const src = Buffer.concat(lines)
  const ends = new Uint32Array(LINES)
  lines.reduce((at, bytes, i) => {
    ends[i] = at + bytes.length
    return at + bytes.length
  }, 0)
  const out: EntryWriter = { buf: Buffer.alloc(src.length * 4), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  const pass = (): void => {
    out.at = 0
    let start = 0
    for (let i = 0; i < LINES; i++) {
      const end = ends[i] as number
      if (!parser.parse(src, start, end - 1, out)) throw new Error(`${name} does not parse line ${i}`)
      start = end
    }
  }
  for (let i = 0; i < 100; i++) pass()
  const before = process.cpuUsage()
  let bytes = 0
  let micros = 0
  while (micros < CPU_SECONDS * 1e6) {
    for (let i = 0; i < 20; i++) pass()
    bytes += src.length * 20
    const used = process.cpuUsage(before)
    micros = used.user + used.system
  }
  const perLine = (micros * 1000) / (bytes / (src.length / LINES))
  const rate = Math.round(bytes / micros)
  console.log(
    `${name.padEnd(22)} ${String(rate).padStart(6)} MB/CPU-s   ${perLine.toFixed(0).padStart(5)} ns/line   ${Math.round(src.length / LINES)} bytes/line`,
  )
}

const wanted = process.argv.slice(2)
for (const each of CASES) if (wanted.length === 0 || wanted.includes(each.name)) run(each)
