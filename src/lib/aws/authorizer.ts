import type { Authorizer, FailedAnswer, OutgoingRequest } from '../http-output/api.ts'
import { awsErrorOf } from './error-answer.ts'
import type { AwsSigner, SignedRequest } from './signer.ts'

/** Signs the requests of an output over HTTP. */
export class AwsAuthorizer implements Authorizer {
  readonly #signer: AwsSigner
  /** What was signed, by the headers that were added: several requests may be in flight. */
  readonly #signed = new WeakMap<Record<string, string>, SignedRequest>()

  constructor(signer: AwsSigner) {
    this.#signer = signer
  }

  async headers(request: OutgoingRequest): Promise<Record<string, string>> {
    const signed = await this.#signer.sign(request)
    this.#signed.set(signed.headers, signed)
    return signed.headers
  }

  refused({ status, text, header }: FailedAnswer, added: Record<string, string>): boolean {
    const signed = this.#signed.get(added)
    const error = awsErrorOf(status, text, header('x-amzn-errortype'))
    return signed !== undefined && this.#signer.mayPassAgain(signed, error, header('date'))
  }
}
