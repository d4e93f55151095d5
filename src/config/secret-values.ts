import { ShipperError } from '../core/error.ts'
import { MASK } from '../core/mask-secrets.ts'
import { isSecretName } from '../core/secret-names.ts'

/** Shortest value that is masked wherever it stands; a shorter one is masked in quotation marks only. */
const MIN_CHARS = 4

/** Records the value of a variable if its name says that it is secret. */
export function noteSecret(secrets: Set<string>, name: string, value: string | undefined): void {
  if (value !== undefined && value !== '' && isSecretName(name)) secrets.add(value)
}

/** Returns a function that masks the values of secret variables in a text. */
export function maskOf(secrets: ReadonlySet<string>): (text: string) => string {
  if (secrets.size === 0) return (text) => text
  // A value may contain a shorter one.
  const values = [...secrets].sort((a, b) => b.length - a.length)
  return (text) => {
    let masked = text
    for (const value of values)
      masked =
        value.length < MIN_CHARS
          ? masked.replaceAll(`"${value}"`, () => `"${MASK}"`)
          : masked.replaceAll(value, () => MASK)
    return masked
  }
}

/** Returns a problem with its message and hint masked. */
export function maskedProblem(problem: ShipperError, mask: (text: string) => string): ShipperError {
  const [message, hint] = [mask(problem.message), mask(problem.hint)]
  if (message === problem.message && hint === problem.hint) return problem
  const { code, location } = problem
  return new ShipperError(code, message, { hint, ...(location === undefined ? {} : { location }) })
}
