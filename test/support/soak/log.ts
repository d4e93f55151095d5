import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { type Between, type Compression, compress } from './compress.ts'
import { type Format, SoakLines } from './lines.ts'
import type { Scheme } from './names.ts'

/**
 * How the log is rotated: renamed, renamed behind a link as by the kubelet, copied and truncated; `link` and `swap` switch
 * a link to a new file, or to the other one of two.
 */
export type Style = 'rename' | 'kubelet' | 'copy' | 'link' | 'swap'
/** When a rotated file is compressed: never, at the next rotation, at once, by a step of its own. */
export type Compress = 'no' | 'delayed' | 'now' | 'late'

export interface LogOptions {
  path: string
  first: number
  style: Style
  scheme: Scheme
  compress: Compress
  compression: Compression
  format: Format
  /** Folder of rotated files, if it is another one. */
  olddir: string | undefined
  /** Folder of what a link points to. */
  targets: string
  /** True if the program does not open its file with O_APPEND. */
  holes: boolean
  random: () => number
  between: Between
}

/** A rotated file under its present name. */
interface Rotated {
  path: string
  /** Name of the log when it was rotated. */
  base: string
  n: number
}

/** Log of a program, as the program writes it and a rotation moves it. */
export class SoakLog {
  /** Path that the agent follows. */
  path: string
  /** First line of each stream that has to arrive; earlier ones do not with Read_From_Head off. */
  readonly from: number[]
  /** Number of rotations of which the agent may not know yet. */
  unseen = 0
  /** True if the log is old at the first start: nothing of it may arrive from before `from`. */
  aged = false
  /** True if the log was renamed within Path. */
  moved = false
  /**
   * True if the log was replaced by a copy of itself: with lines written to that before the agent sees it, it is taken for a
   * new log, since to skip those of a program that writes the same lines again would lose them.
   */
  mayRepeat = false
  /** True if lines may arrive in another order than they were written, since there is no order across files. */
  unordered: boolean
  readonly o: LogOptions
  readonly #lines: SoakLines
  #fd: number
  /** Position of a writer without O_APPEND. */
  #at = 0
  /** Target of the link. */
  #target: string
  /** Rest of a partial line that was written. */
  #rest = ''
  /** True if the rest begins with a new line of the file, and so may be written to the next file. */
  #splits = false
  #rotations = 0
  /** Rotated files, the latest first. */
  #rotated: Rotated[] = []
  /** Descriptors of rotated files that the program still has. */
  #late: { fd: number; path: string }[] = []
  /** Other files that the log has left. */
  #rests: string[] = []

  constructor(o: LogOptions) {
    this.o = o
    this.path = o.path
    this.#lines = new SoakLines(o.format, o.first, o.random)
    this.from = this.counts.map(() => 0)
    this.unordered =
      o.style === 'link' ||
      o.style === 'swap' ||
      o.compress === 'late' ||
      !o.compression.keepsTime ||
      // A file that is not found beside or below its path is searched for, and the live one does not wait.
      (o.olddir !== undefined && dirname(o.olddir) !== dirname(o.path))
    this.#target = this.#firstTarget()
    this.#fd = this.#opened()
    if (this.real !== this.path) symlinkSync(this.real, this.path)
  }

  get counts(): number[] {
    return this.#lines.counts
  }

  get series(): number[] {
    return this.#lines.series
  }

  /** Path of the file that the program writes. */
  get real(): string {
    return this.#target || this.path
  }

  get open(): boolean {
    return this.#rest !== ''
  }

  /**
   * True if the link goes to a file that the agent may not know, under a name that tells nothing, or if the log is rotated into a folder in
   * which the agent has found none of its files yet. The name of a target is no rotated one: to what a link led that the agent has never
   * seen is not known.
   */
  get hasUnknownTarget(): boolean {
    const { style, olddir } = this.o
    const seen = style === 'swap' ? 2 : style === 'link' || olddir !== undefined ? 1 : 0
    return this.#rotations < seen
  }

  get lateWriters(): number {
    return this.#late.length
  }

  get hasRotated(): boolean {
    return this.#rotated.length > 0
  }

  /** Name of the log when it was rotated last: its name is another one after it was renamed. */
  get rotatedFrom(): string {
    return this.#rotated[0]?.base || basename(this.path)
  }

  write(lines: number): void {
    let text = this.#rest
    this.#rest = ''
    this.#splits = false
    for (let n = 0; n < lines; n++) text += this.#lines.next()
    this.#put(text)
  }

  /** Writes a part of a line; the next write completes it. */
  begin(): void {
    const text = this.#rest + this.#lines.next()
    const newline = text.indexOf('\n')
    this.#splits = newline < text.length - 1 && this.o.random() < 0.5
    const at = this.#splits ? newline + 1 : 1 + Math.floor(this.o.random() * (text.length - 2))
    this.#put(text.slice(0, at))
    this.#rest = text.slice(at)
  }

  /** Writes lines to a rotated file that the program still has open. */
  writeLate(lines: number): string {
    const late = this.#late[Math.floor(this.o.random() * this.#late.length)]
    if (late === undefined) return 'none'
    let text = ''
    for (let n = 0; n < lines; n++) text += this.#lines.next()
    writeSync(late.fd, text)
    return late.path
  }

  /** Rotates the log. The program still writes `late` lines to the rotated file, and with `keep` later ones. */
  async rotate({ late, keep }: { late: number; keep: boolean }): Promise<void> {
    const { compress: when, scheme } = this.o
    if (!this.#splits || !this.#renames || keep) this.write(0)
    this.#rotations++
    this.unseen++
    if (when === 'delayed' && scheme.shifts) await this.#compressOlder(0)
    await this.#giveUp(when === 'now' ? 0 : late, keep && when !== 'now')
    if (when === 'now') await this.#compressOlder(0)
    else if (when === 'delayed' && !scheme.shifts) await this.#compressOlder(1)
  }

  /** Takes the file of the log away, or what is in it. */
  async #giveUp(late: number, keep: boolean): Promise<void> {
    const { style } = this.o
    if (style === 'copy') return this.#copyTruncate()
    this.unordered ||= late > 0 || keep
    return this.#renames ? this.#rename(late, keep) : this.#switch(late, keep)
  }

  /** Compresses all rotated files. */
  async compressAll(): Promise<void> {
    await this.#compressOlder(0)
  }

  /** Removes the log and creates it again. */
  replace(): void {
    this.write(0)
    // What a program writes to a removed file cannot be read by an agent that starts after that.
    this.#closeLate((late) => late.path === this.real)
    unlinkSync(this.real)
    this.#reopen(0, false)
  }

  /** True if there is enough in the log to tell a copy of it from a new one that begins with the same words. */
  get isDistinct(): boolean {
    return fstatSync(this.#fd).size >= 64
  }

  /** Replaces the log by a copy of itself, which the program opens. */
  async restore(): Promise<void> {
    this.write(0)
    const copy = join(this.o.targets, 'restored')
    copyFileSync(this.real, copy)
    await this.o.between('copied')
    renameSync(copy, this.real)
    this.#closeLate((late) => late.path === this.real)
    this.unordered = true
    this.mayRepeat = true
    this.#reopen(0, false)
  }

  /** Renames the log to an unused name. */
  move(path: string): void {
    this.write(0)
    this.moved = true
    renameSync(this.path, path)
    this.path = path
  }

  /** Copies the log, or its latest rotated file, to `name` beside the log and returns both paths. */
  backUp(name: string, ofRotated: boolean): string {
    this.write(0)
    const from = (ofRotated ? this.#rotated[0]?.path : undefined) ?? this.real
    const to = join(dirname(this.path), extname(from) === '.gz' ? `${name}.gz` : name)
    // Never over another backup, which would be a log that is rewritten in place.
    rmSync(to, { force: true })
    copyFileSync(from, to)
    this.#rests.push(to)
    // The copy may be the one that is read.
    this.unordered = true
    return `${from} is copied to ${to}`
  }

  /** Removes the rotated files, which all have been delivered. */
  prune(): void {
    this.#closeLate(() => true)
    for (const path of [...this.#rotated.map((one) => one.path), ...this.#rests])
      rmSync(path, { force: true })
    this.#rotated = []
    this.#rests = []
  }

  close(): void {
    this.#closeLate(() => true)
    closeSync(this.#fd)
  }

  get #renames(): boolean {
    return this.o.style === 'rename' || this.o.style === 'kubelet'
  }

  #firstTarget(): string {
    const { style, path, targets, scheme } = this.o
    mkdirSync(dirname(path), { recursive: true })
    mkdirSync(targets, { recursive: true })
    if (this.o.olddir !== undefined) mkdirSync(this.o.olddir, { recursive: true })
    if (style === 'link') return join(targets, scheme.of(basename(path), 0))
    if (style === 'swap') return join(targets, `blue-${basename(path)}`)
    if (style !== 'kubelet') return ''
    mkdirSync(join(targets, basename(path, '.log')), { recursive: true })
    return join(targets, basename(path, '.log'), '0.log')
  }

  #opened(): number {
    if (!this.o.holes) return openSync(this.real, 'a')
    const fd = openSync(this.real, constants.O_WRONLY | constants.O_CREAT, 0o644)
    this.#at = fstatSync(fd).size
    return fd
  }

  #put(text: string): void {
    if (text === '') return
    if (this.o.holes) this.#at += writeSync(this.#fd, text, this.#at)
    else writeSync(this.#fd, text)
  }

  #reopen(late: number, keep: boolean, path = this.#rotated[0]?.path ?? ''): void {
    if (late > 0) this.write(late)
    if (keep) this.#late.push({ fd: this.#fd, path })
    else closeSync(this.#fd)
    this.#fd = this.#opened()
  }

  async #rename(late: number, keep: boolean): Promise<void> {
    const path = this.#nextPath()
    renameSync(this.real, path)
    await this.o.between('renamed')
    this.#reopen(late, keep)
    await this.o.between('created')
  }

  async #copyTruncate(): Promise<void> {
    const path = this.#nextPath()
    copyFileSync(this.real, path)
    await this.o.between('copied')
    truncateSync(this.real)
    await this.o.between('truncated')
  }

  async #switch(late: number, keep: boolean): Promise<void> {
    const { style, scheme, targets } = this.o
    const old = this.#target
    const name = basename(this.o.path)
    if (style === 'link') this.#rotated.unshift({ path: old, base: '', n: 0 })
    this.#target =
      style === 'link'
        ? join(targets, scheme.of(name, this.#rotations))
        : join(targets, `${this.#rotations % 2 === 0 ? 'blue' : 'green'}-${name}`)
    // The program has the new file open before the link is switched, and writes to it only then.
    closeSync(openSync(this.#target, 'a'))
    await this.o.between('created')
    const atomic = this.o.random() < 0.7
    const link = atomic ? join(targets, `.${name}`) : this.path
    if (!atomic) unlinkSync(this.path)
    if (!atomic) await this.o.between('unlinked')
    symlinkSync(this.#target, link)
    if (atomic) renameSync(link, this.path)
    await this.o.between('switched')
    this.#reopen(late, keep, old)
  }

  /** Returns the path for the file that is rotated now, which is free, and records it. */
  #nextPath(): string {
    const { scheme, olddir } = this.o
    const base = basename(this.real)
    const at = (n: number): string => join(olddir ?? dirname(this.real), scheme.of(base, n))
    if (scheme.shifts) this.#shift(base, at)
    const n = scheme.shifts ? 1 : this.#rotations
    this.#rotated.unshift({ path: at(n), base, n })
    return at(n)
  }

  /** Makes the number 1 free. */
  #shift(base: string, at: (n: number) => string): void {
    for (const one of this.#rotated.toReversed()) {
      if (one.base !== base) continue
      one.n++
      const path = `${at(one.n)}${extname(one.path) === '.gz' ? '.gz' : ''}`
      renameSync(one.path, path)
      for (const late of this.#late) if (late.path === one.path) late.path = path
      one.path = path
    }
  }

  /** Compresses all but the latest `spared` files. */
  async #compressOlder(spared: number): Promise<void> {
    for (const one of this.#rotated.slice(spared)) {
      if (one.path.endsWith('.gz')) continue
      this.#closeLate((late) => late.path === one.path)
      const plain = one.path
      one.path = await compress(plain, this.o.compression, this.o.between)
      if (this.o.compression.keepsOriginal) this.#rests.push(plain)
    }
  }

  #closeLate(which: (late: { path: string }) => boolean): void {
    for (const late of this.#late) if (which(late)) closeSync(late.fd)
    this.#late = this.#late.filter((late) => !which(late))
  }
}
