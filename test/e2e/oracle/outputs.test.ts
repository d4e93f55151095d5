import { STATED, testKinds } from '../../support/oracle/check.ts'
import type { Verdict } from '../../support/oracle/compare.ts'

const BULK_ID =
  'ids are made of the place of a record, not of its content: equal lines stay as many as they are'
const BULK_FATES =
  'each record has its own fate: what is refused for good is put aside, what may be taken later is sent again alone'
/** Differences of es and opensearch, which have most cases in common. */
function bulkDifferences(name: string, ...absent: string[]): Record<string, readonly [Verdict, string]> {
  const all: Record<string, readonly [Verdict, string]> = {
    'time-key-format': ['fault', 'milliseconds follow seconds only'],
    'id-key-number': ['fault', 'an integer is an id'],
    'id-key-nested': ['differs', 'a record without the field does not have the id of the one before it'],
    'generate-id': ['differs', BULK_ID],
    'generate-id-same': ['differs', BULK_ID],
    'path-slash': ['fault', 'one slash'],
    'index-accessor': ['differs', 'a field in the name of an index is its value'],
    'index-dynamic': ['differs', 'the name of an index may have fields and times'],
    'error-retried': ['fault', BULK_FATES],
    'error-400': ['fault', BULK_FATES],
    'error-409': ['fault', BULK_FATES],
    'status-413': ['differs', 'the halves are sent'],
    'answer-not-json': ['differs', 'given up after Retry_Limit, with status 1'],
  }
  const there = Object.entries(all).filter(([key]) => !absent.includes(key))
  return Object.fromEntries(there.map(([key, value]) => [`${name}/${key}`, value]))
}

testKinds({
  'output.file': {
    'file/csv': ['fault', 'RFC 4180: quotation marks are doubled, maps are JSON in quotation marks'],
    'file/csv-delimiter': ['fault', 'as file/csv'],
    'file/csv-delimiter-odd': ['fault', 'any character that is no part of a value may be the delimiter'],
    'file/csv-column-names': ['fault', 'as file/csv'],
    'file/ltsv': ['fault', 'values are JSON, so that tabs and quotation marks in texts are escaped'],
    'file/ltsv-delimiters': ['fault', 'as file/ltsv, with Label_Delimiter'],
    'file/types-ltsv': ['fault', 'as file/ltsv'],
    'file/empty-record': ['fault', 'an empty record has a line with its time'],
    'file/no-mkdir': [
      'fault',
      'the run ends with an error: the records are not written, and not acknowledged',
    ],
  },
  'output.es': bulkDifferences('es', 'index-dynamic', 'error-409'),
  'output.opensearch': bulkDifferences('opensearch', 'index-accessor', 'error-409', 'error-retried'),
  'output.loki': {
    'loki/labels-odd-name': ['fault', 'what a name of a label cannot have becomes an underscore'],
  },
  'output.http': {
    'http/format-xml': ['fault', 'refused: there is no such format'],
    'http/compress-zstd': ['differs', 'the same JSON, with other bytes of zstd'],
    'http/compress-snappy': ['differs', 'the same JSON, with other bytes of snappy'],
    'http/content-type-own': ['differs', 'a header of the configuration replaces that of the output'],
    'http/status-400': ['differs', 'the halves are sent'],
    'http/status-301': ['differs', 'given up after Retry_Limit, with status 1'],
    'http/gelf-all': ['differs', 'the field id is _id_: nothing is left out'],
    'http/not-utf8': ['fault', 'bytes that are no UTF-8 become U+FFFD'],
  },
  'output.splunk': {
    'splunk/status-400': [
      'differs',
      `${STATED}: the records of a request that is refused are sent in halves`,
    ],
  },
  'output.datadog': {},
  'output.gelf': {
    'gelf/tcp-all-keys': ['fault', 'a time that is a text of digits becomes a number'],
    'gelf/tcp-no-short-message': ['fault', 'a record without short_message is sent with "-"'],
    'gelf/tcp-two': ['differs', 'GELF requires host: it is the name of the machine where a record has none'],
    'gelf/udp-packet-size': ['fault', 'without Compress the parts of a message are not compressed'],
    'gelf/tcp-level-bad': ['fault', 'what is no level is a field of its own, as GELF requires a number'],
    'gelf/tcp-nested': ['fault', 'a list with maps is the text of its JSON'],
    'gelf/tcp-id-field': ['fault', 'the field id becomes _id_'],
  },
  'output.syslog': {
    'syslog/udp-no-message-key': ['fault', 'without Syslog_Message_Key the record is sent as JSON'],
    'syslog/udp-severity-words': ['fault', 'words count in any case; what is no severity is counted'],
    'syslog/udp-maxsize': ['fault', 'only the message is cut, never its header'],
    'syslog/tcp-newline-in-message': ['fault', 'a newline in a message is escaped'],
    'syslog/udp-sd-odd': ['fault', 'null, maps and lists are the text of their JSON'],
    'syslog/udp-unicode': ['fault', 'what a header cannot have becomes an underscore'],
    'syslog/udp-message-not-text': ['fault', 'a message that is a map, or missing, is JSON'],
  },
  'output.opentelemetry': {
    'opentelemetry/types': ['fault', 'an integer from 2^63 on is the text of its digits'],
    'opentelemetry/add-label': ['fault', 'labels are attributes of the resource'],
    'opentelemetry/severity': ['differs', 'a severity without a number has that of its text'],
    'opentelemetry/metadata': ['differs', 'the input stdin leaves metadata out, as stdin/time-metadata'],
  },
  'output.kinesis_streams': {
    'kinesis_streams/log-key': ['fault', 'Log_Key sends the text itself'],
    'kinesis_streams/compression': ['differs', 'the bytes of gzip are those of another compressor'],
  },
  'output.kinesis_firehose': {
    'kinesis_firehose/compression': ['differs', 'the bytes of gzip are those of another compressor'],
  },
  'output.cloudwatch_logs': {},
  'output.s3': {},
  'output.tcp': {
    'tcp/raw-message-key': ['fault', 'a name without dollar sign is a key'],
    'tcp/format-raw': ['fault', 'refused: the formats are msgpack, json, json_lines and json_stream'],
  },
  'output.udp': {
    'udp/raw-message-key': ['fault', 'a name without dollar sign is a key'],
    'udp/format-raw': ['fault', 'refused: the formats are msgpack, json, json_lines and json_stream'],
  },
})
