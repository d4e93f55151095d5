import { join } from 'node:path'
import { seeded } from '../shipping.ts'
import { Abilities } from './abilities.ts'
import type { Format } from './lines.ts'

type Options = Record<string, string | number>

/** SHIPPER_SOAK_LOG=debug has the agent's log say more. */
const LOG_LEVEL = process.env.SHIPPER_SOAK_LOG

/** Random decisions of a seed. */
export class Dice {
  readonly random: () => number

  constructor(seed: number) {
    // Mixed, because the generator gives similar numbers for neighboring seeds.
    const mixed = Math.imul(seed + 0x9e3779b9, 0x85ebca6b)
    this.random = seeded(Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) >>> 0)
  }

  chance(p: number): boolean {
    return this.random() < p
  }

  int(below: number): number {
    return Math.floor(this.random() * below)
  }

  pick = <T>(from: readonly T[]): T => from[this.int(from.length)] as T
}

/** Settings that stay the same for a seed. */
export interface SoakPlan {
  abilities: Abilities
  format: Format
  kube: boolean
  fromHead: boolean
  /** What follows the two letters in the name of a log. */
  extension: string
  /** What follows them in the name of a log of the second input. */
  second: string | undefined
  /** True if Path matches rotated names. */
  wide: boolean
  /** True if Exclude_Path matches rotated names. */
  excludesRotated: boolean
  /** Folder of the logs. */
  logs: string
  peers: number
  options: { service: Options; inputs: Options[]; forward: Options }
}

const JOINED: Record<Format, Options> = {
  plain: {},
  java: { 'multiline.parser': 'java' },
  cri: { 'multiline.parser': 'docker, cri' },
  docker: { 'multiline.parser': 'docker, cri' },
}
const KUBE_FORMATS: Format[] = ['cri', 'docker']
const OTHER_FORMATS: Format[] = ['plain', 'plain', 'plain', 'plain', 'java', 'cri', 'cri']
/** A number that no rotation makes: it marks what Exclude_Path names. */
export const EXCLUDED = '987654'

export function planOfSoak(seed: number, dir: string): SoakPlan {
  const abilities = new Abilities(new Dice(seed + 5_000_000))
  const dice = new Dice(seed)
  const files = filesOfSoak(abilities, dice, dir)
  const drawn = dice.pick(files.kube ? KUBE_FORMATS : OTHER_FORMATS)
  const format = abilities.has('late') ? 'plain' : drawn
  const aged = abilities.has('aged')
  const fromHead = dice.chance(0.6) && !aged
  const limits = dice.chance(0.3) ? { memory_limit: '2M' } : {}
  const tail = {
    read_from_head: fromHead ? 'on' : 'off',
    rotate_wait: dice.pick(abilities.has('late') ? [0.2, 0.2, 2] : [2, 5]),
    refresh_interval: dice.pick(abilities.any ? [1] : [1, 60]),
    progress_check_interval: dice.pick([0.2, 2]),
    inotify_watcher: dice.chance(0.15) ? 'off' : 'on',
    ...(dice.chance(0.3) ? { mem_buf_limit: '128K' } : {}),
    ...(aged ? { ignore_older: '1d' } : {}),
    ...JOINED[format],
  }
  return {
    ...files,
    abilities,
    format,
    fromHead,
    peers: dice.chance(0.25) ? 2 : 1,
    options: {
      service: {
        flush: dice.pick([0.02, 0.1, 0.5]),
        grace: 2,
        'scheduler.base': 0.2,
        'scheduler.cap': 0.5,
        ...limits,
        ...(LOG_LEVEL === undefined ? {} : { log_level: LOG_LEVEL }),
      },
      inputs: inputsOfSoak(files, abilities, dir, dice.chance(0.5)).map((own) => ({ ...tail, ...own })),
      forward: { ack_timeout: 0.5, compress: dice.chance(0.2) ? 'gzip' : 'text' },
    },
  }
}

type Files = Pick<SoakPlan, 'kube' | 'extension' | 'second' | 'wide' | 'excludesRotated' | 'logs'>

function filesOfSoak(abilities: Abilities, dice: Dice, dir: string): Files {
  // Nobody can know whether a record that is open at the end of a rotated file goes on there or in the next one.
  const kube = dice.chance(abilities.any ? 0.1 : 0.3) && !abilities.has('late')
  const extension = dice.pick(['.log', '.log', '.log', '.json.log', '.out', ''])
  const second = dice.pick(['-2', '.1', '2', '_20250101'])
  const named = !kube && abilities.has('names', 'prefix') ? extension : '.log'
  return {
    kube,
    extension: named,
    second: kube
      ? undefined
      : abilities.has('twins')
        ? `${second}${named}`
        : abilities.has('two')
          ? `x${named}`
          : undefined,
    wide: !kube && abilities.has('paths') && (named !== '' || !abilities.has('two', 'twins')),
    excludesRotated: dice.chance(0.5) && !kube && named !== '' && abilities.has('exclude'),
    logs: join(dir, kube ? 'containers' : 'logs'),
  }
}

/** Abilities for which Path may match nothing but logs. */
const EXACT = ['names', 'prefix', 'links', 'foreign', 'copies', 'exclude', 'two', 'twins'] as const

function inputsOfSoak(files: Files, abilities: Abilities, dir: string, shareDb: boolean): Options[] {
  const { kube, logs, extension, second, wide } = files
  if (kube) return [{ path: join(logs, '*.log') }]
  const excluded = [`*${EXCLUDED}*`, ...(files.excludesRotated ? [`*${extension}[.-]*`] : [])]
  const common = abilities.has('exclude')
    ? { exclude_path: excluded.map((pattern) => join(logs, pattern)).join(',') }
    : {}
  const pattern = (end: string): string => {
    if (wide) return second === undefined && extension !== '' ? '[a-z][a-z]*' : `??${end}*`
    return abilities.has(...EXACT) ? `??${end}` : `*${end}`
  }
  const first = { path: join(logs, pattern(extension)), ...common }
  if (second === undefined) return [first]
  return [
    first,
    {
      tag: 'second',
      path: join(logs, pattern(second)),
      db: join(dir, shareDb ? 'pos.db' : 'second.db'),
      ...common,
    },
  ]
}
