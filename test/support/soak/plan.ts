import { join } from 'node:path'
import { seeded } from '../shipping.ts'
import type { Format, Style } from './log.ts'

type Options = Record<string, string | number>

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
  format: Format
  styles: Style[]
  fromHead: boolean
  peers: number
  options: { service: Options; tail: Options; forward: Options }
}

const JOINED: Record<Format, Options> = {
  plain: {},
  java: { 'multiline.parser': 'java' },
  cri: { 'multiline.parser': 'docker, cri' },
  docker: { 'multiline.parser': 'docker, cri' },
}
const KUBE_FORMATS: Format[] = ['cri', 'docker']
const OTHER_FORMATS: Format[] = ['plain', 'plain', 'plain', 'plain', 'java', 'cri', 'cri']

export function planOfSoak(dice: Dice, dir: string): SoakPlan {
  const kube = dice.chance(0.3)
  const format = dice.pick(kube ? KUBE_FORMATS : OTHER_FORMATS)
  const fromHead = dice.chance(0.6)
  const limits = dice.chance(0.3) ? { memory_limit: '2M' } : {}
  return {
    format,
    styles: kube ? ['kubelet'] : ['numbered', 'dated', 'copy'],
    fromHead,
    peers: dice.chance(0.25) ? 2 : 1,
    options: {
      service: {
        flush: dice.pick([0.02, 0.1, 0.5]),
        grace: 2,
        'scheduler.base': 0.2,
        'scheduler.cap': 0.5,
        ...limits,
      },
      tail: {
        path: join(dir, kube ? 'containers/*.log' : '*.log'),
        read_from_head: fromHead ? 'on' : 'off',
        rotate_wait: dice.pick([2, 5]),
        refresh_interval: dice.pick([1, 60]),
        progress_check_interval: dice.pick([0.2, 2]),
        inotify_watcher: dice.chance(0.15) ? 'off' : 'on',
        ...(dice.chance(0.3) ? { mem_buf_limit: '128K' } : {}),
        ...JOINED[format],
      },
      forward: { ack_timeout: 0.5, compress: dice.chance(0.2) ? 'gzip' : 'text' },
    },
  }
}
