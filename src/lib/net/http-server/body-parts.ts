/** Size of the parts that a body is sent in. */
const PART_CHARS = 64_000

/** Gathers a body, which may be made piece by piece, to parts of about PART_CHARS. */
export class BodyParts {
  /** True after the last part. */
  isDone = false
  readonly #body: string | Buffer | Iterator<string>

  constructor(body: string | Buffer | Iterator<string>) {
    this.#body = body
  }

  /** Returns the next part. A body that is there already has one. */
  next(): Buffer {
    const body = this.#body
    let text = ''
    if (typeof body === 'string' || Buffer.isBuffer(body)) {
      this.isDone = true
      return typeof body === 'string' ? Buffer.from(body) : body
    }
    while (text.length < PART_CHARS) {
      const { value, done } = body.next()
      if (done === true) {
        this.isDone = true
        break
      }
      text += value
    }
    return Buffer.from(text)
  }
}
