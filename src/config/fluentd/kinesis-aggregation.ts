import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { childOf, type Element, typeOf } from './element.ts'
import { applyRules, checkChildren, each, ignored, noted, option, type Rules } from './params.ts'
import type { Translation } from './translation.ts'

const RULES: Rules = {
  stream_name: option('Stream_Name'),
  region: option('Region'),
  aws_key_id: option('Aws_Key_Id', 'secret'),
  aws_sec_key: option('Aws_Sec_Key', 'secret'),
  profile: option('Profile'),
  credentials_path: option('Credentials_Path'),
  role_arn: option('Role_Arn'),
  external_id: option('External_Id'),
  fixed_partition_key: option('Fixed_Partition_Key'),
  http_proxy: option('Http_Proxy', 'secret'),
  time_key: option('Time_Key'),
  debug: ignored('log_level debug logs each request'),
  detach_process: noted('one process is enough'),
  localtime: noted('the time is written in the zone of this machine'),
  time_format: ignored('the time is written as ISO 8601'),
}

/** Fields that are added to records, as they stand after `moveOldParameters`. */
const INJECT: Rules = {
  include_time_key: option('Include_Time_Key', 'bool'),
  time_key: option('Time_Key'),
  include_tag_key: option('Include_Tag_Key', 'bool'),
  tag_key: option('Tag_Key'),
  ...each(
    ['time_type', 'time_format', 'localtime', 'utc', 'timezone'],
    ignored('the time is written as ISO 8601'),
  ),
}

/** Translates <match> @type kinesis-aggregation. */
export function translateKinesisAggregation(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'kinesis_aggregation', match)
  const label = typeOf(match)?.value ?? 'kinesis-aggregation'
  applyRules(match, RULES, section, label, translation)
  checkChildren(match, ['buffer', 'inject'], label, translation)
  const inject = childOf(match, 'inject')
  if (inject !== undefined) applyRules(inject, INJECT, section, label, translation)
  translateBuffer(match, section, label, translation)
  return section
}
