import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { ReadRequest } from './http-reader.ts'
import type { Fault } from './plan.ts'

export interface StoreAnswer {
  status: number
  /** Content-Type; default `application/json`. */
  type?: string
  headers?: Record<string, string>
  body?: string | Buffer
}

/** An answer in bytes: head and body. */
interface AnswerBytes {
  head: string
  body: Buffer
}

const HTML = '<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>'
/** Nobody listens there: a client that follows fails. */
const ELSEWHERE = 'http://127.0.0.2:9/elsewhere'
const HUGE = 10_000_000
const STATUS = /^(\d{3})(?:-(seconds|date))?$/

/** Returns the answer of a fault that the API has no part in. */
export function faultAnswer(
  fault: Fault | undefined,
  store: { api: { error?(status: number): StoreAnswer }; nowMs(): number },
): StoreAnswer | undefined {
  if (fault === 'redirect') return { status: 301, headers: { Location: ELSEWHERE } }
  if (fault === 'html') return { status: 502, type: 'text/html', body: HTML }
  if (fault === 'html-200') return { status: 200, type: 'text/html', body: HTML }
  const [, status, wait] = STATUS.exec(fault ?? '') ?? []
  if (status === undefined) return undefined
  const answer = store.api.error?.(Number(status)) ?? {
    status: Number(status),
    type: 'text/plain',
    body: 'no',
  }
  if (wait === undefined) return answer
  const after = wait === 'seconds' ? '1' : new Date(store.nowMs() + 2000).toUTCString()
  return { ...answer, headers: { ...answer.headers, 'Retry-After': after } }
}

/** Returns the fault unless it is one of the body of an answer that has none: what follows its head would be the next answer. */
export function faultOf({ status }: StoreAnswer, fault: Fault | undefined): Fault | undefined {
  const isOfBody = fault === 'huge-kept' || fault === 'gzip-kept' || fault === 'chunked-kept'
  return status === 204 && isOfBody ? undefined : fault
}

export function answerBytes(answer: StoreAnswer, date: string, fault: Fault | undefined): AnswerBytes {
  let body = Buffer.from(answer.body ?? '')
  const headers: Record<string, string> = { Date: date, ...answer.headers }
  if (body.length > 0) headers['Content-Type'] = answer.type ?? 'application/json'
  if (fault === 'huge-kept') body = Buffer.concat([Buffer.alloc(HUGE, ' '), body])
  if (fault === 'gzip-kept') {
    body = gzipSync(body)
    headers['Content-Encoding'] = 'gzip'
  }
  if (fault === 'chunked-kept') headers['Transfer-Encoding'] = 'chunked'
  else if (fault !== 'http10-kept' && answer.status !== 204) headers['Content-Length'] ??= String(body.length)
  const version = fault === 'http10-kept' ? '1.0' : '1.1'
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return { head: `HTTP/${version} ${answer.status} X\r\n${lines.join('')}\r\n`, body }
}

type Form = (socket: Socket, answer: AnswerBytes, request: ReadRequest) => Promise<void>

/** Returns how an answer is written under a fault. */
export function formOf(fault: Fault | undefined): Form {
  return (fault === undefined ? undefined : FORMS[fault]) ?? whole
}

const FORMS: Partial<Record<Fault, Form>> = {
  'cut-kept': async (socket, { head, body }) => {
    socket.end(Buffer.concat([Buffer.from(head), body.subarray(0, body.length >> 1)]))
  },
  'slow-kept': async (socket, { head, body }) => {
    const bytes = Buffer.concat([Buffer.from(head), body])
    for (const [i, byte] of bytes.entries()) {
      if (i > 0) await pause(1)
      if (socket.destroyed) return
      socket.write(Buffer.from([byte]))
    }
  },
  'chunked-kept': async (socket, { head, body }) => {
    socket.write(head)
    for (const part of [body.subarray(0, 1), body.subarray(1)])
      if (part.length > 0)
        socket.write(Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, CRLF]))
    socket.write('0\r\n\r\n')
  },
  'http10-kept': async (socket, { head, body }) => {
    socket.end(Buffer.concat([Buffer.from(head), body]))
  },
  'close-later-kept': async (socket, { head, body }) => {
    socket.end(Buffer.concat([Buffer.from(head), body]))
  },
}

const CRLF = Buffer.from('\r\n')

async function whole(
  socket: Socket,
  { head, body }: AnswerBytes,
  { headers, version }: ReadRequest,
): Promise<void> {
  const bytes = Buffer.concat([Buffer.from(head), body])
  const last = headers.some(([name, value]) => name.toLowerCase() === 'connection' && /close/i.test(value))
  if (last || version === 'HTTP/1.0') socket.end(bytes)
  else socket.write(bytes)
}
