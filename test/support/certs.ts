import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate and its key, as PEM; `cert` of a server is its chain without the root. */
export interface Pair {
  cert: string
  key: string
}

const DAY_MS = 86_400_000
const OID = {
  ecdsaSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  commonName: [0x55, 0x04, 0x03],
  basicConstraints: [0x55, 0x1d, 0x13],
  subjectAltName: [0x55, 0x1d, 0x11],
}

/** A certificate authority for one test. It uses only node:crypto, since not every machine has an `openssl` command. */
export class Authority {
  readonly cert: string
  readonly #key: KeyObject
  readonly #name: string

  constructor(name = 'Test CA') {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#name = name
    this.#key = pair.privateKey
    this.cert = this.#certificate(
      name,
      pair.publicKey,
      [extension(OID.basicConstraints, seq(TRUE), true)],
      30,
    )
  }

  /** Issues a certificate for these host names and addresses; with negative `days` it has expired. */
  issue(commonName: string, hosts: string[] = [], days = 30): Pair {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const names = seq(...hosts.map(altName))
    const extensions = hosts.length === 0 ? [] : [extension(OID.subjectAltName, names, false)]
    const cert = this.#certificate(commonName, pair.publicKey, extensions, days)
    return { cert, key: String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })) }
  }

  /**
   * ```
   *   Certificate     SEQ { tbs, algorithm, BIT STRING signature }
   *   tbs             SEQ { [0] { INT 2 }, INT serial, algorithm, issuer, SEQ { from, to }, subject, key, [3] { SEQ extensions } }
   * ```
   */
  #certificate(subject: string, key: KeyObject, extensions: Buffer[], days: number): string {
    const algorithm = seq(der(0x06, Buffer.from(OID.ecdsaSha256)))
    const nowMs = Date.now()
    const validity = [nowMs - 60 * DAY_MS, nowMs + days * DAY_MS]
    const tbs = seq(
      der(0xa0, der(0x02, Buffer.from([2]))),
      der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      algorithm,
      nameOf(this.#name),
      seq(...validity.map(timeOf)),
      nameOf(subject),
      createPublicKey(key.export({ type: 'spki', format: 'pem' })).export({ type: 'spki', format: 'der' }),
      ...(extensions.length === 0 ? [] : [der(0xa3, seq(...extensions))]),
    )
    const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', tbs, this.#key)]))
    return new X509Certificate(seq(tbs, algorithm, signature)).toString()
  }
}

const TRUE = Buffer.from([0x01, 0x01, 0xff])

function der(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const n = body.length
  const head = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255]
  return Buffer.concat([Buffer.from([type, ...head]), body])
}

function seq(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function nameOf(commonName: string): Buffer {
  const value = der(0x0c, Buffer.from(commonName))
  return seq(der(0x31, seq(der(0x06, Buffer.from(OID.commonName)), value)))
}

function timeOf(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return der(0x17, Buffer.from(text.slice(2)))
}

function extension(oid: number[], value: Buffer, critical: boolean): Buffer {
  const head = der(0x06, Buffer.from(oid))
  return seq(head, critical ? TRUE : Buffer.alloc(0), der(0x04, value))
}

function altName(host: string): Buffer {
  if (isIP(host) === 4) return der(0x87, Buffer.from(host.split('.').map(Number)))
  return der(0x82, Buffer.from(host))
}
