import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { folderOf, shipper } from '../support/cli.ts'

test.each([
  ['http', 'Body_Key $x\n    Format msgpack', '"Format" has no effect with `body_key`'],
  ['http', 'Header Idempotency-Key abc', 'all requests have the same one'],
  ['http', 'Header Idempotency-Key abc\n    Idempotency_Key off', undefined],
  ['es', 'Logstash_Prefix x', '"Logstash_Prefix" has no effect without `logstash_format on`'],
  ['es', 'Index x\n    Logstash_Format on', '"Index" has no effect with `logstash_format on`'],
  ['es', 'Index x', undefined],
  ['es', 'Cloud_ID x:ZXUuZm91bmQuaW8kYWJjJGRlZg==\n    Host other', '"Host" has no effect with `cloud_id`'],
  ['s3', 'Bucket b\n    S3_Key_Format /%Q', '"S3_Key_Format" has %Q, which is not a directive of strftime'],
  ['s3', 'Bucket b\n    Upload_Chunk_Size 50M\n    Total_File_Size 1M', 'is larger than Total_File_Size 1M'],
  ['s3', 'Bucket b\n    Total_File_Size 1M', undefined],
])('%s says what of its options has no effect: %s', async (name, options, expected) => {
  const folder = folderOf({
    'main.conf': `[INPUT]\n    Name dummy\n[OUTPUT]\n    Name ${name}\n    Match *\n    Dead_Letter_File off\n    ${options}\n`,
  })
  const { stderr } = await shipper(['--dry-run', '-c', join(folder, 'main.conf')])
  if (expected === undefined) expect(stderr).not.toMatch(/warning|has no effect|larger/)
  else expect(stderr).toContain(expected)
})
