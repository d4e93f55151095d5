import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'

/** Hash of SCRAM (RFC 5802 and 7677), which Kafka uses without channel binding. */
type ScramHash = 'sha256' | 'sha512'

const ATTRIBUTE = /^([a-z])=(.*)$/s
const MIN_ITERATIONS = 4096
/** Limit of the iterations that a server may request: this many take about a second of a core. Brokers use 4096 to 16,384. */
const MAX_ITERATIONS = 1_000_000
const HEADER = 'n,,'

/**
 * Client side of one SCRAM exchange: `first`, then `final` with the server's first message, then `verify` with its final
 * one.
 */
export class ScramClient {
  readonly #hash: ScramHash
  readonly #password: string
  readonly #nonce: string
  readonly #firstBare: string
  #signature: Buffer = Buffer.alloc(0)

  constructor(hash: ScramHash, user: string, password: string, nonce: string) {
    this.#hash = hash
    this.#password = password
    this.#nonce = nonce
    this.#firstBare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  }

  first(): Buffer {
    return Buffer.from(HEADER + this.#firstBare)
  }

  /** Returns the client's final message. Throws an Error when the server's first message is invalid or not acceptable. */
  async final(serverFirst: Buffer): Promise<Buffer> {
    const text = serverFirst.toString()
    const fields = attributes(text)
    const [nonce, salt, iterations] = [fields.get('r') ?? '', fields.get('s'), Number(fields.get('i'))]
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce || salt === undefined)
      throw new Error('the broker sent an invalid SCRAM challenge')
    if (!(iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS))
      throw new Error(`the broker requested ${iterations} SCRAM iterations`)
    const withoutProof = `c=${Buffer.from(HEADER).toString('base64')},r=${nonce}`
    const message = `${this.#firstBare},${text},${withoutProof}`
    const saltedPassword = await derive(
      this.#password.normalize('NFKC'),
      Buffer.from(salt, 'base64'),
      iterations,
      this.#hash,
    )
    const clientKey = this.#hmac(saltedPassword, 'Client Key')
    const storedKey = createHash(this.#hash).update(clientKey).digest()
    const proof = this.#hmac(storedKey, message)
    for (let i = 0; i < proof.length; i++) proof[i] = (proof[i] as number) ^ (clientKey[i] as number)
    this.#signature = this.#hmac(this.#hmac(saltedPassword, 'Server Key'), message)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  }

  /** Throws an Error unless the server has proved that it knows the password. */
  verify(serverFinal: Buffer): void {
    const proof = Buffer.from(attributes(serverFinal.toString()).get('v') ?? '', 'base64')
    if (proof.length !== this.#signature.length || !timingSafeEqual(proof, this.#signature))
      throw new Error('the broker did not prove that it knows the password')
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest()
  }
}

function attributes(message: string): Map<string, string> {
  const pairs = message.split(',').map((part) => ATTRIBUTE.exec(part))
  return new Map(pairs.map((m) => [m?.[1] ?? '', m?.[2] ?? '']))
}

function derive(password: string, salt: Buffer, iterations: number, hash: ScramHash): Promise<Buffer> {
  const length = hash === 'sha256' ? 32 : 64
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, length, hash, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
