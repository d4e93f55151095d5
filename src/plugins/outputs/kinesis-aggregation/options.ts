import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { AWS_CONNECTION_OPTIONS } from '../../../lib/aws/connections.ts'
import { AWS_OPTIONS } from '../../../lib/aws/options.ts'
import { checkRegion } from '../../../lib/aws/regions.ts'
import { PROXY_OPTIONS } from '../../../lib/http-output/options.ts'

const { region: _region, ...AWS_OTHERS } = AWS_OPTIONS

export const OPTIONS = defineOptions({
  stream_name: { type: 'string', required: true, help: 'Name of the stream.' },
  region: {
    type: 'string',
    check: checkRegion,
    help: 'Region of the stream, e.g. `eu-west-1`. Default: AWS_REGION or AWS_DEFAULT_REGION of the environment.',
  },
  aws_key_id: {
    type: 'string',
    secret: true,
    needs: { aws_sec_key: 'set' },
    help: 'Access key id. Default: the default chain of the AWS SDKs.',
  },
  aws_sec_key: { type: 'string', secret: true, needs: { aws_key_id: 'set' }, help: 'Secret access key.' },
  credentials_path: {
    type: 'string',
    help: 'File with the profile. Default: AWS_SHARED_CREDENTIALS_FILE of the environment, or `~/.aws/credentials`.',
  },
  fixed_partition_key: {
    type: 'string',
    check: (text: unknown) =>
      typeof text === 'string' && (text === '' || [...text].length > 256)
        ? { must: 'a string of 1 to 256 characters' }
        : undefined,
    help: 'Partition key of all chunks, so that all are in one shard, in order. Default: a key per chunk.',
  },
  include_time_key: { type: 'bool', default: 'true', help: 'Add the time to each record, as ISO 8601.' },
  time_key: {
    type: 'string',
    default: 'time',
    needs: 'include_time_key',
    help: 'Name of the field with the time.',
  },
  include_tag_key: { type: 'bool', default: 'true', help: 'Add the tag to each record.' },
  tag_key: {
    type: 'string',
    default: 'tag',
    needs: 'include_tag_key',
    help: 'Name of the field with the tag.',
  },
  utc: {
    type: 'bool',
    default: 'false',
    needs: 'include_time_key',
    help: 'Write the time in UTC instead of the local time zone.',
  },
  http_proxy: {
    ...PROXY_OPTIONS.proxy,
    help: 'Proxy that all requests go through, e.g. `http://user:password@squid:3128`. Default: the one of the environment, see net.proxy_env_ignore.',
  },
  num_threads: {
    type: 'int',
    default: '1',
    help: 'Number of threads.',
    ignored: 'chunks of different tags are sent concurrently; the number adapts to the server',
  },
  detach_process: {
    type: 'int',
    help: 'Number of processes.',
    ignored: 'one process is enough: no record is converted in Ruby',
  },
  debug: {
    type: 'bool',
    default: 'false',
    help: 'Log each request.',
    ignored: 'Log_Level debug of the output logs them',
  },
  ...AWS_OTHERS,
  ...AWS_CONNECTION_OPTIONS,
})

export type Options = OptionsOf<typeof OPTIONS>
