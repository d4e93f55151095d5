import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'

/** RFC 5802 and 7677, without channel binding, as Kafka has it. */
type ScramHash = 'sha256' | 'sha512'

const ATTRIBUTE = /^([a-z])=(.*)$/s
const MIN_ITERATIONS = 4096
/** A server may ask for any number of rounds; this many take some seconds. */
const MAX_ITERATIONS = 10_000_000
const HEADER = 'n,,'

/** The client's part of one exchange: `first`, then `final` with the server's first, then `verify` with its final. */
export class ScramClient {
  readonly #hash: ScramHash
  readonly #password: string
  readonly #nonce: string
  readonly #bare: string
  #signature: Buffer = Buffer.alloc(0)

  constructor(hash: ScramHash, user: string, password: string, nonce: string) {
    this.#hash = hash
    this.#password = password
    this.#nonce = nonce
    this.#bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  }

  first(): Buffer {
    return Buffer.from(HEADER + this.#bare)
  }

  /** Throws an Error when the server's message is not one that may be answered. */
  async final(serverFirst: Buffer): Promise<Buffer> {
    const text = serverFirst.toString()
    const given = attributes(text)
    const [nonce, salt, rounds] = [given.get('r') ?? '', given.get('s'), Number(given.get('i'))]
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce || salt === undefined)
      throw new Error('the broker’s challenge is not an answer to ours')
    if (!(rounds >= MIN_ITERATIONS && rounds <= MAX_ITERATIONS))
      throw new Error(`the broker asks for ${rounds} iterations`)
    const withoutProof = `c=${Buffer.from(HEADER).toString('base64')},r=${nonce}`
    const message = `${this.#bare},${text},${withoutProof}`
    const salted = await derive(
      this.#password.normalize('NFKC'),
      Buffer.from(salt, 'base64'),
      rounds,
      this.#hash,
    )
    const clientKey = this.#hmac(salted, 'Client Key')
    const stored = createHash(this.#hash).update(clientKey).digest()
    const proof = this.#hmac(stored, message)
    for (let i = 0; i < proof.length; i++) proof[i] = (proof[i] as number) ^ (clientKey[i] as number)
    this.#signature = this.#hmac(this.#hmac(salted, 'Server Key'), message)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  }

  /** Throws an Error unless the server has shown that it knows the password too. */
  verify(serverFinal: Buffer): void {
    const proof = Buffer.from(attributes(serverFinal.toString()).get('v') ?? '', 'base64')
    if (proof.length !== this.#signature.length || !timingSafeEqual(proof, this.#signature))
      throw new Error('the broker does not know the password')
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest()
  }
}

function attributes(message: string): Map<string, string> {
  const pairs = message.split(',').map((part) => ATTRIBUTE.exec(part))
  return new Map(pairs.map((m) => [m?.[1] ?? '', m?.[2] ?? '']))
}

function derive(password: string, salt: Buffer, rounds: number, hash: ScramHash): Promise<Buffer> {
  const length = hash === 'sha256' ? 32 : 64
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, rounds, length, hash, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
