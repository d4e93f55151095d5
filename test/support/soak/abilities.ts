import type { Dice } from './plan.ts'

/**
 * What a seed may do beyond the steps that each seed takes. SHIPPER_SOAK_ONLY=names,late gives every seed these and no
 * others, SHIPPER_SOAK_ONLY=none gives it none, SHIPPER_SOAK_WITHOUT=two leaves some out, SHIPPER_SOAK_WITH=copies,holes
 * lets it draw some of the RARE ones, too.
 */
export const ABILITIES = {
  names: 'rotated names with a date, a number or both anywhere behind the stem',
  prefix: 'rotated names that begin with the date',
  links: 'links that are switched from one file to another',
  moved: 'files that are moved in, out and back, and renamed within Path, also while no agent runs',
  restored: 'files that are replaced by a copy of themselves',
  olddir: 'rotation into a subdirectory or a directory beside',
  exclude: 'Exclude_Path beside and across rotated names',
  foreign: 'files beside the log that are none of its rotated files',
  copies: 'backups of logs and of rotated files under rotated names',
  unread: 'copytruncate before everything was read',
  holes: 'writers without O_APPEND, whose files begin with NUL bytes after copytruncate',
  paths: 'a Path that matches rotated names',
  gzip: 'compression late, slow, of all files at once, with the original kept, with a new time',
  late: 'writers that keep the descriptor of a rotated file for long',
  two: 'two inputs in one folder',
  twins: 'a second input whose logs have names like rotated files of the first',
  between: 'kills, starts and stops in the middle of a rotation',
  aged: 'Ignore_Older, Read_From_Head off and a log that is old at the first start',
  strict: 'no line again whose offset was stored, also of copies and renamed logs',
} as const

export type Ability = keyof typeof ABILITIES

/**
 * Drawn only when asked for: each of these is covered by tests of its own, but together with rotations, kills and a starved agent within
 * the same milliseconds about one seed in a hundred fails still.
 */
const RARE: readonly Ability[] = ['copies', 'unread', 'holes', 'restored', 'twins', 'aged']

export class Abilities {
  readonly #all: ReadonlySet<Ability>

  constructor(dice: Dice) {
    const only = listed('SHIPPER_SOAK_ONLY')
    const rare = RARE.filter((one) => !listed('SHIPPER_SOAK_WITH')?.includes(one))
    const without = [...(only === undefined ? rare : []), ...(listed('SHIPPER_SOAK_WITHOUT') ?? [])]
    const all = Object.keys(ABILITIES) as Ability[]
    // Drawn in any case: a seed that is run with fewer abilities has the same numbers otherwise.
    const drawn = all.filter((one) => dice.chance(one === 'strict' ? 0.8 : 0.2))
    this.#all = new Set((only ?? drawn).filter((one) => !without.includes(one)))
  }

  has(...some: Ability[]): boolean {
    return some.some((one) => this.#all.has(one))
  }

  get any(): boolean {
    return this.#all.size > 0
  }

  toString(): string {
    return [...this.#all].join(',') || 'none'
  }
}

/** Returns the abilities that the variable lists; throws if one is unknown. */
function listed(variable: string): Ability[] | undefined {
  const text = process.env[variable]
  if (text === undefined || text === '') return undefined
  const names = text.split(',').filter((name) => name !== 'none')
  for (const name of names)
    if (!(name in ABILITIES))
      throw new Error(`${variable}: there is no ability "${name}", only ${Object.keys(ABILITIES).join(', ')}`)
  return names as Ability[]
}
