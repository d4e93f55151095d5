import { createSocket } from 'node:dgram'
import { appendFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Running } from '../process.ts'
import { until } from '../until.ts'
import { type Bytes, bytesOf, type OracleCase, type SendStep, textOf } from './case.ts'

const PART_PAUSE_MS = 50
const DEFAULT_ANSWER_S = 1.5
/** What is expected to come may take this multiple of its time: a slow machine must not look like a difference. */
const PATIENCE = 8
const LISTEN_LIMIT_MS = 10_000

/** Where the steps of a case happen. */
export interface Stage {
  run: Running
  folder: string
  /** Port that `@PIN@` stands for. */
  port: number
}

/** Takes the steps of a case and returns what came back. */
export async function takeSteps(oracle: OracleCase, stage: Stage): Promise<Bytes[]> {
  const answers: Bytes[] = []
  for (const step of oracle.do ?? []) {
    if ('sleep' in step) await pause(step.sleep * 1000)
    else if ('append' in step) appendFileSync(join(stage.folder, step.append), bytesOf(step.data))
    else if ('rename' in step) renameSync(join(stage.folder, step.rename), join(stage.folder, step.to))
    else if ('stdin' in step) stage.run.child.stdin?.write(bytesOf(step.stdin))
    else if (step.send === 'udp') await sendDatagrams(step, stage)
    else {
      const answer = await sendStream(step, stage, oracle.got.answers?.[answers.length])
      if (answer !== undefined) answers.push(answer)
    }
  }
  return answers
}

function partsOf(step: SendStep): Buffer[] {
  return (Array.isArray(step.data) ? step.data : [step.data]).map(bytesOf)
}

async function sendDatagrams(step: SendStep, { run, port }: Stage): Promise<void> {
  await listening(run, () => isBound(port))
  const socket = createSocket('udp4')
  for (const part of partsOf(step))
    await new Promise((done) => {
      socket.send(part, port, '127.0.0.1', done)
    })
  socket.close()
}

/** Returns true if something receives datagrams on the port. A datagram that is sent before is lost without an error. */
function isBound(port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['/proc/net/udp', '/proc/net/udp6'].some(
    (table) =>
      existsSync(table) &&
      readFileSync(table, 'utf8')
        .split('\n')
        .some((line) => line.trim().split(/\s+/)[1]?.endsWith(suffix)),
  )
}

/** Waits for a condition that holds once the program listens; returns false when it ends before, or never listens. */
async function listening(run: Running, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  let listens = false
  const known = async (): Promise<boolean> => {
    listens = await condition()
    return listens || run.exit !== undefined
  }
  await until(known, { limitMs: LISTEN_LIMIT_MS, everyMs: 20 }).catch(() => undefined)
  return listens
}

async function sendStream(
  step: SendStep,
  stage: Stage,
  expected: Bytes | undefined,
): Promise<Bytes | undefined> {
  let socket: Socket | undefined
  const target =
    step.send === 'unix'
      ? { path: join(stage.folder, step.path ?? '') }
      : { port: stage.port, host: '127.0.0.1' }
  await listening(stage.run, async () => {
    socket = await connected(target)
    return socket !== undefined
  })
  if (socket === undefined) return 'no connection'
  const received = new Received(socket)
  for (const part of partsOf(step)) {
    socket.write(part)
    await pause(PART_PAUSE_MS)
  }
  if (step.answer !== true) {
    await pause(PART_PAUSE_MS)
    socket.end()
    return undefined
  }
  const patience = expected === undefined || expected === '' ? 1 : PATIENCE
  const limitMs = (step.timeout ?? DEFAULT_ANSWER_S) * 1000 * patience
  const enough = expected === undefined ? undefined : bytesOf(expected).length
  await until(() => received.isComplete(enough), { limitMs }).catch(() => undefined)
  socket.destroy()
  const answer = textOf(received.bytes)
  return typeof answer === 'string' ? answer.replace(/^date: .*\r\n/gim, '') : answer
}

function connected(target: { path: string } | { port: number; host: string }): Promise<Socket | undefined> {
  return new Promise((done) => {
    const socket = connect(target)
    socket.once('connect', () => done(socket))
    socket.once('error', () => done(undefined))
  })
}

/** What a connection has received so far. */
class Received {
  #parts: Buffer[] = []
  #ended = false

  constructor(socket: Socket) {
    socket.on('data', (part: Buffer) => this.#parts.push(part))
    // A reset is an end, too.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#ended = true
    })
    socket.on('end', () => {
      this.#ended = true
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  /** True after the end, after an answer of HTTP with its length, or after as many bytes as expected of anything else. */
  isComplete(enough: number | undefined): boolean {
    if (this.#ended) return true
    const text = this.bytes.toString('latin1')
    const head = text.indexOf('\r\n\r\n')
    if (!text.startsWith('HTTP/')) return enough !== undefined && enough > 0 && text.length >= enough
    const length = /content-length: (\d+)\r\n/i.exec(text)?.[1]
    return head !== -1 && length !== undefined && text.length - head - 4 >= Number(length)
  }
}
