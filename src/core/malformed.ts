/** The peer violated the protocol or exceeded a limit; the message completes the sentence "the peer sent ...". */
export class Malformed extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Malformed'
  }
}
