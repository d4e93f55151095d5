import { Command, CommanderError } from 'commander'
import { ShipperError } from '../core/error.ts'
import { allFlags, newRequest, type Request } from './arguments.ts'
import { terminalWidth } from './wrap.ts'

export type Program = Command

const USAGE_PREFIX = /^error: /
const SUGGESTION = /\n\(Did you mean (.+)\?\)$/

/** Returns the command line as commander knows it. */
export function makeProgram(): Command {
  const program = new Command('shipper')
  program
    .description('Collects logs and forwards them with at-least-once delivery.')
    .argument('[command...]')
    .usage('[options] [command]')
    .helpOption(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ helpWidth: terminalWidth(), visibleArguments: () => [] })
  for (const { text, help } of allFlags())
    program.addOption(program.createOption(text, help).hideHelp(help === undefined))
  return program
}

/** Parses the arguments; throws E_CLI_USAGE when they are invalid. */
export function parseWith(program: Command, args: readonly string[]): Request {
  try {
    return parse(program, args)
  } catch (err) {
    throw err instanceof CommanderError ? usageError(err) : err
  }
}

function parse(program: Command, args: readonly string[]): Request {
  const request = newRequest()
  const flags = allFlags()
  // Commander emits an event per option in the order of the arguments; its parsed values would lose that order.
  program.options.forEach((option, at) => {
    const flag = option.short ?? option.long ?? ''
    program.on(`option:${option.name()}`, (value: string | null) =>
      flags[at]?.handler(request, value ?? '', flag),
    )
  })
  program.parse(args, { from: 'user' })
  return request
}

function usageError({ message }: Error): ShipperError {
  const text = message.replace(USAGE_PREFIX, '').replace(SUGGESTION, ' (did you mean $1?)')
  return new ShipperError('E_CLI_USAGE', text, text.endsWith('?)') ? { hint: '' } : {})
}
