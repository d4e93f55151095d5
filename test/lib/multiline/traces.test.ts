import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { traceStateMachine } from '../../../src/lib/multiline/builtin-rules.ts'
import { NO_RECORD, type RuleStateMachine } from '../../../src/lib/multiline/state-machine.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { tmp } from '../../support/tmp.ts'
import { RECORDED } from './recorded-traces.ts'

/** Returns the lines of each record into which the machine joins the given lines. */
function recordsOf(machine: RuleStateMachine, lines: string[]): string[][] {
  const records: string[][] = []
  let state = NO_RECORD
  for (const line of lines) {
    const role = machine.next(state, line)
    state = machine.state
    if (role === 'start' || role === 'alone' || records.length === 0) records.push([line])
    else records.at(-1)?.push(line)
  }
  return records
}

interface Runtime {
  command: string
  /** Arguments that print the version, to find out whether the runtime is installed. */
  version: string[]
  run: string[]
  file: string
  source: string
}

/** Returns the lines that a failing program of the runtime writes to stderr. */
function traceOf({ command, run, file, source }: Runtime): string[] {
  const dir = tmp()
  writeFileSync(join(dir, file), source)
  const { stderr, error } = spawnSync(command, [...run, file], {
    cwd: dir,
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (error !== undefined) throw error
  const lines = stderr.trimEnd().split('\n')
  // Of `go run`, not of the program.
  return lines.at(-1)?.startsWith('exit status ') ? lines.slice(0, -1) : lines
}

const PYTHON = `
def inner():
    return {}['missing']
def outer():
    try:
        inner()
    except KeyError as e:
        raise ValueError('bad value') from e
outer()
`
const NODE = `
function inner() { throw new TypeError('bad value', { cause: new Error('first') }) }
function outer() { inner() }
outer()
`
const JAVA = `
public class Main {
  static void inner() { throw new IllegalStateException("first"); }
  public static void main(String[] a) {
    try { inner(); } catch (RuntimeException e) {
      RuntimeException other = new RuntimeException("second", e);
      other.addSuppressed(new java.io.IOException("closing"));
      throw other;
    }
  }
}
`
const GO = `package main

type thing struct{ next *thing }

func inner(t *thing) *thing { return t.next.next }
func main() {
	done := make(chan bool)
	go func() { <-done }()
	inner(&thing{})
}
`

const RUNTIMES: Record<string, Runtime> = {
  python: { command: 'python3', version: ['--version'], run: [], file: 'main.py', source: PYTHON },
  node: { command: 'node', version: ['--version'], run: [], file: 'main.cjs', source: NODE },
  java: { command: 'java', version: ['-version'], run: [], file: 'Main.java', source: JAVA },
  go: { command: 'go', version: ['version'], run: ['run'], file: 'main.go', source: GO },
}

function isInstalled({ command, version }: Runtime): boolean {
  return spawnSync(command, version, { timeout: 30_000 }).status === 0
}

/** Checks that the trace is one record and that the lines around it are not part of it. */
function expectOneRecord(name: string, lines: string[]): void {
  const machine = traceStateMachine(name) as RuleStateMachine
  expect(lines.length).toBeGreaterThan(2)
  const before = '2026-11-21T06:00:00Z INFO started'
  const after = '2026-11-21T06:00:01Z INFO going on'
  expect(recordsOf(machine, [before, ...lines, after])).toEqual([[before], lines, [after]])
}

describe('a stack trace becomes one record, without the lines around it:', () => {
  for (const [name, trace] of Object.entries(RECORDED))
    test(`${name}, recorded`, () => expectOneRecord(name, trace.split('\n')))

  // These show that the installed versions still write traces in this form. The recorded ones are always tested, so no
  // runtime is required, in CI neither.
  for (const [name, runtime] of Object.entries(RUNTIMES)) {
    const { command } = runtime
    const testInstalled = peerOrSkip(
      command,
      isInstalled(runtime),
      `no working \`${command}\` on PATH`,
      'nowhere',
    )
    testInstalled(`${name}, of the installed version`, () => expectOneRecord(name, traceOf(runtime)), 180_000)
  }

  test('go: joins every form of a call, but no log line that ends with a bracket', () => {
    const lines = [
      'panic: boom [recovered]',
      '\tpanic: boom',
      '',
      'goroutine 7 [running]:',
      'panic({0x4b1f20?, 0x4e3a10?})',
      '\t/go/src/runtime/panic.go:787 +0x132',
      'net/http.(*conn).serve.func1()',
      '\t/go/src/net/http/server.go:1947 +0xbe',
      'example.com/a%2eb.Map[...](0xc000012345, {0x1, 0x2, 0x3})',
      '\t/src/map.go:12 +0x1d',
      'main.(*T).Do(...)',
      '\t/src/t.go:9',
      'created by net/http.(*Server).Serve in goroutine 1',
      '\t/go/src/net/http/server.go:3454 +0x485',
    ]
    const machine = traceStateMachine('go') as RuleStateMachine
    // `go run` writes the last one, not the program.
    for (const after of [
      'INFO listening (port 80)',
      'x.rb:1:in `a`: bad (RuntimeError)',
      'x () (y)',
      'exit status 2',
    ])
      expect(recordsOf(machine, [...lines, after])).toEqual([lines, [after]])
  })

  test('python: two traces in a row become two records', () => {
    const lines = (RECORDED.python as string).split('\n')
    const machine = traceStateMachine('python') as RuleStateMachine
    expect(recordsOf(machine, [...lines, ...lines])).toEqual([lines, lines])
  })

  test('java: a log line that contains the error starts the record', () => {
    const lines = ['06:00 ERROR app - failed: java.lang.RuntimeException: x', '\tat a.B.c(B.java:3)']
    expect(
      recordsOf(traceStateMachine('java') as RuleStateMachine, ['06:00 INFO ok', ...lines, 'next']),
    ).toEqual([['06:00 INFO ok'], lines, ['next']])
  })
})
