import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { ShipperError } from '../../../core/error.ts'
import { formatSize } from '../../../core/options/units.ts'
import {
  defineOutput,
  type HeldRecords,
  type LateDelivery,
  type Output,
  type OutputContext,
} from '../../../core/plugin.ts'
import { chainOf, endpointOf } from '../../../lib/aws/options.ts'
import type { AwsEndpoint } from '../../../lib/aws/regions.ts'
import { createSigner } from '../../../lib/aws/signer.ts'
import type { HttpClient } from '../../../lib/http/client.ts'
import { HttpConnections } from '../../../lib/http-output/connect.ts'
import { tlsByUrl, warnOfTls } from '../../../lib/http-output/url-tls.ts'
import { checkTlsClient } from '../../../lib/net/tls-client.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'
import { S3Api } from './api.ts'
import { Journal } from './journal.ts'
import { KeyFormat } from './key-format.ts'
import { FOLDER_PREFIX, noteConfigured } from './left-folders.ts'
import { loadCompress } from './members.ts'
import { ObjectKeys } from './object-keys.ts'
import { S3_OPTIONS, type S3Options } from './options.ts'
import { S3 } from './s3.ts'
import { DestinationState, StateFolder } from './state.ts'
import { ObjectText } from './text.ts'

/** Maximum number of parts of an object. */
const MOST_PARTS = 9000
/** Digits of the hash of a destination in the name of its folder. */
const HASH_DIGITS = 12

/** Creates what the output needs when it starts, so that a check of the configuration reads no files. */
class LateS3 implements Output {
  readonly #options: S3Options
  readonly #ctx: OutputContext
  #s3: S3 | undefined
  readonly #endpoint: AwsEndpoint
  readonly #destination: string
  readonly #folderName: string
  readonly #endConfigured: (() => void) | undefined
  #folder: StateFolder | undefined
  #state: DestinationState | undefined

  constructor(options: S3Options, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#endpoint = serverOf(options)
    this.#destination = destinationOf(options, this.#endpoint)
    this.#folderName = folderName(options, this.#destination)
    const { stateFolder } = ctx
    this.#endConfigured =
      stateFolder === undefined ? undefined : noteConfigured(join(stateFolder, this.#folderName))
  }

  async start(): Promise<void> {
    const options = this.#options
    const { late, signal, agent } = this.#ctx
    if (late === undefined) throw new ShipperError('E_INTERNAL', 'there is no late delivery')
    const keys = new KeyFormat(options.s3KeyFormat, options.s3KeyFormatTagDelimiters)
    this.#warn(keys)
    const endpoint = this.#endpoint
    const connections = new HttpConnections(
      { ...options, ...endpoint, tls: endpoint.isSecure, tlsHint: tlsByUrl('endpoint') },
      this.#ctx,
    )
    connections.start()
    const client = connections.createSender() as HttpClient
    const signer = createSigner(
      { service: 's3', endpoint, chain: chainOf(options) },
      { ...this.#ctx, signal },
    )
    const state = await this.#takeState(late)
    const { partBytes } = sizesOf(options)
    this.#s3 = new S3(this.#ctx, late, {
      api: new S3Api({
        ...{
          client,
          signer,
          signal,
          origin: endpoint.origin,
          closedHint: connections.closedHint,
          place: options,
          basePath: endpoint.basePath,
          objectHeaders: headersOf(options),
        },
        userAgent: `shipper/${agent.version}`,
        sendsMd5: options.sendContentMd5,
        timeoutMs: options.httpResponseTimeout,
      }),
      state,
      text: new ObjectText(options, this.#ctx),
      ...{ partBytes, usesPutObject: options.usePutObject },
      keys: new ObjectKeys(keys, options.staticFilePath, state.journal),
      compress: await loadCompress(options.compression),
      totalBytes: options.totalFileSize,
      timeoutMs: options.uploadTimeout,
      close: () => client.close(),
    })
    await this.#s3.start()
  }

  async #takeState(late: LateDelivery): Promise<DestinationState> {
    const { stateFolder, log } = this.#ctx
    const ctx = { ...this.#ctx, late }
    if (stateFolder === undefined) this.#state = new DestinationState(new Journal(undefined, log), ctx)
    else this.#folder = await StateFolder.take(stateFolder, this.#folderName, this.#destination, ctx)
    return this.#folder?.state ?? (this.#state as DestinationState)
  }

  #warn(keys: KeyFormat): void {
    const { log, stateFolder } = this.#ctx
    const hint = 'add $UUID to S3_Key_Format, or leave Static_File_Path out'
    const { staticFilePath } = this.#options
    if (staticFilePath && keys.hasIndex && !keys.isUnique)
      log.warn(
        'Static_File_Path with $INDEX and without $UUID in S3_Key_Format: numbers in use are skipped, and records may be duplicated',
        { hint },
      )
    else if (staticFilePath && !keys.isUnique)
      log.warn(
        'Static_File_Path without $UUID in S3_Key_Format: objects with equal keys overwrite each other',
        { hint },
      )
    if (stateFolder === undefined)
      log.warn('the state of objects is not stored: after a crash records may be duplicated', {
        hint: 'set DB of an input, or storage.path',
      })
  }

  async flush(...args: Parameters<S3['flush']>): Promise<void> {
    await (this.#s3 as S3).flush(...args)
  }

  held(): HeldRecords | undefined {
    return this.#s3?.held()
  }

  async finish(): Promise<void> {
    await this.#s3?.finish()
  }

  async close(): Promise<void> {
    await this.#s3?.close()
    this.#state?.close()
    this.#folder?.release()
    this.#folder = undefined
    this.#endConfigured?.()
  }
}

function sizesOf({ totalFileSize, uploadChunkSize }: S3Options): { partBytes: number } {
  return { partBytes: Math.max(uploadChunkSize, Math.ceil(totalFileSize / MOST_PARTS)) }
}

/** Warns of a size of parts that was chosen, and that no object reaches. */
function warnOfPartSize({ uploadChunkSize, totalFileSize }: S3Options, { log }: OutputContext): void {
  if (uploadChunkSize <= totalFileSize || uploadChunkSize === S3_OPTIONS.upload_chunk_size.min) return
  log.warn(
    `Upload_Chunk_Size ${formatSize(uploadChunkSize)} is larger than Total_File_Size ${formatSize(totalFileSize)}: each object is one part, and stays in memory until it is complete`,
    { hint: 'raise Total_File_Size, or leave Upload_Chunk_Size out' },
  )
}

/** Returns the server, and the path of the bucket where the host name does not have it: with an endpoint, or a bucket with dots. */
function serverOf(options: S3Options): AwsEndpoint {
  const { bucket, endpoint, tls } = options
  const given =
    endpoint === undefined || endpoint.includes('://')
      ? endpoint
      : `${tls === false ? 'http' : 'https'}://${endpoint}`
  const server = endpointOf({ ...options, endpoint: given }, 's3')
  if (endpoint !== undefined || bucket.includes('.') || bucket !== bucket.toLowerCase())
    return { ...server, basePath: `${server.basePath}/${bucket}` }
  const host = `${bucket}.${server.host}`
  const hostHeader = `${bucket}.${server.hostHeader}`
  return { ...server, host, hostHeader, origin: server.origin.replace('//', `//${bucket}.`) }
}

/** Returns what identifies the destination: state of one destination is not valid for another. */
function destinationOf(options: S3Options, { origin, basePath }: AwsEndpoint): string {
  const { region, s3KeyFormat, s3KeyFormatTagDelimiters, staticFilePath, logKey } = options
  const format = `${s3KeyFormat} at ${JSON.stringify(s3KeyFormatTagDelimiters)}${staticFilePath ? ', static' : ''}`
  return `${origin}${basePath} (${region}), keys ${format}${logKey === undefined ? '' : `, only ${logKey}`}`
}

/**
 * Returns the name of the folder of the state, which is that of the destination: names and positions of outputs in the configuration
 * change when outputs are added, reordered or joined.
 */
function folderName({ bucket }: S3Options, destination: string): string {
  return `${FOLDER_PREFIX}${bucket}-${createHash('sha256').update(destination).digest('hex').slice(0, HASH_DIGITS)}`
}

function headersOf({ contentType, compression, cannedAcl, storageClass }: S3Options): Record<string, string> {
  return {
    ...(contentType !== undefined && { 'content-type': contentType }),
    ...(compression !== 'none' && { 'content-encoding': compression }),
    ...(cannedAcl !== undefined && { 'x-amz-acl': cannedAcl }),
    ...(storageClass !== undefined && { 'x-amz-storage-class': storageClass }),
  }
}

export const spec = defineOutput({
  kind: 'output',
  name: 's3',
  summary: 'Writes records to objects in Amazon S3, or a store with its API.',
  description:
    'Each tag has an open object to which its records are added. The object is completed at Total_File_Size or Upload_Timeout; only then ' +
    'are its records delivered, and the stored positions of their files advance. Parts are uploaded as they fill, and nothing is copied to ' +
    'the local disk: the log files are the buffer. All parts in memory together take at most half of Memory_Limit: with many tags, objects ' +
    'are completed early, and a larger Memory_Limit makes them larger. Objects are also completed early when more than 20,000 chunks wait, ' +
    'or when there are more than 256 open objects: then the object of the tag that has had no records for the longest time.\n\n' +
    'Each record is in exactly one object. Before the request that creates an object, the agent writes to disk which records it contains, ' +
    'in the folder of the offset database, and the request succeeds only if no object has the key (`If-None-Match`). After a crash, records ' +
    'of an existing object are skipped, a complete upload is completed, and any other upload is aborted and made again. ' +
    'This needs the permissions s3:PutObject and s3:AbortMultipartUpload, and s3:GetObject and s3:ListBucket to look up objects; ' +
    'without these two the object is written again, which S3 refuses if it exists. A look-up counts only if `x-amz-meta-shipper-object` ' +
    'has the id of the object, or its size is that of the object where the store keeps no metadata; otherwise the object is written ' +
    'again as well. Static_File_Path without `$UUID` weakens this: others may use its keys, so the size proves nothing.\n\n' +
    'The state on disk belongs to the destination (server, bucket, region, key format): outputs with one destination share it, and may be ' +
    'reordered, renamed, joined or removed. A record that is in an object there is not written again after a crash, by whichever output. ' +
    'After a change of the destination the previous state is ignored, a warning names its folder, and unfinished uploads there are left ' +
    'to a lifecycle rule. ' +
    'Two agents cannot share a state folder. An object that the service refuses delays only its own tag.\n\n' +
    'Records of an input that cannot read them again (tcp, stdin, tail without DB) stay in memory until their object is stored: such ' +
    'objects are limited to Upload_Chunk_Size and 10 s. With `storage.type filesystem` they are treated like records of files.\n\n' +
    'If something else aborts an upload, e.g. a lifecycle rule, its records have to be read again: the agent logs it and exits with ' +
    'status 75, and the service manager restarts it. A lifecycle rule should abort unfinished uploads after a day, not earlier.\n\n' +
    'The formats parquet and otlp_json and the compression arrow are not supported.',
  options: S3_OPTIONS,
  example:
    '[OUTPUT]\n    Name             s3\n    Match            *\n    Bucket           logs\n    Region           eu-west-1\n    Compression      gzip\n    Total_File_Size  100M\n    Upload_Timeout   10m\n',
  connectsTo: (options) => {
    const { host, port } = serverOf(options)
    return { host, port }
  },
  counters: {
    objects: 'objects stored',
    ...pathCounters('encoded', 'small', 'options', 'form', 'mixed'),
    known_records: 'records that were read again after a restart, and are in an object of the last run',
  },
  inFlight: 8,
  usesRecordIds: () => true,
  create: (options, ctx) => {
    const { isSecure } = serverOf(options)
    checkTlsClient({ ...options, tls: isSecure })
    warnOfTls(options.tls, isSecure, 'endpoint', ctx.log)
    warnOfPartSize(options, ctx)
    return new LateS3(options, ctx)
  },
})
