/** A sample of a parsed family. */
export interface ParsedSample {
  name: string
  labels: Record<string, string>
  value: number
  timestamp: number | undefined
}

export interface ParsedFamily {
  name: string
  help: string
  type: string
  samples: ParsedSample[]
}

const HELP = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)*)$/
const TYPE = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: (-?\d+))?$/s
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/y
const ESCAPE = /\\(.)/gs

/** Parses Prometheus text format 0.0.4 strictly: throws for whatever `promtool check metrics` reports as an error. */
export function parsePrometheus(text: string): Map<string, ParsedFamily> {
  const reader = new Reader()
  if (text === '') return reader.families
  if (!text.endsWith('\n')) throw new Error('no newline at the end')
  for (const line of text.slice(0, -1).split('\n')) reader.line(line)
  for (const { name, samples, type } of reader.families.values()) {
    if (samples.length === 0) throw new Error(`family without samples: ${name}`)
    if (type === 'counter' && samples.some((s) => s.value < 0)) throw new Error(`negative counter: ${name}`)
  }
  return reader.families
}

class Reader {
  families = new Map<string, ParsedFamily>()
  #current: ParsedFamily | undefined
  #help: [string, string] | undefined
  #seen = new Set<string>()

  line(line: string): void {
    const help = HELP.exec(line)
    const type = TYPE.exec(line)
    if (help !== null) this.#begin([help[1] as string, help[2] as string])
    else if (type !== null) this.#type(type[1] as string, type[2] as string)
    else this.#sample(parseSample(line), line)
  }

  #begin(help: [string, string]): void {
    if (this.#help !== undefined) throw new Error(`HELP without TYPE: ${this.#help[0]}`)
    this.#help = help
  }

  #type(name: string, type: string): void {
    if (this.#help?.[0] !== name) throw new Error(`TYPE of ${name} without its HELP`)
    if (this.families.has(name)) throw new Error(`family twice: ${name}`)
    this.#current = { name, type, help: this.#help[1], samples: [] }
    this.families.set(name, this.#current)
    this.#help = undefined
  }

  #sample(sample: ParsedSample, line: string): void {
    if (sample.name !== this.#current?.name || this.#help !== undefined) {
      throw new Error(`not within its family: ${line}`)
    }
    const series = JSON.stringify(Object.entries(sample.labels).sort())
    if (this.#seen.has(sample.name + series)) throw new Error(`series twice: ${line}`)
    this.#seen.add(sample.name + series)
    this.#current.samples.push(sample)
  }
}

function parseSample(line: string): ParsedSample {
  const match = SAMPLE.exec(line)
  if (match === null) throw new Error(`not a sample: ${line}`)
  const [, name, labels, value, timestamp] = match as unknown as [string, string, string?, string?, string?]
  return {
    name,
    labels: labels === undefined ? {} : parseLabels(labels, line),
    value: Number(value?.replace('Inf', 'Infinity')),
    timestamp: timestamp === undefined ? undefined : Number(timestamp),
  }
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  let end = 0
  while (end < text.length) {
    const match = LABEL.exec(text)
    if (match === null) throw new Error(`bad labels: ${line}`)
    const [matched, name, value] = match as unknown as [string, string, string]
    if (Object.hasOwn(labels, name)) throw new Error(`label twice: ${line}`)
    labels[name] = value.replace(ESCAPE, (_, c: string) => (c === 'n' ? '\n' : c))
    end += matched.length
  }
  return labels
}
