import { SERIES } from '../forward/series.ts'

export type Format = 'plain' | 'cri' | 'docker' | 'java'

/** Lines of a program in the format of its log: numbered, one series for each stream. */
export class SoakLines {
  /** Lines made for each stream. */
  readonly counts: number[]
  readonly #first: number
  readonly #format: Format
  readonly #random: () => number

  constructor(format: Format, first: number, random: () => number) {
    this.#format = format
    this.#first = first
    this.#random = random
    this.counts = format === 'cri' || format === 'docker' ? [0, 0] : [0]
  }

  get series(): number[] {
    return this.counts.map((_, stream) => this.#first + stream)
  }

  /** Returns the next line, which may take several lines of the file. */
  next(): string {
    const stream = Math.floor(this.#random() * this.counts.length)
    const n = (this.#first + stream) * SERIES + (this.counts[stream] as number)
    this.counts[stream] = (this.counts[stream] as number) + 1
    const long = this.#random() < 0.03 ? 20_000 : this.#random() < 0.5 ? 150 : 0
    const text = `${n} ${'x'.repeat(Math.floor(this.#random() * long))} end`
    if (this.#format === 'plain') return `${text}\n`
    if (this.#format === 'java') return this.#random() < 0.6 ? `${text}\n` : trace(text)
    const parts = this.#split(text)
    return parts.map((part, i) => this.#wrapped(part, stream, i === parts.length - 1)).join('')
  }

  #wrapped(part: string, stream: number, last: boolean): string {
    const time = new Date().toISOString().replace('Z', '000000Z')
    const name = stream === 0 ? 'stdout' : 'stderr'
    if (this.#format === 'cri') return `${time} ${name} ${last ? 'F' : 'P'} ${part}\n`
    return `${JSON.stringify({ log: last ? `${part}\n` : part, stream: name, time })}\n`
  }

  #split(line: string): string[] {
    if (this.#random() < 0.7) return [line]
    const at = Math.floor(this.#random() * line.length)
    return [line.slice(0, at), line.slice(at)]
  }
}

function trace(text: string): string {
  const [number, ...rest] = text.split(' ')
  return `java.lang.IllegalStateException: ${number}\n\tat a.b.C(D.java:12)\n\tat e.f.G(H.java:34) ${rest.join(' ')}\n`
}
