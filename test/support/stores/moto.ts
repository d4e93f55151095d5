import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { type Running, start } from '../process.ts'
import { until } from '../until.ts'
import { type AwsService, callAws, createStream, type KinesisRecord, kinesisRecords } from './aws-calls.ts'
import { inCache, testWithAll } from './cache.ts'
import { S3Server } from './s3-server.ts'

/**
 * What the server needs of moto for logs, kinesis, firehose, sts and s3: 80 MB instead of 320, installed in 8 seconds. The set
 * is closed, so that pip resolves nothing.
 */
const PACKAGES = [
  'moto==5.2.5',
  'boto3==1.44.8',
  'botocore==1.44.8',
  's3transfer==0.19.3',
  'jmespath==1.1.0',
  'cryptography==50.0.2',
  'cffi==2.1.1',
  'pycparser==3.12',
  'requests==2.34.2',
  'urllib3==2.8.0',
  'certifi==2026.10.19.post1',
  'charset-normalizer==3.5.3',
  'idna==3.20',
  'responses==0.26.3',
  'xmltodict==1.0.4',
  'werkzeug==3.1.9',
  'jinja2==3.1.6',
  'MarkupSafe==3.0.4',
  'python-dateutil==2.9.0.post0',
  'six==1.17.0',
  'flask==3.1.3',
  'flask-cors==6.0.5',
  'blinker==1.9.0',
  'click==8.5.1',
  'itsdangerous==2.2.0',
  'PyYAML==6.0.4',
  'py-partiql-parser==0.6.3',
  // The deaggregator of the Kinesis Producer Library's records.
  'aws-kinesis-agg==1.2.3',
  'protobuf==7.36.2',
]
const INSTALL = `python3 -m venv --copies "$OUT"
"$OUT/bin/python" -m pip --disable-pip-version-check -q install --no-compile --no-deps ${PACKAGES.join(' ')}`
const START_MS = 120_000
const LIMIT_MS = 60_000

/** `test` for cases that need moto, a server of several services of Amazon. */
export const testWithMoto = testWithAll('moto', ['python3', 'flock'])

/**
 * A server that behaves as Amazon's s3, logs, kinesis, firehose and sts. It checks no signature and throttles nothing; of
 * CloudWatch's events that are too old it names the last one instead of the one behind it.
 */
export class Moto extends S3Server {
  readonly #python: string
  #port = 0
  #process: Running | undefined

  private constructor() {
    super()
    this.#python = pythonWithMoto()
  }

  static async start(): Promise<Moto> {
    const moto = new Moto()
    const [port = 0] = await freePorts(1)
    moto.#port = port
    const args = ['-c', 'from moto.server import main; main()', '-H', '127.0.0.1', '-p', String(port)]
    const server = start(args, { command: [moto.#python] })
    moto.#process = server
    const isUp = async (): Promise<boolean> => {
      if (server.exit !== undefined) throw new Error(`moto ended: ${moto.log.slice(-4000)}`)
      const answer = await fetch(`${moto.url}/moto-api/data.json`, { keepalive: false }).catch(
        () => undefined,
      )
      return answer?.status === 200
    }
    await until(isUp, { limitMs: START_MS, everyMs: 50, what: () => `moto: ${moto.log.slice(-4000)}` })
    return moto
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get log(): string {
    return `${this.#process?.stdout ?? ''}${this.#process?.stderr ?? ''}`
  }

  /** Calls an operation of a JSON service, e.g. `call('logs', 'Logs_20140328.CreateLogGroup', { ... })`. */
  call<T>(service: AwsService, target: string, body: object): Promise<T> {
    return callAws<T>(this.url, service, target, body)
  }

  /** Returns the messages of a log stream, in order of time. */
  async logMessages(logGroupName: string, logStreamName: string): Promise<string[]> {
    interface Page {
      events: { message: string }[]
      nextForwardToken: string
    }
    const messages: string[] = []
    let token = {}
    for (;;) {
      const body = { logGroupName, logStreamName, startFromHead: true, limit: 10_000, ...token }
      const page = await this.call<Page>('logs', 'Logs_20140328.GetLogEvents', body)
      if (page.events.length === 0) return messages
      messages.push(...page.events.map(({ message }) => message))
      token = { nextToken: page.nextForwardToken }
    }
  }

  createStream(name: string, shards = 1): Promise<void> {
    return createStream(this.url, name, shards)
  }

  /** Returns the records of a stream of Kinesis, shard by shard. */
  kinesisRecords(name: string): Promise<KinesisRecord[]> {
    return kinesisRecords(this.url, name)
  }

  /** Creates a delivery stream of Firehose, whose records become objects of the bucket. */
  async createDeliveryStream(DeliveryStreamName: string, bucket: string): Promise<void> {
    const S3DestinationConfiguration = {
      RoleARN: 'arn:aws:iam::123456789012:role/r',
      BucketARN: `arn:aws:s3:::${bucket}`,
    }
    const body = { DeliveryStreamName, S3DestinationConfiguration }
    await this.call('firehose', 'Firehose_20150804.CreateDeliveryStream', body)
  }
}

/** A record in an aggregated one. */
export interface UserRecord {
  partitionKey: string
  explicitHashKey: string | null
  data: Buffer
}

const DEAGGREGATE = `
import base64, json, sys
from aws_kinesis_agg.deaggregator import iter_deaggregate_records
more = {'kinesisSchemaVersion': '1.0', 'approximateArrivalTimestamp': 0, 'partitionKey': 'outer', 'sequenceNumber': '1'}
records = [{'kinesis': {'data': text, **more}, 'eventID': 'shardId-000000000000:1'} for text in json.load(sys.stdin)]
for record in iter_deaggregate_records(records):
    kinesis = record['kinesis']
    data = kinesis['data'] if isinstance(kinesis['data'], str) else kinesis['data'].decode()
    print(json.dumps([kinesis['partitionKey'], kinesis.get('explicitHashKey'), data]))
`

/** Returns the records in aggregated ones, as the library of their makers takes them apart. */
export function deaggregate(blobs: Buffer[]): UserRecord[] {
  const input = JSON.stringify(blobs.map((blob) => blob.toString('base64')))
  const options = { input, encoding: 'utf8', timeout: LIMIT_MS, maxBuffer: 1 << 30 } as const
  const done = spawnSync(pythonWithMoto(), ['-c', DEAGGREGATE], options)
  // The library leaves out what it cannot read, with a message.
  if (done.status !== 0 || done.stderr !== '') throw new Error(`deaggregate: ${done.stderr}`)
  const lines = done.stdout.split('\n').filter(Boolean)
  return lines.map((line) => {
    const [partitionKey, explicitHashKey, data] = JSON.parse(line) as [string, string | null, string]
    return { partitionKey, explicitHashKey, data: Buffer.from(data, 'base64') }
  })
}

/** Returns the Python that has moto and boto3. */
export function pythonWithMoto(): string {
  return join(inCache('moto', INSTALL), 'bin/python')
}
