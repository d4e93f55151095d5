import { createHash } from 'node:crypto'
import { awsErrorOf, xmlText } from '../../../lib/aws/error-answer.ts'
import { encodedKey } from '../../../lib/aws/signature.ts'
import type { AwsSigner } from '../../../lib/aws/signer.ts'
import type { HttpClient, HttpResponse } from '../../../lib/http/client.ts'
import { HttpError } from '../../../lib/http/http-error.ts'
import { withClosedHint } from '../../../lib/http-output/closed-hint.ts'
import { type BucketPlace, codeOf, failureOf, isHtml, type S3Answer, S3Failure } from './answers.ts'
import type { UploadedPart } from './journal.ts'
import type { ObjectKey } from './object-key.ts'
import {
  type Found,
  foundIn,
  hasRoot,
  ID_HEADER,
  isForeign,
  lackOfWrite,
  type SoughtObject,
} from './proof.ts'

/** A request to be signed. */
interface SignableRequest {
  method: string
  /** Path and query, percent-encoded. */
  path: string
  /** Without `host` and `content-length`; names in lower case. */
  headers: Record<string, string>
  body: readonly Buffer[]
}

interface S3ApiOptions {
  client: Pick<HttpClient, 'send'>
  signer: Pick<AwsSigner, 'sign' | 'mayPassAgain'>
  signal: AbortSignal
  /** Name of the server in messages. */
  origin: string
  /** What else may be why the server closes a connection without an answer. */
  closedHint?: string | undefined
  place: BucketPlace
  /** `/bucket` where the bucket is no part of the host name. */
  basePath: string
  /** Headers of an object: type, encoding, storage class, access. */
  objectHeaders: Record<string, string>
  userAgent: string
  sendsMd5: boolean
  /** Maximum wait for an answer. */
  timeoutMs: number
}

/** CompleteMultipartUpload of many parts takes minutes: after the head of its answer the service sends white space meanwhile. */
const COMPLETE_TIMEOUT_MS = 600_000
const MAX_ANSWER_BYTES = 1_000_000
const MAX_LISTED = 100

/**
 * The requests to S3 that make objects. Each is sent once. It rejects with an S3Failure for an unexpected answer, and with an
 * HttpError without an answer.
 */
export class S3Api {
  readonly #options: S3ApiOptions

  constructor(options: S3ApiOptions) {
    this.#options = options
  }

  /** Writes an object. Under a key that no other one has, its size says later whether it exists, and it needs no id. */
  async putObject({ key, isNew, isUnique, objectId }: ObjectKey, body: readonly Buffer[]): Promise<void> {
    const own = this.#headersOf(isUnique ? undefined : objectId)
    const headers = { ...own, ...this.#md5(body), ...(isNew && NEW) }
    const request = { method: 'PUT', path: this.#path(key), headers, body }
    const answer = await this.#wanted('PutObject', key, 200, request)
    // Some stores answer with nothing at all.
    if (answer.status !== 200 || answer.text.trim() !== '') this.#checkWritten('PutObject', answer)
  }

  /** Begins an upload; resolves with its id. */
  async createUpload({ key, objectId }: ObjectKey): Promise<string> {
    const headers = this.#headersOf(objectId)
    const path = `${this.#path(key)}?uploads=`
    const answer = await this.#wanted('CreateMultipartUpload', key, 200, { method: 'POST', path, headers })
    const id = hasRoot(answer.text, 'InitiateMultipartUploadResult') ? xmlText(answer.text, 'UploadId') : ''
    if (id === undefined || id === '')
      throw this.#unreadable('CreateMultipartUpload', answer, 'has no UploadId')
    return id
  }

  async uploadPart(key: string, uploadId: string, number: number, body: readonly Buffer[]): Promise<string> {
    const path = `${this.#path(key)}?partNumber=${number}&uploadId=${encodeURIComponent(uploadId)}`
    const request = { method: 'PUT', path, headers: this.#md5(body), body }
    const answer = await this.#wanted('UploadPart', key, 200, request)
    return this.#checkWritten('UploadPart', answer)
  }

  /** Makes the object of the parts. An answer with 200 may be an error. */
  async completeUpload(
    { key, isNew }: ObjectKey,
    uploadId: string,
    parts: readonly UploadedPart[],
  ): Promise<void> {
    const path = `${this.#path(key)}?uploadId=${encodeURIComponent(uploadId)}`
    const list = parts.map(
      ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
    )
    const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join('')}</CompleteMultipartUpload>`
    const headers = { 'content-type': 'application/xml', ...(isNew && NEW) }
    const request = { method: 'POST', path, headers, body: [Buffer.from(xml)] }
    const answer = await this.#wanted('CompleteMultipartUpload', key, 200, request, COMPLETE_TIMEOUT_MS)
    if (codeOf(answer.text) !== '') throw this.#failure('CompleteMultipartUpload', answer)
    if (!hasRoot(answer.text, 'CompleteMultipartUploadResult'))
      throw this.#unreadable('CompleteMultipartUpload', answer, 'has no CompleteMultipartUploadResult', {
        mayBeDone: true,
      })
  }

  /** Aborts an upload; succeeds when it does not exist. */
  async abortUpload(key: string, uploadId: string): Promise<void> {
    const path = `${this.#path(key)}?uploadId=${encodeURIComponent(uploadId)}`
    try {
      const answer = await this.#wanted('AbortMultipartUpload', key, 204, {
        method: 'DELETE',
        path,
        headers: {},
      })
      if (isForeign(answer.text))
        throw this.#unreadable('AbortMultipartUpload', answer, 'is not that of the service')
    } catch (error) {
      if (!(error instanceof S3Failure) || error.kind !== 'gone') throw error
    }
  }

  /** Resolves with the ids of the uploads that were begun under this key. */
  async uploadsOf(key: string): Promise<string[]> {
    const path = `${this.#options.basePath || ''}/?max-uploads=${MAX_LISTED}&prefix=${encodeURIComponent(key)}&uploads=`
    const answer = await this.#wanted('ListMultipartUploads', key, 200, { method: 'GET', path, headers: {} })
    const { text } = answer
    if (!hasRoot(text, 'ListMultipartUploadsResult'))
      // A store that does not know the request lists objects: it will never list uploads.
      throw this.#unreadable('ListMultipartUploads', answer, 'has no ListMultipartUploadsResult', {
        isDefinite: hasRoot(text, 'ListBucketResult'),
      })
    return [...text.matchAll(/<Upload>.*?<\/Upload>/gs)]
      .filter(([upload]) => xmlText(upload, 'Key') === key)
      .flatMap(([upload]) => xmlText(upload, 'UploadId') ?? [])
  }

  /** Resolves with what has a key. */
  async find(object: SoughtObject): Promise<Found> {
    const { key } = object
    const answer = await this.#send({ method: 'HEAD', path: this.#path(key), headers: {} })
    const { status } = answer
    const isPage = this.#isPage(answer)
    if (status === 200) return foundIn(answer, object, isPage)
    if (status === 404) return isPage ? 'unknown' : 'none'
    // Not allowed, or not supported by this store.
    if (status === 403 || status === 405 || status === 501) return 'unknown'
    throw this.#failure(`HeadObject of ${key}`, answer)
  }

  /** Returns the ETag of what a request has written. Throws when the answer is not the word of the service that it has. */
  #checkWritten(name: string, answer: S3Answer): string {
    const lack = lackOfWrite(answer)
    if (lack === undefined) return answer.header('etag') as string
    if (codeOf(answer.text) !== '') throw this.#failure(name, answer)
    throw this.#unreadable(name, answer, lack, { mayBeDone: true })
  }

  /** True when a web server says that it answers with a page. */
  #isPage({ header }: S3Answer): boolean {
    const html = /^\s*text\/html\b/i
    return (
      html.test(header('content-type') ?? '') && !html.test(this.#options.objectHeaders['content-type'] ?? '')
    )
  }

  async #wanted(
    name: string,
    key: string,
    status: number,
    request: Omit<SignableRequest, 'body'> & { body?: readonly Buffer[] },
    bodyTimeoutMs?: number,
  ): Promise<S3Answer> {
    const answer = await this.#send(request, bodyTimeoutMs)
    // Stores differ in which success status they return.
    if (answer.status === status || SUCCESSES.has(answer.status)) return answer
    throw this.#failure(`${name} of ${key}`, answer)
  }

  #failure(what: string, answer: S3Answer): S3Failure {
    const { origin, place } = this.#options
    return failureOf(`${origin}: ${what}`, answer, place)
  }

  #unreadable(
    name: string,
    { text }: S3Answer,
    what: string,
    facts: { mayBeDone?: boolean; isDefinite?: boolean } = {},
  ): S3Failure {
    const page = isHtml(text) ? 'is an HTML page, as from a proxy' : what
    return new S3Failure(
      'later',
      { name: '', class: 'unknown' },
      `${this.#options.origin}: the answer to ${name} ${page}`,
      'check that Endpoint is an S3 service, and that no proxy answers in its place; nothing is lost in the meantime',
      { isOfService: true, ...facts },
    )
  }

  async #send(
    { method, path, headers, body = [] }: Omit<SignableRequest, 'body'> & { body?: readonly Buffer[] },
    bodyTimeoutMs?: number,
  ): Promise<S3Answer> {
    const { client, signer, signal, userAgent, timeoutMs, closedHint } = this.#options
    const hasBody = method === 'PUT' || method === 'POST'
    for (let isAgain = false; ; isAgain = true) {
      const unsigned = { method, path, headers: { 'user-agent': userAgent, ...headers } }
      const signed = await signer.sign({ ...unsigned, ...(hasBody && { body }) })
      const request = {
        ...{ method, path, headers: signed.headers, signal },
        ...(hasBody && { body }),
        ...{
          headTimeoutMs: timeoutMs,
          bodyTimeoutMs: bodyTimeoutMs ?? timeoutMs,
          answerTimeoutMs: bodyTimeoutMs ?? timeoutMs,
          maxBodyBytes: MAX_ANSWER_BYTES,
        },
      }
      const response = await client.send(request).catch((error: unknown) => {
        throw withClosedHint(error, closedHint)
      })
      const text = await textOf(response)
      const answer = { status: response.status, header: (name: string) => response.header(name), text }
      const { status } = answer
      if (isAgain || status < 400 || status >= 500) return answer
      if (!signer.mayPassAgain(signed, awsErrorOf(status, text, undefined), answer.header('date')))
        return answer
    }
  }

  #headersOf(objectId: string | undefined): Record<string, string> {
    return { ...this.#options.objectHeaders, ...(objectId !== undefined && { [ID_HEADER]: objectId }) }
  }

  #path(key: string): string {
    return `${this.#options.basePath}/${encodedKey(key)}`
  }

  #md5(body: readonly Buffer[]): Record<string, string> {
    if (!this.#options.sendsMd5) return {}
    const hash = createHash('md5')
    for (const piece of body) hash.update(piece)
    return { 'content-md5': hash.digest('base64') }
  }
}

const SUCCESSES = new Set([200, 201, 204])
const NEW = { 'if-none-match': '*' }
/** True when the server may have done, or may still do, what a request with this error asked for. */
export function mayBeDone(error: unknown): boolean {
  if (error instanceof S3Failure) return error.mayBeDone
  return error instanceof HttpError ? error.wasSent : false
}

async function textOf(response: HttpResponse): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of response.body) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (c) => (c === '&' ? '&amp;' : c === '<' ? '&lt;' : '&gt;'))
}
