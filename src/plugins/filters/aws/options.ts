import type { InvalidValue } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'

const BOTH = 'only the tags in Tags_Include are added then'

export const AWS_OPTIONS = defineOptions({
  imds_version: {
    type: 'enum',
    values: ['v1', 'v2'],
    default: 'v2',
    help: 'Version of the instance metadata service: v2 asks for a token first, v1 sends none.',
  },
  az: { type: 'bool', default: 'on', help: 'Add `az`, the availability zone.' },
  ec2_instance_id: { type: 'bool', default: 'on', help: 'Add `ec2_instance_id`.' },
  ec2_instance_type: { type: 'bool', default: 'off', help: 'Add `ec2_instance_type`.' },
  private_ip: { type: 'bool', default: 'off', help: 'Add `private_ip`, the private IPv4 address.' },
  vpc_id: { type: 'bool', default: 'off', help: 'Add `vpc_id`.' },
  ami_id: { type: 'bool', default: 'off', help: 'Add `ami_id`, the id of the image.' },
  account_id: { type: 'bool', default: 'off', help: 'Add `account_id`.' },
  hostname: { type: 'bool', default: 'off', help: 'Add `hostname`, the private host name.' },
  tags_enabled: {
    type: 'bool',
    default: 'off',
    help: 'Add the tags of the instance, each under its own name. Instance metadata has them only where that is allowed (InstanceMetadataTags).',
  },
  tags_include: { type: 'clist', check: checkTags, help: 'Add only these tags, separated by commas.' },
  tags_exclude: { type: 'clist', check: checkTags, help: 'Add all tags but these, separated by commas.' },
  retry_interval_s: {
    type: 'int',
    default: '300',
    min: 0,
    max: 86_400,
    help: 'Ask again for what is missing when records come and so many seconds have passed; 0: one second.',
  },
  enable_entity: {
    type: 'bool',
    default: 'off',
    help: 'Add `aws_entity_ec2_instance_id` and `aws_entity_account_id`.',
  },
})

export type AwsOptions = OptionsOf<typeof AWS_OPTIONS>

function checkTags(tags: unknown): InvalidValue | undefined {
  if (Array.isArray(tags) && tags.length > 0) return undefined
  return { must: 'one or more names of tags, separated by commas', hint: `leave it out; ${BOTH}` }
}
