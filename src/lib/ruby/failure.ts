/**
 * An expression failed on a record. The message is that of Ruby as far as it has one, without values of the record: it is
 * logged, and a field may be secret.
 */
export class RubyFailure extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'RubyFailure'
  }
}
