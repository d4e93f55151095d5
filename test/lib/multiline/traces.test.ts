import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { traceStateMachine } from '../../../src/lib/multiline/builtin-rules.ts'
import { NO_GROUP, type RuleStateMachine } from '../../../src/lib/multiline/state-machine.ts'
import { tmp } from '../../support/tmp.ts'

/** The groups that lines fall into. */
function groupsOf(machine: RuleStateMachine, lines: string[]): string[][] {
  const groups: string[][] = []
  let state = NO_GROUP
  for (const line of lines) {
    const verdict = machine.next(state, line)
    state = machine.state
    if (verdict === 'start' || verdict === 'alone' || groups.length === 0) groups.push([line])
    else groups.at(-1)?.push(line)
  }
  return groups
}

/** What a program of that runtime writes when it fails; lines without the newline at the very end. */
function traceBy(command: string, args: string[], name: string, source: string): string[] {
  const dir = tmp()
  writeFileSync(join(dir, name), source)
  const { stderr, error } = spawnSync(command, [...args, name], {
    cwd: dir,
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (error !== undefined) throw error
  return stderr.trimEnd().split('\n')
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

describe('the trace of a program that failed is one group, and the lines around it are none of it:', () => {
  const cases: [string, () => string[]][] = [
    ['python', () => traceBy('python3', [], 'main.py', PYTHON)],
    ['node', () => traceBy('node', [], 'main.cjs', NODE)],
    ['java', () => traceBy('java', [], 'Main.java', JAVA)],
    ['go', () => traceBy('go', ['run'], 'main.go', GO)],
    [
      'ruby',
      () => [
        "main.rb:2:in 'Integer#/': divided by 0 (ZeroDivisionError)",
        "\tfrom main.rb:2:in 'Object#inner'",
        "\tfrom main.rb:6:in '<main>'",
      ],
    ],
  ]
  for (const [name, trace] of cases) {
    test(name, () => {
      const machine = traceStateMachine(name) as RuleStateMachine
      const lines = trace()
      expect(lines.length).toBeGreaterThan(2)
      const before = '2026-11-21T06:00:00Z INFO started'
      const after = '2026-11-21T06:00:01Z INFO going on'
      expect(groupsOf(machine, [before, ...lines, after])).toEqual([[before], lines, [after]])
    }, 180_000)
  }

  test('go: every form of a call, and no log line that ends with a bracket', () => {
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
    for (const after of ['INFO listening (port 80)', 'x.rb:1:in `a`: bad (RuntimeError)', 'x () (y)'])
      expect(groupsOf(machine, [...lines, after])).toEqual([lines, [after]])
    const ended = [...lines, 'exit status 2']
    const next = 'main.go(1)'
    expect(groupsOf(machine, [...ended, next])).toEqual([ended, [next]])
  })

  test('python, twice in a row', () => {
    const lines = traceBy('python3', [], 'main.py', PYTHON)
    const machine = traceStateMachine('python') as RuleStateMachine
    expect(groupsOf(machine, [...lines, ...lines])).toEqual([lines, lines])
  })

  test('a log line that carries the error begins the group of java', () => {
    const lines = ['06:00 ERROR app - failed: java.lang.RuntimeException: x', '\tat a.B.c(B.java:3)']
    expect(
      groupsOf(traceStateMachine('java') as RuleStateMachine, ['06:00 INFO ok', ...lines, 'next']),
    ).toEqual([['06:00 INFO ok'], lines, ['next']])
  })
})
