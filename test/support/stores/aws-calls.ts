const REGION = 'us-east-1'

export type AwsService = 'logs' | 'kinesis' | 'firehose'

export interface KinesisRecord {
  data: Buffer
  partitionKey: string
}

/** Calls an operation of a JSON service of a server, e.g. `callAws(url, 'logs', 'Logs_20140328.CreateLogGroup', { ... })`. */
export async function callAws<T>(url: string, service: AwsService, target: string, body: object): Promise<T> {
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': target,
    'x-amz-date': '20200101T000000Z',
    authorization: signature(service),
  }
  const init = { method: 'POST', headers, body: JSON.stringify(body), keepalive: false }
  const answer = await fetch(url, init)
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${target}: ${answer.status} ${text}`)
  return (text === '' ? {} : JSON.parse(text)) as T
}

/** Returns what tells a server the service of a request; nobody checks the signature. */
export function signature(service: string): string {
  const scope = `test/20200101/${REGION}/${service}/aws4_request`
  return `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`
}

export async function createStream(url: string, StreamName: string, ShardCount: number): Promise<void> {
  await callAws(url, 'kinesis', 'Kinesis_20131202.CreateStream', { StreamName, ShardCount })
}

/** Returns the records of a stream of Kinesis, shard by shard. */
export async function kinesisRecords(url: string, StreamName: string): Promise<KinesisRecord[]> {
  interface Page {
    Records: { Data: string; PartitionKey: string }[]
    NextShardIterator: string
  }
  const call = <T>(operation: string, body: object): Promise<T> =>
    callAws<T>(url, 'kinesis', `Kinesis_20131202.${operation}`, body)
  const { Shards } = await call<{ Shards: { ShardId: string }[] }>('ListShards', { StreamName })
  const found: KinesisRecord[] = []
  for (const { ShardId } of Shards) {
    const from = { StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }
    let { ShardIterator: iterator } = await call<{ ShardIterator: string }>('GetShardIterator', from)
    for (;;) {
      const page = await call<Page>('GetRecords', { ShardIterator: iterator, Limit: 10_000 })
      if (page.Records.length === 0) break
      for (const { Data, PartitionKey } of page.Records)
        found.push({ data: Buffer.from(Data, 'base64'), partitionKey: PartitionKey })
      iterator = page.NextShardIterator
    }
  }
  return found
}
