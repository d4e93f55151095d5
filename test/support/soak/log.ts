import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { SERIES } from '../forward/series.ts'

export type Style = 'numbered' | 'dated' | 'kubelet' | 'copy'
export type Format = 'plain' | 'cri' | 'docker' | 'java'
/** When a rotated file is compressed: never, at the next rotation, or at once. */
export type Compress = 'no' | 'delayed' | 'now'

/** Log of a program, as the program writes it and a rotation moves it: numbered lines, one series for each stream. */
export class SoakLog {
  /** Path that the agent follows; a link in the style of the kubelet. */
  path: string
  /** Lines written to each stream. */
  readonly counts: number[]
  /** First line of each stream that has to arrive; earlier ones do not with Read_From_Head off. */
  readonly from: number[]
  /** True if the log was renamed within Path. */
  moved = false
  /** True if a rotated file was written to after its rename. */
  late = false
  readonly style: Style
  readonly compress: Compress
  readonly format: Format
  readonly #first: number
  readonly #random: () => number
  #fd: number
  /** Rest of a partial line that was written. */
  #rest = ''
  /** True if the rest begins with a new line of the file, and so may be written to the next file. */
  #splits = false
  #rotations = 0
  #older: string | undefined

  constructor(o: {
    path: string
    first: number
    style: Style
    compress: Compress
    format: Format
    random: () => number
  }) {
    this.path = o.path
    this.style = o.style
    this.compress = o.compress
    this.format = o.format
    this.#first = o.first
    this.#random = o.random
    this.counts = o.format === 'cri' || o.format === 'docker' ? [0, 0] : [0]
    this.from = this.counts.map(() => 0)
    if (o.style === 'kubelet') {
      const pod = join(dirname(dirname(o.path)), 'pods', basename(o.path, '.log'))
      mkdirSync(pod, { recursive: true })
      mkdirSync(dirname(o.path), { recursive: true })
      this.#fd = openSync(join(pod, '0.log'), 'a')
      symlinkSync(join(pod, '0.log'), o.path)
    } else this.#fd = openSync(o.path, 'a')
  }

  get real(): string {
    if (this.style !== 'kubelet') return this.path
    return join(dirname(dirname(this.path)), 'pods', basename(this.path, '.log'), '0.log')
  }

  get series(): number[] {
    return this.counts.map((_, stream) => this.#first + stream)
  }

  get open(): boolean {
    return this.#rest !== ''
  }

  write(lines: number): void {
    let text = this.#rest
    this.#rest = ''
    this.#splits = false
    for (let n = 0; n < lines; n++) text += this.#line()
    this.#put(text)
  }

  /** Writes a part of a line; the next write completes it. */
  begin(): void {
    const text = this.#rest + this.#line()
    const newline = text.indexOf('\n')
    this.#splits = newline < text.length - 1 && this.#random() < 0.5
    const at = this.#splits ? newline + 1 : 1 + Math.floor(this.#random() * (text.length - 2))
    this.#put(text.slice(0, at))
    this.#rest = text.slice(at)
  }

  /** Rotates the log; the program still writes `late` lines to the renamed file. */
  rotate(late: number): void {
    if (!this.#splits || this.style === 'copy') this.write(0)
    this.#rotations++
    this.late ||= late > 0
    if (this.style === 'copy') this.#copyTruncate()
    else if (this.style === 'numbered') this.#shift(late)
    else this.#dated(late)
  }

  /** Removes the log and creates it again. */
  replace(): void {
    this.write(0)
    unlinkSync(this.real)
    this.#reopen(0)
  }

  /** Renames the log to an unused name in its folder. */
  move(path: string): void {
    this.moved = true
    renameSync(this.path, path)
    this.path = path
  }

  /** Removes the rotated files, which all have been delivered. */
  prune(): void {
    const { real } = this
    for (const name of readdirSync(dirname(real)))
      if (name.startsWith(`${basename(real)}.`) || name.startsWith(`${basename(real)}-`))
        rmSync(join(dirname(real), name))
    this.#older = undefined
  }

  close(): void {
    closeSync(this.#fd)
  }

  #put(text: string): void {
    if (text !== '') writeSync(this.#fd, text)
  }

  #line(): string {
    const stream = Math.floor(this.#random() * this.counts.length)
    const n = (this.#first + stream) * SERIES + (this.counts[stream] as number)
    this.counts[stream] = (this.counts[stream] as number) + 1
    const long = this.#random() < 0.03 ? 20_000 : this.#random() < 0.5 ? 150 : 0
    const text = `${n} ${'x'.repeat(Math.floor(this.#random() * long))} end`
    if (this.format === 'plain') return `${text}\n`
    if (this.format === 'java') return this.#random() < 0.6 ? `${text}\n` : trace(text)
    const parts = this.#split(text)
    return parts.map((part, i) => this.#wrapped(part, stream, i === parts.length - 1)).join('')
  }

  #wrapped(part: string, stream: number, last: boolean): string {
    const time = new Date().toISOString().replace('Z', '000000Z')
    const name = stream === 0 ? 'stdout' : 'stderr'
    if (this.format === 'cri') return `${time} ${name} ${last ? 'F' : 'P'} ${part}\n`
    return `${JSON.stringify({ log: last ? `${part}\n` : part, stream: name, time })}\n`
  }

  #split(line: string): string[] {
    if (this.#random() < 0.7) return [line]
    const at = Math.floor(this.#random() * line.length)
    return [line.slice(0, at), line.slice(at)]
  }

  #reopen(late: number): void {
    if (late > 0) this.write(late)
    closeSync(this.#fd)
    this.#fd = openSync(this.real, 'a')
  }

  #copyTruncate(): void {
    this.#shiftNames()
    copyFileSync(this.path, `${this.path}.1`)
    truncateSync(this.path)
    if (this.compress !== 'no') gzip(`${this.path}.1`)
  }

  #shift(late: number): void {
    const first = `${this.path}.1`
    if (this.compress === 'delayed' && existsSync(first)) gzip(first)
    this.#shiftNames()
    renameSync(this.path, first)
    this.#reopen(this.compress === 'now' ? 0 : late)
    if (this.compress === 'now') gzip(first)
  }

  #shiftNames(): void {
    for (let n = this.#rotations; n > 0; n--)
      for (const end of ['', '.gz'])
        if (existsSync(`${this.path}.${n}${end}`))
          renameSync(`${this.path}.${n}${end}`, `${this.path}.${n + 1}${end}`)
  }

  #dated(late: number): void {
    const { real } = this
    const n = String(this.#rotations).padStart(6, '0')
    const name = this.style === 'kubelet' ? `${real}.20261121-${n}` : `${real}-20261121${n}`
    renameSync(real, name)
    this.#reopen(this.compress === 'now' ? 0 : late)
    const compressible = this.compress === 'now' ? name : this.#older
    if (this.compress !== 'no' && compressible !== undefined)
      this.style === 'kubelet' ? gzipAside(compressible) : gzip(compressible)
    this.#older = this.compress === 'delayed' ? name : undefined
  }
}

function trace(text: string): string {
  const [number, ...rest] = text.split(' ')
  return `java.lang.IllegalStateException: ${number}\n\tat a.b.C(D.java:12)\n\tat e.f.G(H.java:34) ${rest.join(' ')}\n`
}

/** Compresses as logrotate does: the copy grows next to the file, and then gets its time. */
function gzip(path: string): void {
  const { atimeMs, mtimeMs } = statSync(path)
  const bytes = gzipSync(readFileSync(path))
  const fd = openSync(`${path}.gz`, 'w')
  const half = Math.floor(bytes.length / 2)
  writeSync(fd, bytes, 0, half)
  writeSync(fd, bytes, half)
  closeSync(fd)
  // Rounded down: it must not seem newer than a file that was created after it.
  utimesSync(`${path}.gz`, atimeMs / 1000, (mtimeMs - 0.002) / 1000)
  rmSync(path)
}

/** Compresses as the kubelet does: under a temporary name first. */
function gzipAside(path: string): void {
  writeFileSync(`${path}.tmp`, gzipSync(readFileSync(path)))
  renameSync(`${path}.tmp`, `${path}.gz`)
  rmSync(path)
}
