import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../support/agent-run.ts'
import { acknowledge, forwardPeer } from '../support/forward/peer.ts'
import { run, shipperCommand, start } from '../support/process.ts'
import { runCommandOnTerminal, testOnTerminal } from '../support/pty.ts'
import { tmp } from '../support/tmp.ts'

/** Returns arguments that read a file to its end; the caller adds an output. */
function finite(text: string): string[] {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, text)
  return ['-i', 'tail', '-p', `path=${path}`, '-p', 'read_from_head=on', '-p', 'exit_on_eof=on']
}

/** Arguments, and what they print to stdout. */
const ANSWERS: [string[], RegExp][] = [
  [['-V'], /^shipper \d+\.\d+\.\d+ \([\w-]+\), linux-\w+, bun [\d.]+\n$/],
  [['-h'], /^Usage: shipper \[options\][\s\S]*-i, --input <NAME>[\s\S]*Examples:/],
  [
    ['-i', 'tail', '-h'],
    /^shipper -i tail: [\s\S]*Options of tail \(-p name=value\):[\s\S]*\n {2}path +comma-separated list, required/,
  ],
  [['-o', 'forward', '-h'], /^shipper -o forward: [\s\S]*require_ack_response +boolean, default true/],
  [['plugins'], /^inputs:\n {2}tail +Follows files[\s\S]*\nfilters:\n[\s\S]*\noutputs:\n {2}forward/],
]

describe('the command line', () => {
  test.each(ANSWERS)('%j is answered on stdout with status 0 and no other output', async (args, text) => {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(text)
  })

  test.each(['version', '-D -i cpu -o null', 'dead-letters list .'])(
    'is one line with the reason when stdout cannot be written, and ends quietly when nobody reads it: %s',
    (args) => {
      const run = (redirect: string): string => {
        const { stderr } = spawnSync('bash', [
          '-c',
          `"$@" ${redirect}; echo "status \${PIPESTATUS[0]}" >&2`,
          'x',
          ...shipperCommand(),
          ...args.split(' '),
        ])
        return stderr.toString()
      }
      expect(run('>/dev/full')).toMatch(/^shipper: cannot write to stdout: ENOSPC: [^\n]*\nstatus 1\n$/)
      expect(run('| (exec <&-; cat /dev/null)')).toMatch(/^status (141|0)\n$/)
    },
  )

  test('forward://host:port sends to that host and port', async () => {
    const peer = await forwardPeer()
    const { code } = await run([
      ...finite('one\ntwo\n'),
      '-t',
      'app',
      '-o',
      `forward://127.0.0.1:${peer.port}`,
      '-f',
      '0.1',
    ])
    expect(code).toBe(0)
    expect(peer.arrivals.map((a) => a.tag)).toEqual(['app'])
    expect(peer.arrivals[0]?.options?.size).toBe(2)
  })
})

describe('verbosity', () => {
  /** Runs one file and one chunk to the end, which logs a warning (no DB); returns the log. */
  async function logOf(...args: string[]): Promise<{ level: string; message: string }[]> {
    const peer = await forwardPeer()
    const { code, stderr } = await run([
      ...finite('one\n'),
      '-o',
      `forward://127.0.0.1:${peer.port}`,
      '-f',
      '0.1',
      ...args,
    ])
    expect(code).toBe(0)
    return stderr
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }

  test('-q is silent, -v and -vv log each file and each chunk', async () => {
    const levels = async (...args: string[]) => new Set((await logOf(...args)).map(({ level }) => level))
    expect(await logOf('-q')).toEqual([])
    expect((await levels()).has('debug')).toBe(false)
    expect((await levels()).has('warn')).toBe(true)
    const more = (await logOf('-v')).filter(({ level }) => level === 'debug').map(({ message }) => message)
    expect(more.filter((message) => message === 'chunk delivered')).toHaveLength(1)
    expect(more.filter((message) => message.endsWith(' is followed'))).toHaveLength(1)
    expect(more.filter((message) => message.endsWith(' is closed'))).toHaveLength(1)
    expect((await levels('-vv')).has('debug')).toBe(true)
  })
})

const LOG_LINE =
  /^\[\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{3}\] \[ warn\] \[tail\.0\] no DB is set: positions are not stored/m
const FRAME = /\[=*-+\] +\d+% {2}[\d.]+ [KM]?B of 8\.0 MB {2}[\d.]+ [KM]B\/s {2}\d+:\d\d left/
// biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal receives them
const LAST = /\[=+\] 100% {2}8\.0 MB of 8\.0 MB {2}[\d.]+ [KM]B\/s {2}in \d+:\d\d\x1b\[0K\r\n/

testOnTerminal(
  'a finite run on a terminal draws its progress below the log, and ends with 0',
  async () => {
    const peer = await forwardPeer()
    // Slow enough to be observed: half of the memory limit is in flight at any time.
    peer.answer = (arrival, socket) => void setTimeout(() => acknowledge(arrival, socket), 150)
    const input = finite(`${'x'.repeat(199)}\n`.repeat(40_000))
    const args = [...shipperCommand(), ...input, '-o', `forward://127.0.0.1:${peer.port}`, '-f', '0.1']
    const { screen, code } = await runCommandOnTerminal(args, { NO_COLOR: '1' })
    expect(code).toBe(0)
    expect(screen).toMatch(LOG_LINE)
    expect(screen).toMatch(FRAME)
    expect(screen).toMatch(LAST)
    expect(peer.arrivals.reduce((n, a) => n + Number(a.options?.size), 0)).toBe(40_000)
  },
  400_000,
)

test('a finite run without a terminal draws nothing, and its log is JSON lines', async () => {
  const { code, stderr } = await run([...finite('one\n'.repeat(1000)), '-o', 'null'])
  expect(code).toBe(0)
  const lines = stderr.trimEnd().split('\n')
  expect(lines.map((line) => Object.keys(JSON.parse(line)).slice(0, 4))).toEqual(
    lines.map(() => ['time', 'level', 'plugin', 'message']),
  )
})

test('-H answers at the address of -L and -P', async () => {
  const port = await freePort()
  const agent = start(['-i', 'dummy', '-o', 'null', '-H', '-L', '127.0.0.2', '-P', String(port)])
  await agent.waitForStderr('http server is ready')
  const plugins = (await (await fetch(`http://127.0.0.2:${port}/api/v1/plugins`)).json()) as {
    plugins: { inputs: string[] }
  }
  expect(plugins.plugins.inputs).toContain('tail')
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow()
})

test('a Log_File that cannot be opened is reported in one line with a hint, and status 1', async () => {
  const { code, stderr } = await run(['-i', 'dummy', '-o', 'null', '-l', '/none/x.log'])
  expect(code).toBe(1)
  expect(stderr).toBe(
    'shipper: cannot open log_file /none/x.log: ENOENT: no such file or directory; check the path of Log_File and its permissions\n',
  )
})
