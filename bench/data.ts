import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Files that a workload reads. Each record contains its number, counted from 0, as `id=0000001234`. */
export interface Dataset {
  name: string
  /** Path, or a glob for several files: `Path` of the tail input. */
  path: string
  files: string[]
  bytes: number
  records: number
}

export type Shape = 'raw' | 'cri' | 'docker' | 'nginx' | 'json' | 'kube' | 'kube-nginx' | 'value'

/** Text in front of the ten digits of a record's number; occurs once in each line. */
export const MARK = 'id='

export const DIRECTORY = resolve(import.meta.dirname, '.data')
/** Part of every file name: increase it when the lines change, so that old files are not used. */
const VERSION = 2
const LINE_BYTES = 200
const KUBE_LINE_BYTES = 190
const JSON_LINE_BYTES = 400
const VALUE_LINE_BYTES = 187
/** Lines of a pattern, which is written repeatedly with only numbers and times replaced. */
const PATTERN_LINES = 4096
const MICROS_PER_LINE = 37
const START_OF_DAY_S = 6 * 3600

const WORDS =
  'accepted batch cache client closed commit connection deadline flushed handler index lease listener node offset partition payload peer queue reader replica request retry route session shard socket timeout token worker'.split(
    ' ',
  )
const LEVELS = ['INFO', 'INFO', 'INFO', 'INFO', 'INFO', 'DEBUG', 'WARN', 'ERROR']
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
  'kube-probe/1.36',
]
const PAGES = ['/', '/search', '/api/v1/items', '/api/v2/orders/recent', '/static/app.css', '/login']

/** Returns a generator of the same numbers in every run (xorshift32): the data must not differ between two machines. */
function randomFrom(seed: number): (below: number) => number {
  let x = seed
  return (below) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

/** Returns ASCII text of exactly `length` bytes. */
function words(random: (below: number) => number, length: number): string {
  let text = ''
  while (text.length < length) text += `${WORDS[random(WORDS.length)]} `
  return `${text.slice(0, length - 1)}.`
}

function nginxLine(id: string, random: (below: number) => number): string {
  const address = `10.${random(256)}.${random(256)}.${random(256)}`
  const user = random(10) === 0 ? 'alice' : '-'
  const method = random(6) === 0 ? 'POST' : 'GET'
  const status = [200, 200, 200, 200, 304, 301, 404, 500][random(8)]
  const size = status === 304 ? 0 : random(100_000)
  const referer = random(2) === 0 ? 'https://shop.example.com/start?from=mail' : '-'
  const page = PAGES[random(PAGES.length)]
  const agent = AGENTS[random(AGENTS.length)]
  return `${address} - ${user} [21/Nov/2026:TTTTTTTT +0000] "${method} ${page}?${id}&lang=en HTTP/1.1" ${status} ${size} "${referer}" "${agent}"\n`
}

/** Returns a duration in ms as a program prints it: half of them have all digits of a double, as Go and Python write. */
function duration(random: (below: number) => number): string {
  const ms = random(900_000_000) / 1e7 + 10
  return random(2) === 0 ? String(ms / 3) : ms.toFixed(1)
}

/** Returns an application's line of 12 keys. */
function jsonLine(id: string, level: string, random: (below: number) => number): string {
  const open = `{"ts":"2026-11-21TTTTTTTTTTTTTTTT789Z","level":"${level}","logger":"http.server","msg":"${id} `
  const close = `","method":"GET","path":"${PAGES[random(PAGES.length)]}","status":${[200, 200, 200, 404][random(4)]},"duration_ms":${duration(random)},"bytes":${random(100_000)},"cached":${random(2) === 0},"user":null,"trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736","span":"00f067aa0ba902b7"}}\n`
  return open + words(random, JSON_LINE_BYTES - open.length - close.length) + close
}

/**
 * Returns one line with its `\n`. A run of `T` is a placeholder for a time: 15 of them for `HH:MM:SS.uuuuuu`, 8 for
 * `HH:MM:SS`. The placeholder of the number is ten zeros after MARK. Neither occurs elsewhere in the line.
 */
function patternLine(shape: Shape, random: (below: number) => number): string {
  const level = LEVELS[random(LEVELS.length)]
  const id = `${MARK}0000000000`
  if (shape === 'nginx') return nginxLine(id, random)
  if (shape === 'value')
    return `${id} ${level} ${words(random, VALUE_LINE_BYTES - 17 - (level?.length ?? 0))}\n`
  if (shape === 'json') return jsonLine(id, level?.toLowerCase() ?? '', random)
  const stream = random(8) === 0 ? 'stderr' : 'stdout'
  if (shape === 'docker') {
    const open = '{"log":"'
    const close = `\\n","stream":"${stream}","time":"2026-11-21TTTTTTTTTTTTTTTT789Z"}\n`
    // Some lines contain quotes, as real ones do: a parser that only copies would be noticed.
    const quoted = random(4) === 0 ? 'name=\\"daily report\\" ' : ''
    const head = `${level} ${id} ${quoted}`
    return open + head + words(random, LINE_BYTES - open.length - head.length - close.length) + close
  }
  if (shape === 'kube') {
    const open = `2026-11-21TTTTTTTTTTTTTTTT789Z ${stream} F {"level":"${level?.toLowerCase()}","msg":"${id} `
    const close = `","status":${[200, 200, 200, 404][random(4)]},"duration_ms":${duration(random)},"cached":true}\n`
    return open + words(random, KUBE_LINE_BYTES - open.length - close.length) + close
  }
  if (shape === 'kube-nginx')
    return `2026-11-21TTTTTTTTTTTTTTTT789Z ${stream} F ${nginxLine(id, random).replace('TTTTTTTT', '06:00:07')}`
  const head =
    shape === 'cri' ? `2026-11-21TTTTTTTTTTTTTTTT789Z ${stream} F ${level} ${id} ` : `${level} ${id} `
  return `${head + words(random, LINE_BYTES - 1 - head.length)}\n`
}

/** Lines of one shape, with the offsets of their numbers and times. */
interface Pattern {
  block: Buffer
  ends: Uint32Array
  ids: Uint32Array
  /** Offset of the hour, -1 without a time. `micros`: six digits of the second follow. */
  times: Int32Array
  micros: boolean
}

function makePattern(shape: Shape): Pattern {
  const random = randomFrom(20261121)
  const lines = Array.from({ length: PATTERN_LINES }, () => patternLine(shape, random))
  const pattern: Pattern = {
    block: Buffer.from(lines.join(''), 'latin1'),
    ends: new Uint32Array(PATTERN_LINES),
    ids: new Uint32Array(PATTERN_LINES),
    times: new Int32Array(PATTERN_LINES),
    micros: shape !== 'nginx',
  }
  let at = 0
  for (const [i, line] of lines.entries()) {
    const time = line.indexOf('TTTTTTTT')
    // In `21TTT...` the first T is the separator of RFC 3339.
    pattern.times[i] = time < 0 ? -1 : at + time + (pattern.micros ? 1 : 0)
    pattern.ids[i] = at + line.indexOf(MARK) + MARK.length
    at += line.length
    pattern.ends[i] = at
  }
  return pattern
}

function putDigits(buf: Buffer, at: number, width: number, value: number): void {
  let rest = value
  for (let i = at + width - 1; i >= at; i--) {
    buf[i] = 48 + (rest % 10)
    rest = Math.floor(rest / 10)
  }
}

function putTime(buf: Buffer, at: number, micros: number, fraction: boolean): void {
  const second = START_OF_DAY_S + Math.floor(micros / 1e6)
  putDigits(buf, at, 2, Math.floor(second / 3600) % 24)
  putDigits(buf, at + 3, 2, Math.floor(second / 60) % 60)
  putDigits(buf, at + 6, 2, second % 60)
  buf[at + 2] = buf[at + 5] = 0x3a
  if (!fraction) return
  buf[at + 8] = 0x2e
  putDigits(buf, at + 9, 6, micros % 1e6)
}

/** Writes lines `from` to `from + count` and returns their bytes. The file gets its name only when it is complete. */
function writeFile(path: string, pattern: Pattern, from: number, count: number): number {
  const fd = openSync(`${path}.part`, 'w')
  let bytes = 0
  for (let done = 0; done < count; done += PATTERN_LINES) {
    const lines = Math.min(PATTERN_LINES, count - done)
    for (let i = 0; i < lines; i++) {
      const number = from + done + i
      putDigits(pattern.block, pattern.ids[i] as number, 10, number)
      const time = pattern.times[i] as number
      if (time >= 0) putTime(pattern.block, time, number * MICROS_PER_LINE, pattern.micros)
    }
    bytes += writeSync(fd, pattern.block, 0, pattern.ends[lines - 1] as number)
  }
  closeSync(fd)
  renameSync(`${path}.part`, path)
  return bytes
}

/** Returns the single file of a shape; the first call creates it, later calls and runs reuse it. */
export function dataset(shape: Shape, records: number): Dataset {
  mkdirSync(DIRECTORY, { recursive: true })
  const name = `${shape}-${records}-v${VERSION}`
  const path = join(DIRECTORY, `${name}.log`)
  if (!existsSync(path)) writeFile(path, makePattern(shape), 0, records)
  return { name, path, files: [path], bytes: statSync(path).size, records }
}

/** Returns many files with lines of one shape, named by `nameOf`; numbers continue from file to file. */
export function datasetOfFiles(
  files: number,
  recordsEach: number,
  shape: 'raw' | 'kube' | 'kube-nginx' = 'raw',
  nameOf = (i: number) => `app-${String(i).padStart(5, '0')}.log`,
): Dataset {
  const name = `${shape === 'raw' ? 'many' : shape}-${files}x${recordsEach}-v${VERSION}`
  const directory = join(DIRECTORY, name)
  const paths = Array.from({ length: files }, (_, i) => join(directory, nameOf(i)))
  if (!existsSync(directory)) {
    const part = `${directory}.part`
    rmSync(part, { recursive: true, force: true })
    mkdirSync(part, { recursive: true })
    const pattern = makePattern(shape)
    for (const [i, path] of paths.entries()) {
      writeFile(path.replace(directory, part), pattern, i * recordsEach, recordsEach)
    }
    renameSync(part, directory)
  }
  const bytes = paths.reduce((sum, path) => sum + statSync(path).size, 0)
  return { name, path: join(directory, '*.log'), files: paths, bytes, records: files * recordsEach }
}

if (import.meta.main) {
  const records = Number(process.argv[2] ?? 2_000_000)
  for (const shape of ['raw', 'cri', 'docker', 'nginx', 'json'] as const)
    console.log(dataset(shape, records).path)
  console.log(datasetOfFiles(500, 2000).path)
}
