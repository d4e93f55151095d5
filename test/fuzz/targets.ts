import type { Target } from './target.ts'
import { accessors } from './targets/accessors.ts'
import { awsAnswers, awsProfiles } from './targets/aws.ts'
import { bulkAnswer } from './targets/bulk-answer.ts'
import { chosenPath } from './targets/chosen-path.ts'
import { commandLines, kernelMessage } from './targets/collectors.ts'
import { config, flags, options } from './targets/config.ts'
import { datagrams } from './targets/datagrams.ts'
import { deadLetters } from './targets/dead-letters.ts'
import { dockerEvents, kubernetesEvents } from './targets/events.ts'
import { fluentd } from './targets/fluentd.ts'
import { acknowledgements, forward, payload } from './targets/forward.ts'
import { geoip } from './targets/geoip.ts'
import { gzip } from './targets/gzip.ts'
import { http, httpRequest } from './targets/http.ts'
import { httpResponse } from './targets/http-client.ts'
import {
  http2Refusals,
  httpChunks,
  httpForm,
  httpFraming,
  httpJson,
  httpText,
  otlpJson,
  otlpProtobuf,
  snappy,
} from './targets/http-input.ts'
import { journal } from './targets/journal.ts'
import { kafka, kafkaStream, scram } from './targets/kafka.ts'
import { kubernetes, kubernetesTags } from './targets/kubernetes.ts'
import { lua } from './targets/lua.ts'
import { messages } from './targets/messages.ts'
import { json, msgpack } from './targets/msgpack.ts'
import { multiline } from './targets/multiline.ts'
import { pairs } from './targets/pairs.ts'
import { parserFilter } from './targets/parser-filter.ts'
import { lines, wasmLines } from './targets/parsers.ts'
import { patterns } from './targets/patterns.ts'
import { wasmMerge, wasmRecords } from './targets/records.ts'
import { redact, script } from './targets/redact.ts'
import { regex } from './targets/regex.ts'
import { reports } from './targets/reports.ts'
import { ruby, transformer } from './targets/ruby.ts'
import { outputStates, repairedSegments, segments } from './targets/segments.ts'
import { damaged, rows } from './targets/store.ts'
import { storeBodies } from './targets/store-bodies.ts'
import { time } from './targets/time.ts'
import { yaml } from './targets/yaml.ts'

/** Everything that reads bytes from outside. */
export const TARGETS: readonly Target[] = [
  ...[forward, payload, acknowledgements],
  ...[messages, datagrams],
  ...[kafka, kafkaStream, scram],
  ...[awsAnswers, awsProfiles],
  ...[journal, kubernetes, kubernetesTags, http, httpRequest, geoip],
  ...[http2Refusals, httpChunks, httpForm, httpFraming, httpJson, httpText, otlpJson, otlpProtobuf, snappy],
  ...[kubernetesEvents, dockerEvents, httpResponse, bulkAnswer],
  ...[msgpack, json, lines, time, multiline, gzip],
  ...[wasmLines, wasmRecords, wasmMerge, storeBodies],
  ...[config, yaml, fluentd, flags, options, patterns, regex, accessors, pairs, chosenPath, reports],
  ...[ruby, transformer, parserFilter, lua, redact, script],
  ...[rows, damaged, deadLetters, segments, repairedSegments, outputStates],
  ...[commandLines, kernelMessage],
]
