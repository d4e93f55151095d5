import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { run } from '../../process.ts'
import type { Program } from './program.ts'

/** A line of a log: what was written, and what is known about its file. */
export interface Line {
  /**
   * Number of the content that the line was written to. Each new file and each truncation begins a content.
   */
  content: number
  /** Name of the file when the content began. */
  file: string
  /** Name of the input that has to send the line. */
  input: string
  /** True if the rotation scheme itself may lose the line: it may be missing, but must not arrive twice. */
  fleeting: boolean
}

/** Number of lines of a small and of a large write. A large one makes a file longer than its fingerprint. */
const FEW = 3
const MANY = 40

/**
 * A log and the operations by which a rotation moves it. Each row of the table has one, in a directory of its
 * own, to which names are relative. Each line names the row and its number in it.
 */
export class RotatingLog {
  readonly lines: Line[] = []
  /** Number of the present content. */
  content = -1
  /** Number of lines at the start that must not be read, because they existed before the agent. */
  early = 0
  /** Number of the last rotation. */
  rotations = 0
  /** Contents that a truncation removed from their file. */
  readonly truncated = new Set<number>()
  /** Path of the live file. */
  live = ''
  /** Program that writes and rotates, unless this process does. */
  program: Program | undefined
  readonly dir: string
  readonly row: number
  /** True when writes alternate between few and many lines. */
  readonly #large: boolean
  /** Text at the start of every file. */
  #header = ''
  #fd: number | undefined
  #kept: { fd: number; content: number; file: string }[] = []
  #input = 'a'

  readonly #many: number

  constructor(dir: string, row: number, many = MANY) {
    this.#many = many
    this.dir = dir
    this.row = row
    this.#large = row % 2 === 1
    mkdirSync(dir, { recursive: true })
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  has(name: string): boolean {
    return existsSync(this.path(name))
  }

  /** Opens the file as its program does, which closes the previous one. */
  open(name = this.live): void {
    this.close()
    this.make(dirname(name))
    this.#fd = openSync(this.path(name), 'a')
    this.begin(name)
    if (this.#header !== '' && statSync(this.path(name)).size === 0) writeSync(this.#fd, this.#header)
  }

  /** Begins a content: a new file, or one that was emptied. */
  begin(name: string): void {
    this.live = name
    this.content++
  }

  /** Sets the text at the start of every file. */
  setHeader(text: string): void {
    this.#header = text
  }

  /**
   * Keeps the descriptor of the live file for `writeLate`, like a program that is not told of the rotation.
   */
  keep(): void {
    if (this.#fd === undefined) return
    this.#kept.push({ fd: this.#fd, content: this.content, file: this.live })
    this.#fd = undefined
  }

  /** Writes to the file whose descriptor was kept first. */
  writeLate(count = FEW): void {
    const late = this.#kept[0]
    if (late === undefined) throw new Error('no descriptor was kept')
    writeSync(late.fd, this.#text(count, late))
  }

  /** Writes the lines of a period: a few, or many in every second row. */
  async write(count = this.#large && this.lines.length % 3 === 0 ? this.#many : FEW): Promise<void> {
    const text = this.text(count)
    if (this.program !== undefined) await this.program.write(text)
    else if (this.#fd !== undefined) writeSync(this.#fd, text)
    else appendFileSync(this.path(this.live), text)
  }

  /** Writes lines that the rotation removes, such as those between copy and truncation. */
  async writeFleeting(): Promise<void> {
    const from = this.lines.length
    await this.write(2)
    for (const line of this.lines.slice(from)) line.fleeting = true
  }

  /** Returns the text of the next lines of the live file. */
  text(count: number): string {
    return this.#text(count, { content: this.content, file: this.live })
  }

  /** Creates another file of the directory, or appends to it. The input `input` must send its lines. */
  writeTo(name: string, input: string, count = FEW): void {
    this.make(dirname(name))
    this.#input = input
    appendFileSync(this.path(name), this.#text(count, { content: this.content, file: name }))
    this.#input = 'a'
  }

  /** Creates a file that no input may read, or appends to it. */
  foreign(name: string, count = FEW): void {
    this.make(dirname(name))
    let text = ''
    for (let n = 0; n < count; n++) text += `${this.row}/foreign line of ${name} ${Math.random()}\n`
    appendFileSync(this.path(name), text)
  }

  make(name: string): void {
    mkdirSync(this.path(name), { recursive: true })
  }

  rename(from: string, to: string): void {
    this.make(dirname(to))
    renameSync(this.path(from), this.path(to))
  }

  /**
   * Renames the existing files among name(1), name(2) ... to the next number, compressed or not. Removes
   * files beyond `keep`.
   */
  shift(name: (n: number) => string, { from = 1, keep = 9 } = {}): void {
    for (const end of ['', '.gz', '.zst']) this.remove(name(keep) + end)
    for (let n = keep - 1; n >= from; n--)
      for (const end of ['', '.gz', '.zst'])
        if (this.has(name(n) + end)) this.rename(name(n) + end, name(n + 1) + end)
  }

  copy(from: string, to: string): void {
    this.make(dirname(to))
    copyFileSync(this.path(from), this.path(to))
  }

  /** Empties the live file. */
  truncate(): void {
    if (this.#fd !== undefined) ftruncateSync(this.#fd, 0)
    else truncateSync(this.path(this.live))
    this.emptied()
  }

  /** Records that another program has emptied the live file. */
  emptied(): void {
    this.truncated.add(this.content)
    this.begin(this.live)
  }

  /**
   * Compresses a file, removes it, and sets the time of the copy. The copy is written in two parts, under its
   * own name, or under `temporary` until it is complete.
   */
  gzip(
    name: string,
    o: { to?: string; temporary?: string; keepTime?: boolean; keepSource?: boolean } = {},
  ): void {
    const { to = `${name}.gz`, temporary, keepTime = true, keepSource = false } = o
    this.make(dirname(to))
    const { atime, mtime } = statSync(this.path(name))
    const bytes = gzipSync(readFileSync(this.path(name)))
    const out = this.path(temporary ?? to)
    const fd = openSync(out, 'w')
    writeSync(fd, bytes, 0, bytes.length >> 1)
    writeSync(fd, bytes, bytes.length >> 1)
    closeSync(fd)
    if (keepTime) utimesSync(out, atime, mtime)
    if (temporary !== undefined) renameSync(out, this.path(to))
    if (!keepSource) rmSync(this.path(name))
  }

  /** Replaces a file by bytes that only another program can read. */
  compress(name: string, ending: string, encode: (bytes: Buffer) => Uint8Array): void {
    writeFileSync(this.path(name + ending), encode(readFileSync(this.path(name))))
    rmSync(this.path(name))
  }

  remove(name: string): void {
    rmSync(this.path(name), { force: true })
  }

  /** Runs a program that rotates, in the directory of the log. */
  async run(command: string[]): Promise<void> {
    const { code, stderr } = await run([], { command, cwd: this.dir })
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr}`)
  }

  /** Creates or switches a link: atomically by a rename, or with a moment in which it does not exist. */
  link(target: string, name: string, how: 'rename' | 'replace' = 'replace'): void {
    this.make(dirname(name))
    if (how === 'replace') {
      this.remove(name)
      symlinkSync(target, this.path(name))
      return
    }
    this.remove(`${name}.new`)
    symlinkSync(target, this.path(`${name}.new`))
    renameSync(this.path(`${name}.new`), this.path(name))
  }

  /** Creates or switches a second name of a file. */
  hardLink(file: string, name: string): void {
    this.remove(name)
    linkSync(this.path(file), this.path(name))
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  async end(): Promise<void> {
    this.close()
    for (const { fd } of this.#kept) closeSync(fd)
    this.#kept = []
    await this.program?.end()
  }

  #text(count: number, { content, file }: { content: number; file: string }): string {
    let text = ''
    for (let n = 0; n < count; n++) {
      text += `${this.row}/${this.lines.length} ${'the quick brown fox jumps over the lazy dog'.slice(0, 20 + (n % 20))}\n`
      this.lines.push({ content, file, input: this.#input, fleeting: false })
    }
    return text
  }
}
