import { afterAll, onTestFinished } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new empty folder, removed after the test (or the file, when asked for outside a test) that asked for it. */
export function tmp(name = 'shipper-'): string {
  const dir = mkdtempSync(join(tmpdir(), name))
  atEnd(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const cleanings: (() => void | Promise<void>)[] = []

/** What a test does at its end; called by a program that uses these parts outside of the test runner. */
export async function cleanUp(): Promise<void> {
  for (;;) {
    const clean = cleanings.pop()
    if (clean === undefined) return
    await clean()
  }
}

/**
 * Runs `clean` when the current test is over, or the current file when no test is running; the latest first, so that
 * a process is gone before its folder. A hook at the top of a helper module would not do: the module is loaded once,
 * and its hook then belongs to the first file that imports it. Not for `beforeAll`, which counts as the first test:
 * what several tests share is made at the top of the file.
 */
export function atEnd(clean: () => void | Promise<void>): void {
  try {
    onTestFinished(cleanUp)
    cleanings.push(clean)
  } catch {
    if (inTests()) afterAll(clean)
    else cleanings.push(clean)
  }
}

/** False in the benchmarks, where hooks are refused: they end what they started with `cleanUp`. */
function inTests(): boolean {
  return process.env.NODE_ENV === 'test'
}
