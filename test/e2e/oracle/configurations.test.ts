import { testKinds } from '../../support/oracle/check.ts'

const BLANK_AND_NUMBER =
  'a blank at the end of a line may be missing in the value, and a number is looked up as its text'

testKinds({
  'config.classic': {
    'classic/four-blanks-and-two': ['fault', 'the indent of a section is that of its first option'],
    'classic/bom': ['fault', 'a byte order mark is passed over'],
    'classic/parsers-in-main': ['fault', 'a [PARSER] may stand in the main file'],
    'classic/size-1k': ['fault', 'Buffer_Max_Size is at least 1024'],
    'classic/size--1': ['fault', 'a size is not negative'],
    'classic/no-output': [
      'differs',
      'without an output nothing is read, so the filter stdout prints nothing',
    ],
    'classic/parser-twice': ['differs', 'the second parser of a name is ignored, with a warning'],
  },
  'config.yaml': {
    'yaml/empty-filters': ['fault', 'a list may be empty'],
    'yaml/lua-inline': ['differs', 'pairs that the script does not touch keep their places, before new ones'],
    'yaml/includes-classic': ['differs', 'a YAML file may include one in the classic format'],
  },
  'yaml.processors': {
    'yaml/processor-content_modifier-extract-no-match': [
      'fault',
      'a record that does not fit stays, and so do the next',
    ],
    'yaml/processor-content_modifier-convert-boolean': ['fault', 'a text that is no boolean stays as it is'],
    'yaml/processor-content_modifier-convert-string': ['fault', 'null stays null'],
    'yaml/processor-condition-eq-number': [
      'fault',
      'a number, and a text that is one, is equal to the same number',
    ],
    'yaml/processor-condition-lt': [
      'fault',
      'a missing field is not less than a number, and 1.5 is less than 2',
    ],
    'yaml/processor-condition-and-two': ['fault', 'a number is equal to the same number'],
  },
  'yaml.routes': {
    'yaml/routes-no-condition': [
      'fault',
      'refused: the second output has no Match and no route, so it would get nothing; with a Match the route takes every record',
    ],
    'yaml/routes-unknown-output': ['fault', 'refused: a route names an output that is not there'],
  },
  'filter.parser': {
    'parser/json-two': ['fault', 'a text with something behind the object is no object: the record stays'],
    'parser/collision-msgpack': ['fault', 'a key is written once, with the value that it had in the record'],
  },
  'filter.multiline': {
    'multiline/own-buffer': ['fault', 'Flush_Ms may be less than 500'],
    'multiline/built-in-two': ['fault', 'the last line of a trace does not come again'],
  },
  'parser.json': {
    'parser-json/numbers': ['fault', 'a float has the digits that tell it apart, and all of them'],
    'parser-json/trailing-text': ['fault', 'a line with text behind the object is kept as it is'],
  },
  'parser.logfmt': {},
  'parser.ltsv': {
    'parser-ltsv/blanks': ['fault', 'a line with a label that has a blank is kept as it is'],
    'parser-ltsv/empty-key': ['fault', 'a line with a field without a label is kept as it is'],
  },
  'parser.regex': {
    'parser-regex/types-integer': ['fault', 'what is no integer of up to 64 bits stays text'],
    'parser-regex/types-integer-keep-empty': ['fault', 'what is no integer of up to 64 bits stays text'],
    'parser-regex/types-float': [
      'fault',
      'what is no number stays text, as do nan, inf and what is beyond float64',
    ],
    'parser-regex/types-float-keep-empty': ['fault', 'what is no number stays text'],
    'parser-regex/types-bool': ['stated', 'a word with a blank behind it is no boolean'],
    'parser-regex/types-hex': ['fault', 'what is no hexadecimal number stays text'],
    'parser-regex/types-hex-keep-empty': ['fault', 'what is no hexadecimal number stays text'],
    'parser-regex/types-of-time': ['fault', 'the field of the time has no type'],
  },
  'parser.time': {
    ...Object.fromEntries(
      ['zone-z', 'zone-Z', 'fraction-f', 'fraction-N', 'apache', 'names', 'twelve-hours'].map((name) => [
        `time/${name}`,
        ['fault', 'a time that cannot be read stays in its field'] as const,
      ]),
    ),
    'time/iso': ['fault', 'a date that does not exist stays in its field; a fraction and a Z are read'],
    'time/fraction-L-comma': ['fault', 'a fraction after a point is read by a format with a comma'],
    'time/fraction-L-zone': ['fault', 'a fraction may be missing; nanoseconds are cut, not rounded'],
    'time/epoch': ['fault', 'a number that is no time stays in its field; 0 is one, in 1970'],
    'time/short-year': ['fault', 'a time before 1970 stays in its field'],
    'time/trailing-text': ['fault', 'a fraction behind the seconds is read'],
    'time/far': ['fault', 'a time after 2106 stays in its field, and its record has the time of reading'],
  },
  'filter.rewrite_tag': {
    'rewrite_tag/captures-missing': ['fault', 'refused: the expression has no third group'],
    'rewrite_tag/tag-part-missing': [
      'fault',
      'a record for whose new tag a part of the tag is missing keeps its tag',
    ],
    'rewrite_tag/keep-word': ['fault', 'refused: KEEP is true or false'],
  },
  'filter.throttle': {
    'throttle/interval-bad': ['fault', 'refused: the interval is no time'],
  },
  'record-accessor': {
    'accessor/value-glued': ['fault', 'a field ends at a character that is not of a name'],
    'accessor/value-glued-text': ['fault', 'the field $sy is missing: the record keeps its tag'],
    'accessor/value-underscore': ['fault', 'the field $s_y is missing: the record keeps its tag'],
    'accessor/value-missing-last': ['fault', 'a record without the field keeps its tag'],
    'accessor/value-missing-first': ['fault', 'a record without the field keeps its tag'],
    'accessor/dot': ['fault', 'what follows a dot is part of the key'],
    'accessor/trailing-dot': ['fault', 'a dot is part of the key'],
    'accessor/empty': ['fault', 'refused: there is no key'],
    'accessor/empty-bracket': ['fault', 'a key under something that is no map is missing'],
    'accessor/quote-in-key': ['fault', 'a key under something that is no map is missing'],
    'accessor/list-negative': ['fault', 'refused: an index is not negative'],
  },
  'filter.checklist': {
    'checklist/ignore-case': ['fault', BLANK_AND_NUMBER],
    'checklist/partial': ['fault', BLANK_AND_NUMBER],
    'checklist/record-null': ['fault', BLANK_AND_NUMBER],
    'checklist/record-number': ['fault', BLANK_AND_NUMBER],
    'checklist/record-replaces': ['fault', BLANK_AND_NUMBER],
    'checklist/file-missing': ['fault', 'refused: records would pass unchecked'],
    'checklist/no-record': ['fault', 'refused: records in the list would get nothing'],
  },
  'filter.sysinfo': {},
  'filter.lua': {
    'lua/inf': ['fault', 'infinity is null in JSON'],
    'lua/nan': ['fault', 'NaN is null in JSON'],
    'lua/array-0-based': ['fault', 'whole numbers that are not 1, 2, 3... become text as keys'],
    'lua/mixed-table': ['fault', 'whole numbers beside text become text as keys'],
    'lua/key-number': ['fault', 'the record is an error: a key that is neither text nor a whole number'],
    'lua/function-value': ['fault', 'the record is an error: a function is no value'],
    'lua/error-inside': ['fault', 'an error concerns one record'],
    'lua/time-nil-out': ['fault', 'nil keeps the time of the record'],
    'lua/error-inside-protected': ['differs', 'an error concerns one record'],
    'lua/null-in': ['differs', 'null that the script does not touch stays'],
    'lua/bytes': ['differs', 'what is no UTF-8 is U+FFFD in JSON, see json.text'],
    'lua/luajit-64': ['differs', 'the language is Lua 5.1, without numbers such as 1LL'],
  },
  'filter.expect': {},
  'filter.stdout': {
    'stdout/filter': ['differs', 'the filter prints a record when it passes, so before the output does'],
  },
  'filter.log_to_metrics': {},
  'filter.modify': {
    'modify/duplicate-keys-msgpack': ['differs', 'of a key that is there twice the last pair is renamed'],
  },
  'filter.nest': {
    'nest/nest-without-wildcard': ['fault', 'refused: it would do nothing'],
    'nest/nest-without-under': ['fault', 'refused: there is no key for the map'],
    'nest/nest-onto-existing-msgpack': ['fault', 'the map replaces what was under its key'],
    'nest/lift-collision-msgpack': ['fault', 'a pair of the map replaces that of the record'],
  },
  'filter.type_converter': {
    'type_converter/int-negative-to-uint': ['fault', 'a negative integer is not converted'],
    'type_converter/str-bad-to-int': ['fault', 'refused: integer is no type'],
    'type_converter/str-float-to-int': ['fault', 'a text that is no integer is not converted'],
  },
  'filter.record_modifier': {
    'record_modifier/remove-all': ['fault', 'an empty record stays'],
    'record_modifier/uuid-existing-msgpack': ['fault', 'the UUID replaces what was under its key'],
    'record_modifier/record-single-quotes': ['fault', 'the whole rest is the value'],
  },
  'filter.grep': {
    'grep/regex-two': ['fault', 'all rules must match, as the manual says'],
    'grep/regex-and-exclude': ['fault', 'the record that is to be left out is left out'],
    'grep/op-legacy': ['fault', 'all rules must match, as the manual says'],
    'grep/op-unknown': ['fault', 'refused: Logical_Op is legacy, AND or OR'],
    'grep/key-with-dot': ['fault', 'a key without dollar sign is a name'],
    'grep/key-with-dollar-dot': ['fault', 'what follows a dot is part of the key'],
    'grep/quote-kinds': ['fault', 'double quotation marks are accepted'],
  },
  'filter.alter_size': {},
})
