import type { Logger } from '../../../core/plugin.ts'
import type { Files } from './files.ts'
import type { Finder } from './finder.ts'
import type { Positions } from './positions.ts'
import type { Rotated } from './rotated.ts'

export function finishRotated(_: {
  files: Files
  positions: Positions
  finder: Finder
  rotated: Rotated
  log: Logger
}): void {}
