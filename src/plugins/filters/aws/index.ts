import { defineFilter } from '../../../core/plugin.ts'
import { imdsEndpoint, isImdsDisabled } from '../../../lib/aws/imds.ts'
import { Aws } from './aws.ts'
import { InstanceMetadata } from './metadata.ts'
import { AWS_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'aws',
  summary: 'Adds metadata of the EC2 instance.',
  description: `Adds the fields that are turned on, in the order of the options, after those of the record; they replace fields of the same
name. The name of a field is that of its option; a tag has its own name. Values are texts.

**Source.** The instance metadata service at 169.254.169.254, or at AWS_EC2_METADATA_SERVICE_ENDPOINT of the environment; with
AWS_EC2_METADATA_DISABLED true it is not asked. It is asked in the background. What it has answered is kept; what is missing is asked for again with the records that come after Retry_Interval_S.

**First records.** The start waits for the answers for at most a second, and lines of files for at most five. Records that come while
something is missing go on without it and are counted (\`records_incomplete\`); the first failure is logged.

**Containers.** With Imds_Version v2 the token does not reach a container while the hop limit of the instance is 1. Set it to 2:
\`aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2\`.

**Limits.** One answer: 1 s and 64 KB; all of one attempt: 10 s; 100 tags; a value: one line of 1,024 characters. What is beyond them
counts as missing. Redirects are not followed. Unlike fluent-bit, the values cannot be used as variables (\`\${aws.az}\`).`,
  trial: {
    asks: (options) => (new InstanceMetadata(options).isComplete ? undefined : 'metadata of the instance'),
    create: (options, ctx, given) => new Aws(options, ctx, '', { given }),
  },
  options: AWS_OPTIONS,
  example:
    '[FILTER]\n    Name              aws\n    Match             *\n    Ec2_instance_type On\n    Account_id        On\n',
  counters: {
    records_incomplete: 'records without some of the fields, which were not known yet',
    imds_requests: 'requests to the instance metadata service',
    imds_failures: 'attempts after which something was missing',
  },
  keepsPlaces: () => true,
  create: (options, ctx) =>
    new Aws(options, ctx, isImdsDisabled(process.env) ? undefined : imdsEndpoint(process.env)),
})
