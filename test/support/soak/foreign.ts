import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { SoakLines } from './lines.ts'
import { type Dice, EXCLUDED, type SoakPlan } from './plan.ts'

/** First series of files that must not be read. */
const FIRST_SERIES = 500

/** Files beside the logs that are not to be read: their lines have series of their own, none of which may arrive. */
export class ForeignFiles {
  readonly #plan: SoakPlan
  readonly #files: { path: string; lines: SoakLines }[] = []

  constructor(plan: SoakPlan) {
    this.#plan = plan
  }

  /** Makes files with rotated names, which are old: they are there before the agent starts for the first time. */
  makeOld(stem: string, dice: Dice): string[] {
    const { extension } = this.#plan
    const names = [
      `${stem}${extension}.4711`,
      `${stem}-20240505${extension}`,
      `${stem}${extension}-20240505.gz`,
      `${stem}.2024-05-05.1${extension}`,
      `${stem}-2024-05-05T01-02-03.004${extension}`,
      `${stem}${extension}.old.gz`,
    ]
    return names.filter(() => dice.chance(0.4)).map((name) => this.#make(name, dice))
  }

  /** Makes a file whose name is not a rotated one, or lets one grow. */
  makeOther(stem: string, dice: Dice): string {
    const { extension } = this.#plan
    const grown = dice.pick(this.#files)
    if (grown !== undefined && !grown.path.endsWith('.gz') && dice.chance(0.4))
      return this.#append(grown, dice)
    const names = [
      `${stem}${extension}.save`,
      `${stem}-backup${extension}`,
      `${stem}${extension}~`,
      `.${stem}${extension}.swp`,
      `${stem}-debug${extension}`,
      `${stem}-20261121-debug${extension}`,
      `${stem}${extension}.offset`,
      `${stem}.pos`,
      `x${stem}${extension}`,
      `x${stem}${extension}.1`,
      `${stem}-audit${extension}.1`,
      ...(extension === '' ? [] : [`${stem}${extension}2`, `${stem}.txt`, `${stem}.txt.1`]),
    ]
    return this.#make(dice.pick(names), dice)
  }

  /** Makes a file with a rotated name that Exclude_Path names, or lets one grow. */
  makeExcluded(stem: string, dice: Dice): string {
    const { extension } = this.#plan
    const names = [
      `${stem}${extension}.${EXCLUDED}`,
      `${stem}-${EXCLUDED}${extension}`,
      `${stem}.${EXCLUDED}${extension}`,
      `${stem}${extension}-${EXCLUDED}`,
      `${stem}${extension}.${EXCLUDED}.gz`,
    ]
    return this.#make(dice.pick(names), dice)
  }

  #make(name: string, dice: Dice): string {
    const path = join(this.#plan.logs, name)
    const known = this.#files.find((file) => file.path === path)
    if (known !== undefined) return path.endsWith('.gz') ? path : this.#append(known, dice)
    mkdirSync(dirname(path), { recursive: true })
    const series = FIRST_SERIES + this.#files.length * 2
    const lines = new SoakLines(this.#plan.format, series, dice.random)
    this.#files.push({ path, lines })
    const text = textOf(lines, dice)
    writeFileSync(path, path.endsWith('.gz') ? gzipSync(text) : text)
    return path
  }

  #append({ path, lines }: { path: string; lines: SoakLines }, dice: Dice): string {
    appendFileSync(path, textOf(lines, dice))
    return path
  }
}

function textOf(lines: SoakLines, dice: Dice): string {
  let text = ''
  for (let n = 1 + dice.int(30); n > 0; n--) text += lines.next()
  return text
}
