import type { Target } from './target.ts'
import { config, flags, options } from './targets/config.ts'
import { deadLetters } from './targets/dead-letters.ts'
import { acknowledgements, forward, payload } from './targets/forward.ts'
import { gzip } from './targets/gzip.ts'
import { http, httpRequest } from './targets/http.ts'
import { journal } from './targets/journal.ts'
import { kafka, kafkaStream, scram } from './targets/kafka.ts'
import { kubernetes, kubernetesTags } from './targets/kubernetes.ts'
import { json, msgpack } from './targets/msgpack.ts'
import { multiline } from './targets/multiline.ts'
import { lines, wasmLines } from './targets/parsers.ts'
import { patterns } from './targets/patterns.ts'
import { wasmMerge, wasmRecords } from './targets/records.ts'
import { regex } from './targets/regex.ts'
import { damaged, rows } from './targets/store.ts'
import { time } from './targets/time.ts'

/** Everything that reads bytes from outside. */
export const TARGETS: readonly Target[] = [
  ...[forward, payload, acknowledgements],
  ...[kafka, kafkaStream, scram],
  ...[journal, kubernetes, kubernetesTags, http, httpRequest],
  ...[msgpack, json, lines, time, multiline, gzip],
  ...[wasmLines, wasmRecords, wasmMerge],
  ...[config, flags, options, patterns, regex],
  ...[rows, damaged, deadLetters],
]
