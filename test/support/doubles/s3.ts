import { createHash } from 'node:crypto'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { StoreAnswer } from './answer.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

interface Upload {
  key: string
  metadata: Record<string, string>
  parts: Map<number, { etag: string; bytes: Buffer }>
}

/** What Complete answers: with `error` 200 whose body is an <Error>, with `error-kept` the same although the object is there. */
export type CompleteFault = 'error' | 'error-kept'

const MIN_PART = 5 * 1024 * 1024
const MAX_PARTS = 10_000
const PART = /<Part>(.*?)<\/Part>/gs
const NUMBER = /<PartNumber>(\d+)<\/PartNumber>/
const ETAG = /<ETag>(?:"|&quot;|&#34;)?([0-9a-f]{32})(?:"|&quot;|&#34;)?<\/ETag>/

/**
 * One bucket of S3, addressed by path: objects, uploads in parts, conditions. Records of an object are its lines, entered when
 * the object is there; an object that is written again enters them again.
 */
export class S3Api implements StoreApi {
  readonly objects = new Map<string, Buffer>()
  readonly uploads = new Map<string, Upload>()
  /** Metadata that objects were written with. */
  readonly metadata = new Map<string, Record<string, string>>()
  /** Faults of the next Completes. */
  readonly completeFaults: CompleteFault[] = []
  /** Answers 409 to the next writes with If-None-Match. */
  conflicts = 0
  /** Answers of a store that is not quite S3; undefined: as S3. */
  instead: ((request: StoreRequest, key: string) => StoreAnswer | undefined) | undefined
  /** Parts but the last may be smaller, so that a test needs less data. */
  readonly #minPart: number
  #ids = 0

  constructor(minPart = MIN_PART) {
    this.#minPart = minPart
  }

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    const [, bucket = '', ...rest] = request.path.split('/')
    const key = decodeURIComponent(rest.join('/'))
    const { method, query } = request
    const id = query.get('uploadId')
    const instead = this.instead?.(request, key)
    if (instead !== undefined) return instead
    if (bucket === '') return error(400, 'InvalidBucketName')
    if (method === 'PUT' && id !== null)
      return this.#part(id, Number(query.get('partNumber')), request.content)
    if (method === 'PUT') return this.#put(key, request.body, request, store)
    if (method === 'POST' && query.has('uploads')) return this.#initiate(bucket, key, request)
    if (method === 'POST' && id !== null) return this.#complete(id, request, store)
    if (method === 'DELETE' && id !== null)
      return this.uploads.delete(id) ? { status: 204 } : error(404, 'NoSuchUpload')
    if (method === 'GET' && query.has('uploads')) return this.#list()
    if (method === 'GET' && id !== null) return this.#listParts(id)
    const object = this.objects.get(key)
    if (object === undefined) return error(404, 'NoSuchKey')
    const headers = { ETag: `"${etagOf(object)}"`, ...this.metadata.get(key) }
    if (method === 'HEAD')
      return { status: 200, headers: { ...headers, 'Content-Length': String(object.length) } }
    return { status: 200, type: 'application/octet-stream', headers, body: object }
  }

  error(status: number): StoreAnswer {
    return error(
      status,
      { 429: 'SlowDown', 503: 'SlowDown', 403: 'AccessDenied', 413: 'EntityTooLarge' }[status] ??
        'InternalError',
    )
  }

  /** Returns the objects joined in the order of their keys, without their compression. */
  joined(): Buffer {
    const keys = [...this.objects.keys()].sort()
    return Buffer.concat(keys.map((key) => plain(this.objects.get(key) ?? Buffer.alloc(0))))
  }

  #refusal(key: string, request: StoreRequest): StoreAnswer | undefined {
    if (request.header('if-none-match') !== '*') return undefined
    if (this.conflicts > 0) {
      this.conflicts--
      return error(409, 'ConditionalRequestConflict')
    }
    return this.objects.has(key) ? error(412, 'PreconditionFailed') : undefined
  }

  #put(key: string, bytes: Buffer, request: StoreRequest, store: StoreContext): StoreAnswer {
    const md5 = request.header('content-md5')
    if (md5 !== undefined && md5 !== createHash('md5').update(bytes).digest('base64'))
      return error(400, 'BadDigest')
    const refusal = this.#refusal(key, request)
    if (refusal !== undefined) return refusal
    this.#keep(key, bytes, store)
    this.metadata.set(key, metadataOf(request))
    return { status: 200, headers: { ETag: `"${etagOf(bytes)}"` } }
  }

  #initiate(bucket: string, key: string, request: StoreRequest): StoreAnswer {
    const id = `upload-${++this.#ids}`
    this.uploads.set(id, { key, parts: new Map(), metadata: metadataOf(request) })
    const ids = `<Bucket>${bucket}</Bucket><Key>${xml(key)}</Key><UploadId>${id}</UploadId>`
    return answer(`<InitiateMultipartUploadResult>${ids}</InitiateMultipartUploadResult>`)
  }

  #part(id: string, number: number, bytes: Buffer): StoreAnswer {
    const upload = this.uploads.get(id)
    if (upload === undefined) return error(404, 'NoSuchUpload')
    if (!(number >= 1 && number <= MAX_PARTS)) return error(400, 'InvalidArgument')
    const etag = etagOf(bytes)
    upload.parts.set(number, { etag, bytes })
    return { status: 200, headers: { ETag: `"${etag}"` } }
  }

  #complete(id: string, request: StoreRequest, store: StoreContext): StoreAnswer {
    const upload = this.uploads.get(id)
    if (upload === undefined) return error(404, 'NoSuchUpload')
    const wanted = [...request.content.toString().matchAll(PART)].map(([, part = '']) => ({
      number: Number(NUMBER.exec(part)?.[1]),
      etag: ETAG.exec(part)?.[1],
    }))
    if (wanted.length === 0) return error(400, 'MalformedXML')
    if (wanted.some(({ number }, i) => i > 0 && number <= (wanted[i - 1]?.number ?? 0)))
      return error(400, 'InvalidPartOrder')
    const parts = wanted.map(({ number, etag }) => {
      const part = upload.parts.get(number)
      return part?.etag === etag ? part?.bytes : undefined
    })
    if (parts.includes(undefined)) return error(400, 'InvalidPart')
    const bytes = parts as Buffer[]
    if (bytes.slice(0, -1).some((part) => part.length < this.#minPart)) return error(400, 'EntityTooSmall')
    const refusal = this.#refusal(upload.key, request)
    if (refusal !== undefined) return refusal
    const fault = this.completeFaults.shift()
    if (fault === 'error') return { ...error(200, 'InternalError') }
    this.uploads.delete(id)
    this.#keep(upload.key, Buffer.concat(bytes), store)
    this.metadata.set(upload.key, upload.metadata)
    if (fault === 'error-kept') return error(200, 'InternalError')
    return answer(
      `<CompleteMultipartUploadResult><Key>${xml(upload.key)}</Key></CompleteMultipartUploadResult>`,
    )
  }

  #list(): StoreAnswer {
    const rows = [...this.uploads].map(
      ([id, { key }]) => `<Upload><Key>${xml(key)}</Key><UploadId>${id}</UploadId></Upload>`,
    )
    const end = '<IsTruncated>false</IsTruncated>'
    return answer(`<ListMultipartUploadsResult>${end}${rows.join('')}</ListMultipartUploadsResult>`)
  }

  #listParts(id: string): StoreAnswer {
    const upload = this.uploads.get(id)
    if (upload === undefined) return error(404, 'NoSuchUpload')
    const rows = [...upload.parts].map(
      ([number, { etag, bytes }]) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag><Size>${bytes.length}</Size></Part>`,
    )
    return answer(`<ListPartsResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListPartsResult>`)
  }

  #keep(key: string, bytes: Buffer, store: StoreContext): void {
    this.objects.set(key, bytes)
    for (const line of plain(bytes).toString().split('\n')) if (line !== '') store.ledger.keep(line)
  }
}

/** Returns bytes without gzip or zstd, told by their first bytes. */
function plain(bytes: Buffer): Buffer {
  if (bytes.length < 4) return bytes
  if (bytes.readUInt16BE(0) === 0x1f8b) return gunzipSync(bytes)
  return bytes.readUInt32LE(0) === 0xfd2fb528 ? zstdDecompressSync(bytes) : bytes
}

function etagOf(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}

function metadataOf(request: StoreRequest): Record<string, string> {
  const name = 'x-amz-meta-shipper-object'
  const id = request.header(name)
  return id === undefined ? {} : { [name]: id }
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function answer(body: string): StoreAnswer {
  return { status: 200, type: 'application/xml', body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}` }
}

export function error(status: number, code: string, message = code): StoreAnswer {
  const body = `<Error><Code>${code}</Code><Message>${message}</Message><RequestId>1</RequestId></Error>`
  return { status, type: 'application/xml', body }
}
