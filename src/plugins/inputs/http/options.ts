import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { HTTP_INPUT_OPTIONS } from '../../../lib/http-input/options.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/
/** What a value may be made of: others are bytes that mean something else, or end the line. */
const VISIBLE = /^[\x20-\x7e]*$/
/** Headers that say how an answer is read, and that the server sends itself. */
const OWN_HEADERS = new Set([
  ...['connection', 'content-length', 'date', 'keep-alive', 'proxy-connection', 'retry-after', 'server'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'x-http-engine'],
])

export const OPTIONS = defineOptions({
  ...HTTP_INPUT_OPTIONS,
  port: {
    type: 'int',
    default: '9880',
    min: 0,
    max: 65_535,
    help: 'TCP port to listen on; 0 chooses a free one, which is logged.',
  },
  tag_key: {
    type: 'string',
    check: checkAccessor,
    help: "Key of a record, or path such as `$app['name']`, whose text is its tag; characters that are not letters, digits, `.` or `_` become `_`. A record without it has the tag of the path.",
  },
  success_header: {
    type: 'slist',
    words: 2,
    repeat: true,
    form: 'NAME VALUE, e.g. X-Received-By agent',
    check: (words: unknown) => {
      const [name = '', value = ''] = words as string[]
      if (!TOKEN.test(name)) return { must: 'a header name and its value' }
      if (!VISIBLE.test(value)) return { must: 'a header whose value is visible ASCII' }
      if (OWN_HEADERS.has(name.toLowerCase()))
        return { must: 'another header', hint: `${name} is part of how the answer is sent` }
      return undefined
    },
    help: 'Header that is added to the answer when the records were delivered: a name, and a value of visible ASCII. Headers that the server sends itself, such as Content-Length and Connection, are refused.',
  },
  add_remote_addr: {
    type: 'bool',
    default: 'false',
    help: 'Add the address of the client under Remote_Addr_Key to each record that does not have the key: the first of X-Forwarded-For, which a client can choose, else that of its connection. fluent-bit adds the former only.',
  },
  remote_addr_key: { type: 'string', default: 'REMOTE_ADDR', help: 'Key for the address of the client.' },
  enable_health_endpoint: {
    type: 'bool',
    default: 'false',
    help: 'Answer GET /health with 200, for probes.',
  },
  parser: {
    type: 'string',
    help: 'Name of the parser for the lines of text/plain. A line that it does not match is kept unchanged under `log`.',
  },
})

export type Options = OptionsOf<typeof OPTIONS>
