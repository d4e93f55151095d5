import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/bootstrap.mjs'
import { type Running, type StartOptions, shipperCommand, start } from './process.ts'
import { tmp } from './tmp.ts'

const BLOCK = /^```(\w+)\n([\s\S]*?)^```$/gm
const CONTINUED = /\\\n\s*/g
const COMMENT = /(?:^|\s+)#.*$/
const SPECIAL = /[.*+?^${}()|[\]\\]/g
const PIPE = /[|>]/

export interface GuideOptions {
  /** What stands in the page, and what the test has in its place: addresses, ports, folders. */
  inPlaceOf?: Record<string, string>
  /** Programs that a test cannot have (a cluster's, a service manager's): scripts that stand in for them. */
  programs?: Record<string, string>
  env?: Record<string, string>
}

/**
 * A page for users whose commands (blocks `sh`) and configurations (blocks `ini`) a test runs as they are written, in
 * their order; `done` is a failure when one was not run.
 */
export class Guide {
  /** Where the commands run; removed after the test. */
  readonly dir = tmp('guide-')
  readonly #commands: string[]
  readonly #configurations: string[]
  readonly #options: GuideOptions

  /** `path` from the root of the project. */
  constructor(path: string, options: GuideOptions = {}) {
    const blocks = [...readFileSync(join(ROOT, path), 'utf8').matchAll(BLOCK)]
    const texts = (language: string): string[] =>
      blocks.flatMap(([, name, text = '']) => (name === language ? [text] : []))
    this.#commands = texts('sh').flatMap(commandsOf)
    this.#configurations = texts('ini')
    this.#options = options
    const command = shipperCommand().map((word) => `'${word}'`)
    this.#program('shipper', `exec ${command.join(' ')} "$@"`)
    for (const [name, script] of Object.entries(options.programs ?? {})) this.#program(name, script)
  }

  /** The next command, which has to begin like this, as the test may run it. */
  next(begin: string): string {
    const command = this.#commands.shift()
    if (command?.startsWith(begin) !== true)
      throw new Error(`the guide has "${command}" where "${begin}" is expected`)
    return this.mine(command)
  }

  /** The next configuration. */
  configuration(): string {
    const text = this.#configurations.shift()
    if (text === undefined) throw new Error('the guide has no further configuration')
    return this.mine(text)
  }

  /** Starts the next command in a shell; one program keeps its pid. */
  start(begin: string, options: StartOptions = {}): Running {
    return this.launch(this.next(begin), options)
  }

  /** Starts a command of the test's own in the same shell. */
  launch(command: string, options: StartOptions = {}): Running {
    const line = PIPE.test(command) ? command : `exec env ${command}`
    const { PATH = process.env.PATH, ...more } = this.#options.env ?? {}
    const env = { PATH: `${this.dir}:${PATH}`, ...more, ...options.env }
    return start(['-ec', line], { cwd: this.dir, ...options, env, command: ['sh'] })
  }

  /** Runs the next command to its end, which has to be a good one; what it said on stdout. */
  async run(begin: string, options: StartOptions & { limitMs?: number } = {}): Promise<string> {
    const it = this.start(begin, options)
    const { code } = await it.ended(options.limitMs)
    if (code !== 0) throw new Error(`${begin} ended with ${code}: ${it.stdout}${it.stderr}`)
    return it.stdout
  }

  /** Where a command finds the file. */
  file(name: string, text: string): string {
    const path = join(this.dir, name)
    writeFileSync(path, text)
    return path
  }

  done(): void {
    const left = [...this.#commands, ...this.#configurations]
    if (left.length > 0) throw new Error(`no test has run:\n${left.join('\n')}`)
  }

  /** The text with what the test has in place of what stands in the page. */
  mine(text: string): string {
    const pairs = this.#options.inPlaceOf ?? {}
    // In one pass, the longest first: nothing that was put in is looked at again.
    const theirs = Object.keys(pairs).sort((a, b) => b.length - a.length)
    if (theirs.length === 0) return text
    const any = theirs.map((key) => key.replace(SPECIAL, '\\$&')).join('|')
    return text.replace(new RegExp(any, 'g'), (key) => pairs[key] ?? key)
  }

  #program(name: string, script: string): void {
    chmodSync(this.file(name, `#!/bin/sh\n${script}\n`), 0o755)
  }
}

export function onPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

function commandsOf(block: string): string[] {
  const lines = block.replace(CONTINUED, '').split('\n')
  return lines.map((line) => line.replace(COMMENT, '')).filter((line) => line !== '')
}
