import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Bytes: a text, or base64 where they are not UTF-8. */
export type Bytes = string | { b64: string }

/** What a run left behind, in normal form. */
export interface Outcome {
  /** `ok`: ended with 0; `refused`: did not start; `exit N`. */
  status: string
  /** Lines; of what is not UTF-8 the bytes. */
  stdout?: string[] | Bytes
  files?: Record<string, Bytes>
  /** What came back for each step of the case that keeps it. */
  answers?: Bytes[]
  /** What the server of the case received. */
  requests?: Received[]
}

/** What a server received: of HTTP one request, of TCP one connection, of UDP one datagram. */
export interface Received {
  /** `METHOD TARGET`. */
  line?: string
  /** Those that count for every case, and those that the case names. */
  headers?: Record<string, Bytes>
  /** Body, without its compression. */
  body?: Bytes
  data?: Bytes
  /** `data` without its compression. */
  inflated?: Bytes
  /** `body` or `data` taken apart, instead of it. */
  msgpack?: unknown
  proto?: unknown
}

/** A server that the output of a case speaks to, on the port `@PORT@`. */
export interface ServerInit {
  type?: 'http' | 'tcp' | 'udp'
  /** Answers to the requests in their order; the last one is repeated. */
  answers?: { status?: number; body?: string }[]
  /** The certificate of its authority lies as `ca.pem` in the folder. */
  tls?: number | boolean
}

/** A step after the start of the program. */
export type Step =
  | { sleep: number }
  | { append: string; data: Bytes }
  | { rename: string; to: string }
  | { stdin: Bytes }
  | SendStep

/** Data for an input that listens on the port `@PIN@`, or on a socket with a path in the folder. */
export interface SendStep {
  send: 'tcp' | 'udp' | 'unix'
  path?: string
  /** A list is sent in parts, with a pause after each; over udp each part is a datagram. */
  data: Bytes | Bytes[]
  /** What comes back is kept. */
  answer?: boolean
  /** Seconds to wait for an answer. */
  timeout?: number
}

/** A small configuration with what a real fluent-bit 5.1.1 made of it. */
export interface OracleCase {
  name: string
  kind: string
  /** Text of `main.conf`, or of `main.yaml` with this format. */
  config: string
  format?: 'yaml'
  /** Files beside it. */
  files?: Record<string, Bytes>
  env?: Record<string, string>
  /** Standard input. It ends, and with it the run, unless it `stays` open. */
  stdin?: Bytes
  stays?: number
  /** Steps after the start, one after the other. */
  do?: Step[]
  /** Seconds after which a run whose output does not grow is stopped. */
  quiet?: number
  /** Seconds after which a run without an end of its own is stopped. */
  limit?: number
  server?: ServerInit
  /** Headers of a request that are kept, besides those of every case. */
  headers?: string[]
  /** The body of a request is taken apart as protobuf. */
  proto?: number | boolean
  /** What the server receives is taken apart as MessagePack. */
  msgpack?: number | boolean
  /** Replacements for what varies, besides those of every case. */
  normal?: [pattern: string, text: string][]
  /** The order of the lines is chance. */
  any_order?: boolean
  got: Outcome
  /** What `got` should have been. */
  better?: Outcome
  /** The outcome is a fault of fluent-bit. */
  fault?: string
  /** The documentation says that shipper does otherwise. */
  stated?: string
}

const FIXTURES = resolve(import.meta.dirname, '../../fixtures/oracle')

/** Returns the cases of a kind, e.g. `config.classic`. */
export function oracleCases(kind: string): OracleCase[] {
  const lines = readFileSync(resolve(FIXTURES, `${kind}.jsonl`), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as OracleCase)
}

export function bytesOf(value: Bytes): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.b64, 'base64')
}

/** Returns bytes as text if they are UTF-8. */
export function textOf(bytes: Buffer): Bytes {
  const text = bytes.toString()
  return Buffer.from(text).equals(bytes) ? text : { b64: bytes.toString('base64') }
}
