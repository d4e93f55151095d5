import { test } from 'bun:test'
import { spawnSync } from 'node:child_process'

/** True on a machine that must have every peer: there a test whose peer is absent fails. */
export const CI = process.env.CI === 'true'

/**
 * Returns `test` if the peer `name` is present. Else it returns a function that registers the test as skipped, with the
 * reason in its name, or as failed if CI is `true`. With `nowhere` it is skipped in CI too: such a peer only checks what is
 * built, and is not part of it.
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
        throw new Error(`${name} is absent: ${reason}; with CI=true every peer must be present`)
      })
    } else {
      test.skip(`${label} (${name} is absent: ${reason})`, () => {})
    }
  }
  return absent as unknown as typeof test
}

/** Returns true if the program is on PATH. */
export function onPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** Returns `test` for cases that run the program. */
export function testWith(program: string): typeof test {
  return peerOrSkip(program, onPath(program), `no \`${program}\` on PATH`)
}
