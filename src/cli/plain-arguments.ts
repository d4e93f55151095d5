import { allFlags, type FlagHandler, newRequest, type Request } from './arguments.ts'

interface PlainFlag {
  handler: FlagHandler
  /** Name that the handler gets: the short one, where there is one. */
  name: string
  takesValue: boolean
}

/**
 * Reads a command line that has nothing but flags, each written as in the tables and with its value in the next argument, as
 * those of services do. Returns undefined for every other, also for one that asks for help: those are left to commander, and
 * a test compares the two. Loading commander and what it loads of the runtime is a fifth of a start.
 */
export function plainArguments(args: readonly string[]): Request | undefined {
  if (args.length === 0) return undefined
  const flags = plainFlags()
  const found: [flag: PlainFlag, value: string][] = []
  for (let i = 0; i < args.length; i++) {
    const flag = flags.get(args[i] as string)
    if (flag === undefined) return undefined
    const value = flag.takesValue ? args[++i] : ''
    if (value === undefined) return undefined
    found.push([flag, value])
  }
  const request = newRequest()
  for (const [{ handler, name }, value] of found) handler(request, value, name)
  return request.help === undefined ? request : undefined
}

function plainFlags(): Map<string, PlainFlag> {
  const flags = new Map<string, PlainFlag>()
  for (const { text, handler } of allFlags()) {
    const words = text.split(' ')
    const takesValue = words.at(-1)?.startsWith('<') === true
    const names = words.filter((word) => word.startsWith('-')).map((word) => word.replace(',', ''))
    const flag = { handler, name: names[0] as string, takesValue }
    for (const name of names) flags.set(name, flag)
  }
  return flags
}
