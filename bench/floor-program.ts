import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The program that all figures are compared with. */
interface Floor {
  command: string[]
  /** `C`, or `bun` where there is no C compiler: that one takes about twice the CPU time. */
  language: 'C' | 'bun'
}

const SOURCE = resolve(import.meta.dirname, 'floor.c')
const DIRECTORY = resolve(import.meta.dirname, '.data')

let floor: Floor | undefined

/** Returns the command that the arguments PORT FILE... follow; the first call compiles it. */
export function floorCommand(): Floor {
  floor ??= compiled() ?? {
    command: [process.execPath, resolve(import.meta.dirname, 'floor.ts')],
    language: 'bun',
  }
  return floor
}

function compiled(): Floor | undefined {
  const program = join(DIRECTORY, 'floor')
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(SOURCE).mtimeMs) {
    mkdirSync(DIRECTORY, { recursive: true })
    const { status } = spawnSync('cc', ['-O2', '-o', `${program}.part`, SOURCE], { stdio: 'ignore' })
    if (status !== 0) return undefined
    renameSync(`${program}.part`, program)
  }
  return { command: [program], language: 'C' }
}
