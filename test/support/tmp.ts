import { afterAll, onTestFinished } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Makes an empty folder. It is removed after the current test, or after the current file outside of a test. */
export function tmp(name = 'shipper-'): string {
  const dir = mkdtempSync(join(tmpdir(), name))
  atEnd(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const cleanUps: (() => void | Promise<void>)[] = []
const fileCleanUps: (() => void | Promise<void>)[] = []

/** Runs what `atEnd` has registered; called by a program that uses these parts outside of the test runner. */
export async function cleanUp(): Promise<void> {
  for (;;) {
    const clean = cleanUps.pop()
    if (clean === undefined) return
    await clean()
  }
}

/**
 * Runs `clean` after the current test, or after the current file if no test is running; the latest first, so that a
 * process ends before its folder is removed. A hook at the top of a helper module does not work: the module is loaded once,
 * and its hook then belongs to the first file that imports it. Not for `beforeAll`, which counts as the first test: what
 * several tests share is made at the top of the file.
 */
export function atEnd(clean: () => void | Promise<void>): void {
  try {
    onTestFinished(cleanUp)
    cleanUps.push(clean)
  } catch {
    if (inTests()) {
      fileCleanUps.push(clean)
      // Bun calls hooks in their order, the first one first.
      afterAll(() => fileCleanUps.pop()?.())
    } else cleanUps.push(clean)
  }
}

/** Returns false in the benchmarks, where hooks are refused: they call `cleanUp` at their end. */
function inTests(): boolean {
  return process.env.NODE_ENV === 'test'
}
