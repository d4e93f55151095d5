import type { Option } from '../core/options/option.ts'

/** A variable as a shell writes it: upper case, at least two characters, and no braces. */
const SHELL_VARIABLE = /\$([A-Z][A-Z0-9_]+)(?![\w[({'"])/
/** Options whose text is an address, a name or a list that no field of a record is part of. */
const FIXED_TEXT =
  /(?:^|[._])(?:host|region|endpoint|site|user|bucket|stream|stream_name|cloud_id|tenant_id|role_arn|base_uri|brokers|dd_[a-z]+)$/
/** Variables of the formats of names, which are no variables of the environment. */
const OWN = new Set(['TAG', 'UUID', 'INDEX'])

/** Returns the hint for a value that was refused and is, or has, a variable as a shell writes it. */
export function shellVariableHint(option: string, { secret }: Option, value: string): string | undefined {
  const name = nameIn(value)
  if (name === undefined || (value.trim() !== `$${name}` && !FIXED_TEXT.test(option))) return undefined
  return hintOf(secret === undefined ? name : 'NAME')
}

/** Returns a warning for a value that was accepted as a text, in an option in which a variable is likely. */
export function shellVariableWarning(name: string, option: Option, value: string): string | undefined {
  const isSecret = option.secret === true && option.type === 'string'
  if (option.ignored !== undefined || !(isSecret || FIXED_TEXT.test(name))) return undefined
  const variable = nameIn(value)
  if (variable === undefined || (isSecret && value.trim() !== `$${variable}`)) return undefined
  if (isSecret) return `"${name}" is used as it is written, with its dollar sign: ${hintOf('NAME')}`
  return `"${name}" contains $${variable} as a literal text: ${hintOf(variable)}`
}

function nameIn(value: string): string | undefined {
  const [, name] = SHELL_VARIABLE.exec(value) ?? []
  return name === undefined || OWN.has(name) ? undefined : name
}

function hintOf(name: string): string {
  return `write \${${name}} for a variable of the environment`
}
