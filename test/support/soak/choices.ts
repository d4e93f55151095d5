import { join } from 'node:path'
import type { Compression } from './compress.ts'
import type { Compress, LogOptions, Style } from './log.ts'
import {
  ATTACHED,
  BEHIND,
  DATED,
  KUBELET,
  NUMBERED,
  PREFIXED,
  type Scheme,
  TARGETS,
  WITHIN,
} from './names.ts'
import type { Dice, SoakPlan } from './plan.ts'

type Chosen = Pick<
  LogOptions,
  'path' | 'style' | 'scheme' | 'compress' | 'compression' | 'olddir' | 'targets' | 'holes'
>

/** Returns the two letters of log `n`: nothing is taken for a digit of a rotation. */
export function stemOf(n: number): string {
  return String.fromCharCode(97 + Math.floor(n / 26), 97 + (n % 26))
}

/** Chooses how a new log is rotated, among what the plan allows; `names` are those of the other logs. */
export function chooseLog(plan: SoakPlan, dice: Dice, dir: string, n: number, names: string[]): Chosen {
  const { abilities, second, kube } = plan
  const ending =
    second !== undefined && n > 0 && (names.length === 1 || dice.chance(0.5)) ? second : plan.extension
  const path = join(plan.logs, `${chooseStem(plan, dice, n, names, ending)}${ending}`)
  const style = chooseStyle(plan, dice)
  const scheme = chooseScheme(plan, dice, style, ending)
  const olddirs = [join(plan.logs, 'old'), join(dir, 'archive')]
  // A folder is known once a known file was found there by its identity, so nothing is compressed.
  const olddir =
    style === 'rename' && abilities.has('olddir') && dice.chance(0.7) ? dice.pick(olddirs) : undefined
  const compress = olddir !== undefined || plan.excludesRotated ? 'no' : chooseCompress(plan, dice, style)
  const exact = !plan.wide && abilities.has('links')
  return {
    path,
    style,
    scheme,
    compress,
    compression: chooseCompression(plan, dice, style, scheme),
    olddir,
    targets: kube ? join(dir, 'pods') : exact && dice.chance(0.5) ? plan.logs : join(dir, 'data'),
    holes: style === 'copy' && abilities.has('holes'),
  }
}

/** A log of the second input has the letters of one of the first: its name is like that of a rotated file. */
function chooseStem(plan: SoakPlan, dice: Dice, n: number, names: string[], ending: string): string {
  const stems = names.map((name) => name.slice(0, 2)).filter((stem) => !names.includes(`${stem}${ending}`))
  if (ending === plan.extension || !plan.abilities.has('twins') || stems.length === 0) return stemOf(n)
  return dice.pick(stems)
}

function chooseStyle({ kube, abilities, excludesRotated }: SoakPlan, dice: Dice): Style {
  if (kube) return 'kubelet'
  if (abilities.has('links') && !excludesRotated && dice.chance(0.6))
    return dice.pick<Style>(['link', 'link', 'swap'])
  if (abilities.has('unread', 'holes') && dice.chance(0.5)) return 'copy'
  return dice.pick<Style>(['rename', 'rename', 'copy'])
}

function chooseScheme(plan: SoakPlan, dice: Dice, style: Style, ending: string): Scheme {
  if (style === 'kubelet') return KUBELET
  if (style === 'link' || style === 'swap') return dice.pick(TARGETS)
  if (plan.abilities.has('prefix') && !plan.excludesRotated && dice.chance(0.6)) return dice.pick(PREFIXED)
  // The rotated files of one log would have the name of the other.
  if (plan.second === '.1') return DATED
  if (!plan.abilities.has('names')) return dice.pick([NUMBERED, DATED])
  if (plan.excludesRotated || plan.abilities.has('twins')) return dice.pick(BEHIND)
  const attached = ending.startsWith('.') ? ATTACHED : []
  return dice.pick([...BEHIND, ...WITHIN, ...attached])
}

function chooseCompress({ abilities }: SoakPlan, dice: Dice, style: Style): Compress {
  if (style === 'swap') return 'no'
  return dice.pick<Compress>(
    abilities.has('gzip') ? ['delayed', 'now', 'late', 'late'] : ['no', 'delayed', 'now'],
  )
}

function chooseCompression(plan: SoakPlan, dice: Dice, style: Style, scheme: Scheme): Compression {
  const free = plan.abilities.has('gzip')
  return {
    // The temporary name would match a wide Path.
    aside: style === 'kubelet' || (free && !plan.wide && dice.chance(0.3)),
    keepsTime: style === 'kubelet' || !free || dice.chance(0.6),
    // The name of the copy would be taken by the next one.
    keepsOriginal: free && !scheme.shifts && dice.chance(0.3),
  }
}
