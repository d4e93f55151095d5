import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmp } from '../tmp.ts'

/**
 * A language runtime, and a program that logs lines beginning with MARK and writes a trace between every two
 * of them.
 */
export interface Runtime {
  command: string
  /** Arguments that print the version, which shows whether the runtime works. */
  version: string[]
  file: string
  source: string
  /** Commands that run the program. The output of the last one is its log. */
  run: string[][]
  env?: Record<string, string>
}

/** Beginning of the ordinary lines. */
export const MARK = '2026-11-21T06:00:00Z INFO'

const JAVA = `
public class Main {
  static class Fault extends RuntimeException {
    Fault(String m, Throwable c) { super(m, c); }
  }
  static void inner() { throw new IllegalStateException("ERROR: duplicate key\\n  Detail: Key (id)=(1)\\n\\nthird"); }
  static void log(String s) { System.err.println("${MARK} " + s); }
  public static void main(String[] a) throws Exception {
    log("one line");
    new java.io.IOException("closed").printStackTrace();
    log("several lines");
    try { inner(); } catch (Exception e) { e.printStackTrace(); }
    log("causes and suppressed ones");
    try { inner(); } catch (Exception e) {
      Exception outer = new java.sql.SQLException("outer\\nmessage", new Exception("no frames of its own", new Fault("last\\none", e)));
      outer.addSuppressed(new java.io.IOException("closing\\nfile"));
      outer.printStackTrace();
    }
    log("circular");
    Exception x = new Exception("x"), y = new Exception("y", x);
    x.initCause(y);
    x.printStackTrace();
    log("of a thread");
    Thread t = new Thread(() -> { throw new IllegalArgumentException("in a thread\\nhere"); });
    t.start();
    t.join();
    log("end");
  }
}
`

const PYTHON = `
import sys, threading, traceback
def log(text): print('${MARK} ' + text, file=sys.stderr, flush=True)
def show(f):
    try: f()
    except BaseException: traceback.print_exc()
class Fault(Exception): pass
def one(): return {}['missing']
def several(): raise ValueError('first\\nsecond: x\\n\\n  third\\nlast')
def chain():
    try: several()
    except ValueError as e: raise Fault('outer\\nmessage') from e
def during():
    try: one()
    except KeyError: several()
def recursion(): recursion()
def noted():
    e = ValueError('a')
    if hasattr(e, 'add_note'): e.add_note('note one\\nnote two')
    raise e
def local():
    class Bad(Exception): pass
    raise Bad()
log('one line'); show(one)
log('several lines'); show(several)
log('chain'); show(chain)
log('during'); show(during)
log('recursion'); show(recursion)
log('note'); show(noted)
log('local class'); show(local)
log('syntax'); show(lambda: compile('foo(1,\\n', 'x.py', 'exec'))
log('exit'); show(lambda: exec('raise KeyboardInterrupt'))
if sys.version_info >= (3, 11):
    def group(): raise ExceptionGroup('many\\nlines', [ValueError('a\\nb'), ExceptionGroup('in', [TypeError('c')])])
    def grouped():
        try: group()
        except Exception as e: raise Fault('after\\ngroup') from e
    log('group'); show(group)
    log('chain with a group'); show(grouped)
log('thread')
t = threading.Thread(target=several); t.start(); t.join()
log('syntax error without traceback')
traceback.print_exception(SyntaxError, SyntaxError('bad', ('y.py', 3, 2, 'x y')), None)
log('end')
`

const GO = `package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
)

func log(s string) { fmt.Fprintln(os.Stderr, "${MARK} "+s) }

func fail(kind string) {
	switch kind {
	case "one line":
		panic("boom")
	case "several lines":
		panic("a\\nsecond line\\n\\nfourth")
	case "error":
		panic(errors.New("a\\nsecond line"))
	case "value":
		panic(struct{ a, b int }{1, 2})
	case "nested":
		defer func() { panic(fmt.Sprintf("again: %v", recover())) }()
		panic("first\\nline")
	case "nil":
		var p *int
		*p = 1
	case "goroutine":
		done := make(chan bool)
		go func() { panic("in a goroutine") }()
		<-done
	case "deadlock":
		var m sync.Mutex
		m.Lock()
		m.Lock()
	}
}

func main() {
	if len(os.Args) > 1 {
		fail(os.Args[1])
	}
	for _, kind := range []string{"one line", "several lines", "error", "value", "nested", "nil", "goroutine", "deadlock"} {
		log(kind)
		child := exec.Command(os.Args[0], kind)
		child.Stderr = os.Stderr
		child.Run()
	}
	log("end")
}
`

const NODE = `
const { spawnSync } = require('node:child_process')
const log = (text) => console.error('${MARK} ' + text)
class Fault extends Error {}
const kinds = {
  'one line': () => console.error(new TypeError('bad')),
  'several lines': () => console.error(new Error('multi\\nline message\\n\\n  end')),
  cause: () => console.error(new Error('outer\\nof it', { cause: new TypeError('in\\nner', { cause: new Error('c') }) })),
  fields: () => console.error(Object.assign(new RangeError('x\\ny'), { code: 'E', list: [1, { a: 'b\\n'.repeat(30) }] })),
  many: () => console.error(new AggregateError([new Error('a\\nb'), new Fault('b')], 'many')),
  missing: () => require('node:fs').promises.readFile('/does/not/exist').catch((err) => console.error(err)),
  uncaught: () => { throw new TypeError('uncaught\\nof several lines') },
  'uncaught value': () => { throw 'text\\nof two lines' },
  rejected: () => { Promise.reject(new Error('rejected\\nhere')) },
  'rejected value': () => { Promise.reject({ a: 1 }) },
}
if (process.argv[2]) kinds[process.argv[2]]()
else {
  for (const kind of Object.keys(kinds)) {
    log(kind)
    spawnSync(process.execPath, [__filename, kind], { stdio: ['ignore', 'inherit', 'inherit'] })
  }
  log('end')
}
`

const RUST = `
use std::thread;
fn log(s: &str) { eprintln!("${MARK} {}", s); }
fn main() {
    log("first");
    let _ = thread::spawn(|| { let v: Vec<i32> = vec![]; v[std::env::args().count()] }).join();
    log("several lines");
    let _ = thread::Builder::new().name("named".into()).spawn(|| { panic!("a\\nsecond line\\n\\n  fourth") }).unwrap().join();
    log("unwrap");
    let _ = thread::spawn(|| { "x".parse::<i32>().unwrap() }).join();
    log("end");
}
`

export const RUNTIMES: Record<string, Runtime> = {
  java: {
    command: 'java',
    version: ['-version'],
    file: 'Main.java',
    source: JAVA,
    run: [['java', 'Main.java']],
  },
  python: {
    command: 'python3',
    version: ['--version'],
    file: 'main.py',
    source: PYTHON,
    run: [['python3', 'main.py']],
  },
  go: {
    command: 'go',
    version: ['version'],
    file: 'main.go',
    source: GO,
    run: [['go', 'build', '-o', 'main', 'main.go'], ['./main']],
  },
  node: {
    command: 'node',
    version: ['--version'],
    file: 'main.cjs',
    source: NODE,
    run: [['node', 'main.cjs']],
  },
  rust: {
    command: 'rustc',
    version: ['--version'],
    file: 'main.rs',
    source: RUST,
    run: [['rustc', 'main.rs'], ['./main']],
  },
}
/** The same program, with the frames of each panic. */
RUNTIMES['rust with frames'] = { ...(RUNTIMES.rust as Runtime), env: { RUST_BACKTRACE: '1' } }

export function isInstalled({ command, version }: Runtime): boolean {
  return spawnSync(command, version, { timeout: 60_000 }).status === 0
}

/** Returns the lines that the program writes to stderr. */
export function linesOf({ file, source, run, env }: Runtime): string[] {
  const dir = tmp()
  writeFileSync(join(dir, file), source)
  let stderr = ''
  for (const [command = '', ...args] of run) {
    const done = spawnSync(command, args, {
      cwd: dir,
      encoding: 'utf8',
      env: { ...process.env, ...env },
      timeout: 170_000,
    })
    if (done.error !== undefined) throw done.error
    stderr = done.stderr
  }
  return stderr.replace(/\n$/, '').split('\n')
}

/**
 * Returns the expected records: each line that begins with MARK, and all lines between two of them. Blank
 * lines at the edges are not part of a trace.
 */
export function recordsBetweenMarks(lines: readonly string[]): string[] {
  const records: string[] = []
  let between: string[] = []
  const end = (): void => {
    const first = between.findIndex((line) => line.trim() !== '')
    const last = between.findLastIndex((line) => line.trim() !== '')
    if (first < 0) records.push(...between)
    else {
      const trace = between.slice(first, last + 1).join('\n')
      records.push(...between.slice(0, first), trace, ...between.slice(last + 1))
    }
    between = []
  }
  for (const line of lines) {
    if (line.startsWith(MARK)) {
      end()
      records.push(line)
    } else between.push(line)
  }
  end()
  return records
}
