import { existsSync } from 'node:fs'
import { STATED, testKinds } from '../../support/oracle/check.ts'

testKinds({
  'input.stdin': {
    'stdin/two-objects-in-a-line': ['stated', 'a line that is not one object is text'],
    'stdin/object-over-lines': ['stated', 'a line that is not one object is text'],
    'stdin/time-metadata': ['stated', 'metadata of an event is left out'],
    'stdin/buffer-size': ['stated', 'a line that is longer than the buffer is cut'],
    'stdin/array': ['fault', 'a line that is no object is text'],
    'stdin/time-text': ['fault', 'a line that is no object is text'],
  },
  'input.forward': {
    'forward/in-metadata': ['stated', 'metadata of an event is left out'],
    'forward/in-nil-time': ['fault', 'a message without a time gets the time of reading'],
  },
  'input.tcp': {
    'tcp/json-not': ['fault', 'text that is no JSON is kept under log'],
    'tcp/none-no-newline': ['fault', 'the last message needs no separator'],
    'tcp/none-separator': ['fault', 'the last message needs no separator'],
    'tcp/not-utf8': ['fault', 'bytes that are no UTF-8 become U+FFFD'],
    'tcp/buffer-size': ['fault', 'the beginning of a message that is too long is kept'],
  },
  'input.udp': {
    'udp/json-array': ['fault', 'a list becomes msg, other text is kept under log'],
    'udp/none-no-newline': ['fault', 'the last message needs no separator'],
    'udp/none-separator': ['fault', 'the last message needs no separator'],
    'udp/none-empty-lines': ['fault', 'empty messages are passed over'],
    'udp/source-address': ['fault', 'the address is added with Format none, too'],
    'udp/two-parts': ['differs', `${STATED}: an incomplete object is kept under log`],
    'udp/bad-then-good': ['differs', `${STATED}: what is no JSON is kept under log`],
    'udp/not-utf8': ['fault', 'bytes that are no UTF-8 become U+FFFD'],
  },
  'input.syslog': {
    'syslog/tcp-no-match': ['fault', 'what does not fit the parser is kept under message'],
    'syslog/udp-no-match': ['fault', 'what does not fit the parser is kept under message'],
    'syslog/udp-two': ['fault', 'with a Parser each line of a datagram is a message'],
    'syslog/tcp-no-newline': ['fault', 'the last message needs no end'],
    'syslog/no-parser': ['differs', `${STATED}: the parsers that are used by default need no Parsers_File`],
  },
  'input.http': {
    'http/empty-body': ['fault', 'one answer'],
    'http/array-mixed': ['fault', 'a request is accepted as a whole or not at all'],
    'http/text': ['fault', 'lines of text are records'],
    'http/no-content-type': ['fault', 'one answer'],
    'http/deflate': ['fault', 'deflate is read'],
    'http/encoding-unknown': ['fault', 'refused with 415'],
    'http/response-bad': ['fault', 'refused: the code is 200, 201 or 204'],
  },
  'input.opentelemetry': {},
  'input.cpu': {},
  'input.mem': { 'mem/pid': ['fault', 'the size is a text such as 14.67M'] },
  'input.disk': {},
  'input.exec': {
    'exec/parser-failure': ['fault', 'a line that does not fit the parser is kept'],
  },
  'input.head': {
    'head/missing': ['fault', 'no record, and a warning'],
  },
  'input.netif': {},
  'input.proc': {},
  'input.random': {},
  ...(existsSync('/sys/class/thermal/thermal_zone0') || existsSync('/sys/class/hwmon/hwmon0')
    ? {}
    : { 'input.thermal': {} }),
})
