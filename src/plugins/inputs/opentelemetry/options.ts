import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { HTTP_INPUT_OPTIONS } from '../../../lib/http-input/options.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'

const NO_TRACES = 'traces are not taken'
const NO_PROFILES = 'profiles are not taken'

export const OPTIONS = defineOptions({
  ...HTTP_INPUT_OPTIONS,
  port: {
    type: 'int',
    default: '4318',
    min: 0,
    max: 65_535,
    help: 'TCP port to listen on; 0 chooses a free one, which is logged.',
  },
  tag_from_uri: {
    type: 'bool',
    default: 'true',
    help: 'Without a Tag, records have the tag `v1_logs`; `off`: the name of the instance.',
  },
  tag_key: {
    type: 'string',
    check: checkAccessor,
    help: "Key of a record, or path such as `$app['name']`, whose text is its tag; characters that are not letters, digits, `.` or `_` become `_`.",
  },
  logs_metadata_key: {
    type: 'string',
    default: 'otlp',
    help: 'Key in the metadata of a record for severity, attributes and the other fields of a log record. Of requests in JSON it is `otlp`, as in fluent-bit.',
  },
  logs_body_key: {
    type: 'string',
    help: 'Key for the body. Default: a body that is a map is the record, and any other is under `log`.',
  },
  raw_traces: { type: 'bool', default: 'false', help: 'Forward traces as they are.', ignored: NO_TRACES },
  profiles_support: { type: 'bool', default: 'false', help: 'Accept profiles.', ignored: NO_PROFILES },
  encode_profiles_as_log: {
    type: 'bool',
    default: 'false',
    help: 'Make records of profiles.',
    ignored: NO_PROFILES,
  },
})

export type Options = OptionsOf<typeof OPTIONS>
