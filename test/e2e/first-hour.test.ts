import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { forwardPeer } from '../support/forward/peer.ts'
import { freePorts } from '../support/ports.ts'
import { run, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** What a new user does in the first hour, and what the agent says about it. */

type LogLine = { level: string; plugin: string; message: string; code?: string; hint?: string }

function linesOf(stderr: string): LogLine[] {
  return stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine)
}

const messagesOf = (stderr: string): string[] => linesOf(stderr).map(({ message }) => message)

function tailOf(dir: string, more: string[] = ['-p', `db=${dir}/pos.db`]): string[] {
  return ['-i', 'tail', '-p', `path=${dir}/a.log`, '-p', 'read_from_head=on', '-f', '0.05', ...more]
}

async function deadPort(): Promise<number> {
  return (await freePorts(1))[0] ?? 0
}

describe('the log of a run', () => {
  test('says in two lines what runs and what was sent, and after a restart what is left to read', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\ntwo\n')
    const peer = await forwardPeer()
    const conf = join(dir, 'shipper.conf')
    writeFileSync(
      conf,
      `[SERVICE]\n Flush 0.05\n[INPUT]\n Name tail\n Path ${dir}/*.log\n DB ${dir}/pos.db\n Read_From_Head on\n` +
        `[OUTPUT]\n Name forward\n Match *\n Port ${peer.port}\n`,
    )
    const ships = async (toRead: string, sent: string) => {
      const agent = start(['-c', 'shipper.conf'], { cwd: dir })
      await agent.waitForStderr(
        `, shipper.conf: tail.0 1 file, ${toRead} to read -> forward.0 127.0.0.1:${peer.port}`,
      )
      await until(() => peer.arrivals.length > 0)
      expect((await agent.stop()).code).toBe(0)
      expect(linesOf(agent.stderr).map(({ level }) => level)).not.toContain('warn')
      expect(messagesOf(agent.stderr).at(-1)).toBe(sent)
      peer.arrivals.length = 0
    }
    await ships('8 B', '2 records sent, all acknowledged')
    appendFileSync(join(dir, 'a.log'), 'three\n')
    await ships('6 B', '1 record sent, all acknowledged')
  })

  test('begins with what runs, also when the end of the input comes at once', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const agent = start([...tailOf(dir), '-p', 'exit_on_eof=on', '-o', 'null'])
    expect((await agent.exited).code).toBe(0)
    const messages = messagesOf(agent.stderr)
    expect(messages[0]).toEndWith(': tail.0 1 file, 4 B to read -> null.0')
    expect(messages.at(-1)).toBe('1 record sent, all acknowledged')
  })

  test('has the outage and its end, and nothing about it after that', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const peer = await forwardPeer()
    await peer.close()
    const pace = ['-p', `port=${peer.port}`, '-p', 'retry_limit=no_limits']
    const agent = start([...tailOf(dir), '-o', 'forward', ...pace])
    await agent.waitForStderr('output unreachable, retrying')
    await peer.listen()
    await agent.waitForStderr(REACHABLE)
    await agent.stop()
    const lines = messagesOf(agent.stderr).filter((text) => text.includes('reachable'))
    expect(lines).toEqual([
      expect.stringContaining('output unreachable, retrying'),
      expect.stringMatching(REACHABLE),
    ])
    expect(messagesOf(agent.stderr).at(-1)).toBe('1 record sent, all acknowledged')
  })
})

const REACHABLE = /output reachable again after \d+ s, \d+ attempts?/

describe('the last words', () => {
  const stopped = async (dir: string, args: string[]): Promise<string> => {
    writeFileSync(join(dir, 'a.log'), 'one\ntwo\n')
    const port = await deadPort()
    writeFileSync(join(dir, 'grace.conf'), '[SERVICE]\n Grace 0\n')
    const agent = start(['-c', join(dir, 'grace.conf'), ...args, '-o', 'forward', '-p', `port=${port}`])
    await agent.waitForStderr('output unreachable')
    await agent.stop()
    return messagesOf(agent.stderr).at(-1) ?? ''
  }

  test.each([
    ['with a DB', [], '0 records sent, 2 not acknowledged: tail.0 reads them again after the next start'],
    [
      'without a DB',
      ['read_from_head=off'],
      '0 records sent, 1 not acknowledged: tail.0 has no DB: the next start does not send them',
    ],
    [
      'from the head without a DB',
      ['read_from_head=on'],
      '0 records sent, 2 not acknowledged: tail.0 has no DB: the next start reads everything from the beginning',
    ],
  ])('of tail %s are true', async (name, options, words) => {
    const dir = tmp()
    if (name === 'without a DB') {
      const port = await deadPort()
      writeFileSync(join(dir, 'a.log'), '')
      writeFileSync(join(dir, 'grace.conf'), '[SERVICE]\n Grace 0\n')
      const tail = ['-i', 'tail', '-p', `path=${dir}/a.log`, '-f', '0.05']
      const agent = start(['-c', join(dir, 'grace.conf'), ...tail, '-o', 'forward', '-p', `port=${port}`])
      await agent.waitForStderr('1 file, 0 B to read')
      appendFileSync(join(dir, 'a.log'), 'one\n')
      await agent.waitForStderr('output unreachable')
      await agent.stop()
      expect(messagesOf(agent.stderr).at(-1)).toBe(words)
      return
    }
    const more = options.length === 0 ? undefined : options.flatMap((option) => ['-p', option])
    expect(await stopped(dir, tailOf(dir, more))).toBe(words)
  })

  test('of an input that has nothing to read again say that records are lost', async () => {
    expect(await stopped(tmp(), ['-i', 'dummy', '-f', '0.05'])).toMatch(
      /dummy\.0 cannot read them again: those that were not sent are lost$/,
    )
  })

  test('with Retry_Limit do not promise that delivery goes on', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const output = ['-o', 'forward', '-p', `port=${await deadPort()}`, '-p', 'retry_limit=no_retries']
    const agent = start([...tailOf(dir), ...output])
    await agent.waitForStderr('1 record given up and written to')
    await agent.stop()
    expect(agent.stderr).not.toContain('resumes by itself')
    expect(messagesOf(agent.stderr).at(-1)).toBe('0 records sent, 1 given up and kept as dead letters')
  })
})

test('the last words with Dead_Letter_File off say that records were dropped', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), 'one\n')
  const output = ['-o', 'forward', '-p', `port=${await deadPort()}`, '-p', 'retry_limit=no_retries']
  const agent = start([...tailOf(dir), ...output, '-p', 'dead_letter_file=off'])
  await agent.waitForStderr('1 record dropped')
  await agent.stop()
  expect(messagesOf(agent.stderr).at(-1)).toBe('0 records sent, 1 dropped')
})

describe('an output that is down', () => {
  test('turns health to 500 after Hc_Output_Down with its name, while liveness stays ok', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const [http = 0, dead = 0] = await freePorts(2)
    writeFileSync(join(dir, 'hc.conf'), '[SERVICE]\n Hc_Output_Down 0.3\n')
    const args = ['-c', join(dir, 'hc.conf'), '-H', '-P', String(http), ...tailOf(dir)]
    const agent = start([...args, '-o', 'forward', '-p', `port=${dead}`])
    await agent.waitForStderr('http server is ready')
    const get = (path: string) => fetch(`http://127.0.0.1:${http}${path}`)
    await until(async () => (await get('/api/v1/health')).status === 500, { what: () => agent.stderr })
    expect(await (await get('/api/v1/health')).text()).toMatch(
      /^error\nforward\.0 has been down since .*ECONNREFUSED/,
    )
    expect((await get('/api/v1/live')).status).toBe(200)

    const status = await run(['status', '-c', join(dir, 'hc.conf'), '-P', String(http)])
    expect(status.code).toBe(1)
    expect(status.stdout).toMatch(
      /^--- shipper [\s\S]*a\.log\n[\s\S]*DOWN for [\s\S]*health {2}error\nforward\.0 has been down/,
    )
  })

  test('is named by the log when it keeps another one from getting lines', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), `${'x'.repeat(99)}\n`.repeat(40_000))
    const far = ['-o', 'forward', '-p', `port=${await deadPort()}`]
    const near = ['-o', 'file', '-p', `path=${dir}`, '-p', 'file=out']
    const agent = start([...tailOf(dir), ...far, ...near])
    await agent.waitForStderr('file.0 waits for forward.0: tail.0 reads nothing more until forward.0 takes')
  })

  test('does not hold up an output with an input of its own, as DELIVERY.md recommends', async () => {
    const dir = tmp()
    const text = readFileSync(join(import.meta.dirname, '../../docs/DELIVERY.md'), 'utf8')
    const [, recipe = ''] = /## One output is down[\s\S]*?```ini\n([\s\S]*?)```/.exec(text) ?? []
    writeFileSync(join(dir, 'a.log'), `${'x'.repeat(99)}\n`.repeat(40_000))
    const conf = recipe
      .replaceAll('/var/log/app/*.log', join(dir, '*.log\n    Read_From_Head on'))
      .replaceAll('/var/lib/shipper/', `${dir}/`)
      .replace('/srv/archive', join(dir, 'archive\n    Mkdir on'))
      .replace('10.0.0.5', `127.0.0.1\n    Port ${await deadPort()}`)
    writeFileSync(join(dir, 'two.conf'), conf)
    const agent = start(['-c', join(dir, 'two.conf'), '-f', '0.05'])
    const archive = join(dir, 'archive/app.log')
    const isComplete = () =>
      existsSync(archive) && readFileSync(archive, 'latin1').split('\n').length === 40_001
    await until(() => agent.stderr.includes('output unreachable'))
    await until(isComplete, { what: () => agent.stderr })
    expect(agent.stderr).not.toContain('waits for')
  })
})

describe('signals', () => {
  test.each([
    ['SIGTERM', 'SIGCONT'],
    ['SIGCONT', 'SIGTERM'],
  ] as const)('%s and %s together stop the agent without a dump', async (first, second) => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const agent = start([...tailOf(dir), '-o', 'null'])
    await agent.waitForStderr('1 file')
    agent.kill(first)
    agent.kill(second)
    expect((await agent.ended()).code).toBe(0)
    expect(agent.stderr).not.toContain('memory')
    expect(messagesOf(agent.stderr).at(-1)).toMatch(/^\d records? sent/)
  })

  test('the first line names the socket of an input or output that has one', async () => {
    const dir = tmp()
    const [input, output] = ['in', 'out'].map((name) => `unix_path=${join(dir, name)}`)
    const agent = start(['-i', 'forward', '-p', `${input}`, '-o', 'forward', '-p', `${output}`])
    await agent.waitForStderr(`: forward.0 ${dir}/in -> forward.0 ${dir}/out`)
    await agent.stop()
  })

  test('a dump into a log of JSON consists of lines of JSON', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const agent = start([...tailOf(dir), '-o', 'null'])
    await agent.waitForStderr('1 file')
    agent.kill('SIGUSR1')
    await agent.waitForStderr('"message":"---"}')
    expect(messagesOf(agent.stderr).filter((text) => text.startsWith('output  null.0'))).toHaveLength(1)
    await agent.stop()
  })
})

describe('Log_Format', () => {
  test.each([
    ['text', /^\[\d{4}\/.*\] \[ info\] \[shipper\] shipper /],
    ['json', /^\{"time":/],
  ])('%s is used whatever stderr is', async (format, shape) => {
    const dir = tmp()
    writeFileSync(join(dir, 'format.conf'), `[SERVICE]\n Log_Format ${format}\n`)
    const agent = start(['-c', join(dir, 'format.conf'), '-i', 'dummy', '-o', 'null'])
    await agent.waitForStderr('dummy.0 -> null.0')
    await agent.stop()
    for (const line of agent.stderr.trim().split('\n'))
      expect(line.slice(0, 10)).toMatch(shape.source.startsWith('^\\{') ? /^\{"time":/ : /^\[\d{4}\//)
  })

  test('lines that systemd passes to the journal begin with their priority, also those of a dump', async () => {
    const path = join(tmp(), 'journal')
    const fd = openSync(path, 'w')
    const { dev, ino } = fstatSync(fd)
    const output = ['-o', 'forward', '-p', `port=${await deadPort()}`]
    const journal = { JOURNAL_STREAM: `${dev}:${ino}` }
    const script = `exec "$@" 2>>${path}`
    const { shipperCommand } = await import('../support/process.ts')
    const command = ['sh', '-c', script, 'sh', ...shipperCommand()]
    const agent = start(['-i', 'dummy', '-f', '0.05', ...output], { command, env: journal })
    const logged = () => readFileSync(path, 'utf8')
    await until(() => logged().includes('output unreachable'), { what: logged })
    agent.kill('SIGUSR1')
    await until(() => logged().includes('"message":"---"'), { what: logged })
    agent.kill('SIGKILL')
    await agent.exited
    closeSync(fd)
    const lines = logged().trim().split('\n')
    for (const line of lines) expect(line).toMatch(/^<[46]>\{"time":/)
    expect(lines.filter((line) => line.startsWith('<4>'))[0]).toContain('output unreachable')
  })
})

describe('a path at which there is nothing', () => {
  test.each([
    [
      'alone',
      (dir: string) => `${dir}/wrong/*.log`,
      (dir: string) => `no file matches Path ${dir}/wrong/*.log`,
    ],
    [
      'beside another',
      (dir: string) => `${dir}/a.log,${dir}/b.log`,
      (dir: string) => `no file at ${dir}/b.log`,
    ],
  ])('%s makes a finite run end with 1 and names the path', async (_, path, message) => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const args = ['-p', `path=${path(dir)}`, '-p', 'exit_on_eof=on', '-p', 'read_from_head=on']
    const { code, stderr } = await run(['-i', 'tail', ...args, '-o', 'null'])
    expect(code).toBe(1)
    expect(messagesOf(stderr)).toContain(message(dir))
  })

  test('a pattern that matches nothing beside one that matches is fine', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const args = ['-p', `path=${dir}/a.log,${dir}/x*.log`, '-p', 'exit_on_eof=on', '-p', 'read_from_head=on']
    expect((await run(['-i', 'tail', ...args, '-o', 'null'])).code).toBe(0)
  })

  test.each([
    ['DB /dev/null', ['-p', 'db=/dev/null'], 'DB /dev/null is not a regular file'],
    ['DB of a directory', ['-p', 'db=/tmp'], 'DB /tmp is a directory'],
    ['DB below a file', ['-p', 'db=/etc/passwd/pos.db'], 'is below something that is not a directory'],
    ['Log_File of a directory', ['-l', '/tmp'], 'Log_File /tmp is a directory'],
  ])('%s is refused by -D', async (_, args, message) => {
    const { code, stderr } = await run(['-i', 'tail', '-p', 'path=/x', ...args, '-o', 'null', '-D'])
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)])
  })
})
