import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** Certificates for the peers of a test, made on the spot: X.509 version 3 in DER (RFC 5280), ECDSA with SHA-256. */
export interface Certificate {
  /** PEM. */
  cert: string
  key: string
}

export interface Authority extends Certificate {
  name: string
  private: KeyObject
}

const DAY_MS = 86_400_000
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

export function makeAuthority(name = 'test authority'): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const extensions = [
    extension('2.5.29.19', true, sequence(tlv(0x01, Buffer.from([0xff])))),
    extension('2.5.29.15', true, tlv(0x03, Buffer.from([1, 0x06]))),
  ]
  const cert = certify({ subject: name, issuer: name, publicKey, signer: privateKey, extensions })
  return { cert, key: pemOf(privateKey), name, private: privateKey }
}

/** A server's certificate for these names; what looks like an IPv4 address is one. */
export function makeCertificate(authority: Authority, names: string[]): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const entries = names.map((name) => {
    const bytes = name.split('.').map(Number)
    return bytes.length === 4 && bytes.every((b) => b >= 0 && b < 256)
      ? tlv(0x87, Buffer.from(bytes))
      : tlv(0x82, Buffer.from(name, 'latin1'))
  })
  const cert = certify({
    subject: names[0] ?? 'server',
    issuer: authority.name,
    publicKey,
    signer: authority.private,
    extensions: [extension('2.5.29.17', false, sequence(...entries))],
  })
  return { cert, key: pemOf(privateKey) }
}

interface Request {
  subject: string
  issuer: string
  publicKey: KeyObject
  signer: KeyObject
  extensions: Buffer[]
}

/** Certificate = SEQUENCE { tbs, algorithm, BIT STRING signature }; valid from yesterday for a month. */
function certify({ subject, issuer, publicKey, signer, extensions }: Request): string {
  const serial = randomBytes(8)
  serial[0] = 0x01
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    ECDSA_SHA256,
    nameOf(issuer),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + 30 * DAY_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = tlv(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', tbs, signer)]))
  const text = sequence(tbs, ECDSA_SHA256, signature).toString('base64').replace(/.{64}/g, '$&\n').trimEnd()
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [tlv(0x01, Buffer.from([0xff]))] : []
  return sequence(oid(id), ...flag, tlv(0x04, value))
}

function nameOf(common: string): Buffer {
  return sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(0x0c, Buffer.from(common)))))
}

/** UTCTime: YYMMDDhhmmssZ. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return tlv(0x17, Buffer.from(text.slice(2), 'latin1'))
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const groups = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return tlv(0x06, Buffer.from(bytes))
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, ...parts)
}

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const n = body.length
  const head = n < 0x80 ? [tag, n] : n < 0x100 ? [tag, 0x81, n] : [tag, 0x82, n >>> 8, n & 0xff]
  return Buffer.concat([Buffer.from(head), body])
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
