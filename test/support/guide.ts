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
  /** Texts of the page (addresses, ports, folders), and what the test uses in their place. */
  replacements?: Record<string, string>
  /** Scripts in place of programs that a test cannot have, such as those of a cluster or a service manager. */
  programs?: Record<string, string>
  env?: Record<string, string>
}

/**
 * A page for users whose commands (blocks `sh`) and configurations (blocks `ini`) a test runs as they are written, in
 * their order; `done` fails if one of them was not run.
 */
export class Guide {
  /** Folder in which the commands run; removed after the test. */
  readonly dir = tmp('guide-')
  readonly #commands: string[]
  readonly #configurations: string[]
  readonly #options: GuideOptions

  /** Reads the page at `path`, relative to the root of the project. */
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

  /** Returns the next command, which has to begin with `begin`, as the test may run it. */
  next(begin: string): string {
    const command = this.#commands.shift()
    if (command?.startsWith(begin) !== true)
      throw new Error(`the guide has "${command}" where "${begin}" is expected`)
    return this.mine(command)
  }

  /** Returns the next configuration. */
  configuration(): string {
    const text = this.#configurations.shift()
    if (text === undefined) throw new Error('the guide has no further configuration')
    return this.mine(text)
  }

  /** Starts the next command in a shell; if it is a single program, its pid is that of the shell. */
  start(begin: string, options: StartOptions = {}): Running {
    return this.launch(this.next(begin), options)
  }

  /** Starts a command that is not in the page, in the same kind of shell. */
  launch(command: string, options: StartOptions = {}): Running {
    const line = PIPE.test(command) ? command : `exec env ${command}`
    const { PATH = process.env.PATH, ...more } = this.#options.env ?? {}
    const env = { PATH: `${this.dir}:${PATH}`, ...more, ...options.env }
    return start(['-ec', line], { cwd: this.dir, ...options, env, command: ['sh'] })
  }

  /** Runs the next command to its end and returns its stdout; throws if its exit status is not 0. */
  async run(begin: string, options: StartOptions & { limitMs?: number } = {}): Promise<string> {
    const command = this.start(begin, options)
    const { code } = await command.ended(options.limitMs)
    if (code !== 0) throw new Error(`${begin} ended with ${code}: ${command.stdout}${command.stderr}`)
    return command.stdout
  }

  /** Writes a file into the folder of the commands and returns its path. */
  file(name: string, text: string): string {
    const path = join(this.dir, name)
    writeFileSync(path, text)
    return path
  }

  done(): void {
    const left = [...this.#commands, ...this.#configurations]
    if (left.length > 0) throw new Error(`the test did not run:\n${left.join('\n')}`)
  }

  /** Replaces the texts of the page by those of the test. */
  mine(text: string): string {
    const pairs = this.#options.replacements ?? {}
    // In one pass, the longest first, so that no replacement is replaced again.
    const theirs = Object.keys(pairs).sort((a, b) => b.length - a.length)
    if (theirs.length === 0) return text
    const any = theirs.map((key) => key.replace(SPECIAL, '\\$&')).join('|')
    return text.replace(new RegExp(any, 'g'), (key) => pairs[key] ?? key)
  }

  #program(name: string, script: string): void {
    chmodSync(this.file(name, `#!/bin/sh\n${script}\n`), 0o755)
  }
}

function commandsOf(block: string): string[] {
  const lines = block.replace(CONTINUED, '').split('\n')
  return lines.map((line) => line.replace(COMMENT, '')).filter((line) => line !== '')
}
