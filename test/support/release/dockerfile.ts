import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export interface Copy {
  /** Stage of the sources; undefined for the project. */
  from: string | undefined
  sources: string[]
  target: string
  mode: number | undefined
  /** Owner as `UID:GID`. */
  owner: string | undefined
}

export interface Stage {
  base: string
  copies: Copy[]
  user: string
  entry: string[]
  command: string[]
  env: Record<string, string>
}

const FLAG = /^--(\w+)=(.*)$/
const BLANKS = /\s+/

/** Effect of each instruction of our Dockerfile on its stage. */
const INSTRUCTIONS: Record<string, (stage: Stage, rest: string[]) => void> = {
  ARG: () => {},
  RUN: () => {},
  COPY: (stage, rest) => void stage.copies.push(copyOf(rest)),
  USER: (stage, [user = '']) => Object.assign(stage, { user }),
  ENTRYPOINT: (stage, rest) => Object.assign(stage, { entry: JSON.parse(rest.join(' ')) }),
  CMD: (stage, rest) => Object.assign(stage, { command: JSON.parse(rest.join(' ')) }),
  ENV: (stage, rest) => Object.assign(stage.env, Object.fromEntries(rest.map((each) => each.split('=')))),
}

/** Parses the stages of a Dockerfile by name, the last one under ''. Each instruction has to be one line. */
export function stagesOf(text: string): Map<string, Stage> {
  const stages = new Map<string, Stage>()
  let stage = newStage('')
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const [word = '', ...rest] = line.split(BLANKS)
    if (word === 'FROM') {
      stage = newStage(rest[0] ?? '')
      stages.set(rest[2] ?? '', stage)
      continue
    }
    const take = INSTRUCTIONS[word]
    if (take === undefined) throw new Error(`unknown instruction: ${line}`)
    take(stage, rest)
  }
  return stages
}

function newStage(base: string): Stage {
  return { base, copies: [], user: '', entry: [], command: [], env: {} }
}

function copyOf(words: string[]): Copy {
  const flags = Object.fromEntries(
    words.flatMap((word) => [FLAG.exec(word)?.slice(1) ?? []]).filter(([name]) => name),
  )
  const paths = words.filter((word) => !FLAG.test(word))
  const mode = flags.chmod === undefined ? undefined : Number.parseInt(flags.chmod, 8)
  return {
    from: flags.from,
    sources: paths.slice(0, -1),
    target: paths.at(-1) ?? '',
    mode,
    owner: flags.chown,
  }
}

/** Returns the sources of the system's stage that do not exist on this machine, which has to be a Debian as well. */
export function missingSources(copies: Copy[], made: Record<string, string>): string[] {
  const sources = copies.filter(({ from }) => from !== undefined).flatMap((copy) => copy.sources)
  return sources.filter((path) => made[path] === undefined && !existsSync(path))
}

/**
 * Copies as the COPY lines say: from `project`, and for the stage of the system from this machine. `made` replaces the
 * results of a RUN line: an empty folder has the path ''.
 */
export function assemble(root: string, copies: Copy[], project: string, made: Record<string, string>): void {
  for (const copy of copies) {
    for (const source of copy.sources) {
      const file = copy.from === undefined ? join(project, source) : (made[source] ?? source)
      put(file, join(root, copy.target, copy.target.endsWith('/') ? basename(source) : ''), copy)
    }
  }
}

function put(file: string, place: string, { mode, owner }: Copy): void {
  mkdirSync(file === '' ? place : dirname(place), { recursive: true })
  if (file !== '') copyFileSync(file, place)
  if (mode !== undefined) chmodSync(place, mode)
  const [uid, gid] = owner?.split(':').map(Number) ?? []
  if (uid !== undefined && gid !== undefined) chownSync(place, uid, gid)
}
