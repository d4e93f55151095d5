import { test } from 'bun:test'

/** True where every peer must be there: a test that is skipped on such a machine is a failure. */
export const CI = process.env.CI === 'true'

/**
 * `test`, if the peer `name` is present. If not: a test that is skipped with the reason in its name on a user's
 * machine, and that fails where CI is `true`; `nowhere`: a peer that is no part of what is built, only looks at it.
 *
 * ```ts
 * const testWithJava = peerOrSkip('java', await hasJava(), 'no `java` on PATH')
 * testWithJava('a broker takes ...', async () => { ... })
 * ```
 */
export function peerOrSkip(
  name: string,
  present: boolean,
  reason: string,
  required: 'in CI' | 'nowhere' = 'in CI',
): typeof test {
  if (present) return test
  const absent = (label: string, _body?: unknown, _options?: unknown): void => {
    if (CI && required === 'in CI') {
      test(label, () => {
        throw new Error(`${name} is absent: ${reason}; with CI=true every peer must be there`)
      })
    } else {
      test.skip(`${label} (${name} is absent: ${reason})`, () => {})
    }
  }
  return absent as unknown as typeof test
}
