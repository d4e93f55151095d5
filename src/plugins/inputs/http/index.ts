import { defineInput } from '../../../core/plugin.ts'
import { HTTP_INPUT_COUNTERS } from '../../../lib/http-input/http-input.ts'
import { listenPreview } from '../../../lib/net/listen-preview.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { typesOf } from './body-types.ts'
import { HttpBodiesInput } from './http.ts'
import { OPTIONS } from './options.ts'
import { readSample } from './sample.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'http',
  summary: 'Receives records in the bodies of HTTP requests.',
  description:
    'A POST with JSON (objects one after the other, with or without line feeds between them, or lists of them), with a form, or with lines of text, as its ' +
    'Content-Type says:\n\n' +
    `- JSON: ${typesOf('json')}\n- form: ${typesOf('form')}\n- lines of text: ${typesOf('text')}\n\n` +
    'Another type is answered with 415, and none with 400. `curl -d` sends the type of a form unless told otherwise, so JSON needs ' +
    "`-H 'Content-Type: application/json'`: without it, the answer is 400, or a text with `=` in it becomes a record of one odd pair, as in fluent-bit.\n\n" +
    'The path without its first slash is the tag, in which everything but letters, digits, `.` and `_` becomes `_`; the path `/` has the ' +
    'configured Tag. The body may be compressed with gzip, zstd, deflate or snappy (framed), and may come in chunks. The time of ' +
    'the records is that of arrival.\n\n' +
    'A request is answered when **every output** has settled its records, and not before: a client that has its answer may forget them. ' +
    'Records with a tag that no output matches are discarded, as in fluent-bit; the log says so once for each tag. ' +
    'A request is accepted as a whole or not at all: after an error nothing of it is kept, so that it can be sent again. A body waits for memory before it is ' +
    'read, in order of arrival, and small ones go before large ones. After Max_Wait without memory, or without delivery of any of its records, the answer is 503 with ' +
    '`Retry-After`; in the latter case the records are still delivered, and sent again they are there twice, as the answer says. ' +
    '400, 413 and 415 mean that the request will never be accepted. `Expect: 100-continue`, keep-alive and ' +
    'pipelining are understood; HTTP/2 and tokens of OAuth 2 are not. Without TLS and `tls.verify_client_cert` anybody who reaches the port ' +
    'can write records: listen only where all clients are trusted.',
  options: OPTIONS,
  example: '[INPUT]\n    Name   http\n    Listen 127.0.0.1\n    Port   9880\n',
  counters: {
    ...HTTP_INPUT_COUNTERS,
    ...regexCounter('parser'),
    parse_failed: 'lines of text that could not be parsed, kept unchanged under `log`',
    time_failed: 'lines of text whose time could not be read; their records have the time of arrival',
  },
  resends: true,
  readSample,
  ownTags: (_options, tag) => [tag, '*'],
  listensOn: ({ listen, port }) => ({ host: listen, port }),
  preview: async ({ listen, port, tls }) => listenPreview(listen, port, undefined, tls),
  create: (options, ctx) => new HttpBodiesInput(options, ctx),
})
