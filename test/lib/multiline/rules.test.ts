import { describe, expect, test } from 'bun:test'
import { MULTILINE_OPTIONS, type MultilineOptions } from '../../../src/core/multiline.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { LineClassifier } from '../../../src/lib/multiline/classifier.ts'
import { makeStateMachine, NO_RECORD, type StateMachine } from '../../../src/lib/multiline/state-machine.ts'

function machineOf(options: Record<string, unknown>): StateMachine {
  return makeStateMachine('m', parseOptions(MULTILINE_OPTIONS, options as never) as MultilineOptions)
}

function rules(...rule: string[]): StateMachine {
  return machineOf({ type: 'regex', rule })
}

/** Returns the lines of each record that the machine makes. Lines in brackets are records of their own. */
function joined(machine: StateMachine, lines: string[]): string[] {
  const classifier = new LineClassifier([{ machine, ownLinesOnly: false }])
  const records: string[][] = []
  let open: { machine: StateMachine | undefined; state: number; rivals: undefined } | undefined
  for (const line of lines) {
    const hasEnd = line.endsWith('\n')
    const role = classifier.classify(open, hasEnd ? line.slice(0, -1) : line, undefined, hasEnd)
    if (role === 'join' || role === 'last') records.at(-1)?.push(line)
    else records.push([line])
    open = undefined
    if (role === 'start' || role === 'join')
      open = { machine: classifier.machine, state: classifier.state, rivals: undefined }
  }
  return records.map((record) => record.join('|'))
}

describe('rules are read as fluent-bit does:', () => {
  const cases: [title: string, rules: string[], lines: string[], expected: string[]][] = [
    [
      '/i ignores case',
      ['"start_state" "/^error/i" "cont"', '"cont" "/^ /" "cont"'],
      ['ERROR a', ' b', 'x', 'error c'],
      ['ERROR a| b', 'x', 'error c'],
    ],
    [
      '/x ignores blanks and comments, also with another flag',
      ['"start_state" "/^ (err | warn) \\d # level/xi" "cont"', '"cont" "/^\\s/" "cont"'],
      ['Err1', ' b', 'warn 2', 'WARN2', ' c'],
      ['Err1| b', 'warn 2', 'WARN2| c'],
    ],
    [
      '/m lets a dot match a line feed within a value',
      ['"start_state" "/^a.b/m" "cont"', '"cont" "/^-/" "cont"'],
      ['a\nb', '-', 'axb', '-'],
      ['a\nb|-', 'axb|-'],
    ],
    [
      'without /m a dot does not, and ^ matches after each line feed',
      ['"start_state" "/^a.b|^c/" "cont"', '"cont" "/^-/" "cont"'],
      ['a\nb', '-', 'x\nc', '-'],
      ['a\nb', '-', 'x\nc|-'],
    ],
    [
      'unknown letters after the slash are part of the expression',
      ['"start_state" "/a/g" "cont"', '"cont" "/^ /" "cont"'],
      ['a', ' b', '/a/g', ' c'],
      ['a', ' b', '/a/g| c'],
    ],
    [
      'a slash at one end only is part of the expression',
      ['"start_state" "^a/" "cont"', '"cont" "/^ /" "cont"'],
      ['a', 'a/', ' b'],
      ['a', 'a/| b'],
    ],
    ['without quotes', ['start_state /^x/ cont', 'cont /^\\s/ cont'], ['x', ' b', 'y'], ['x| b', 'y']],
    [
      'with quotes in the expression, and words after the state',
      ['"start_state" "/^\\"a\\"/" "cont" # first', '"cont" /^\\s/ cont'],
      ['"a"', ' b', 'a'],
      ['"a"| b', 'a'],
    ],
    [
      'a list of states, of which one is reached by no rule',
      ['"start_state" "/^x/" "cont"', '"cont , never,, " "/^ /" "cont"'],
      ['x', ' b', ' c', 'x'],
      ['x| b| c', 'x'],
    ],
    [
      'a rule from start_state starts a record in every state',
      ['"start_state, cont" "/^x/" "more"', '"more" "/^ /" "more"'],
      ['x', ' a', 'x', ' b'],
      ['x| a', 'x| b'],
    ],
    [
      'the line that leads to start_state is the last',
      ['start_state /^T/ body', 'body "/^ /" body', 'body /^E/ start_state'],
      ['T', ' a', 'E', ' b', 'T', 'E', 'E', 'T', 'x'],
      ['T| a|E', ' b', 'T|E', 'E', 'T', 'x'],
    ],
    ['a rule without a state ends the record', ['start_state /^x/'], ['x', 'x', 'y'], ['x', 'x', 'y']],
    [
      'the newline at the end of a value is seen by an expression that has one, and does not disturb others',
      ['start_state /^x[\\r\\n]/ cont', 'cont /^\\s+y$/ cont', 'cont /^$/ cont'],
      ['x\n', ' y\n', '\n', 'x', ' y'],
      ['x\n| y\n|\n', 'x', ' y'],
    ],
  ]
  for (const [title, texts, lines, expected] of cases)
    test(title, () => expect(joined(rules(...texts), lines)).toEqual(expected))

  test('rules without start_state, without an expression or with an invalid one are rejected', () => {
    expect(() => rules('"cont" "/x/" "cont"')).toThrow(
      '[multiline_parser m] no rule starts from "start_state"',
    )
    expect(() => rules('start_state')).toThrow('is not of the form')
    expect(() => rules('"" "/x/" "a"')).toThrow('is not of the form')
    expect(() => rules('start_state /(/ a')).toThrow()
  })
})

describe('lines are joined up to the one that', () => {
  test('ends with Match_String, or with Negate does not', () => {
    expect(joined(machineOf({ type: 'endswith', match_string: ';' }), ['a', 'b;', 'c;', 'd'])).toEqual([
      'a|b;',
      'c;',
      'd',
    ])
    const negated = machineOf({ type: 'endswith', match_string: '\\', negate: 'on' })
    expect(joined(negated, ['a\\', 'b\\', 'c', 'd'])).toEqual(['a\\|b\\|c', 'd'])
  })

  test('equals Match_String', () => {
    for (const type of ['equal', 'eq', 'EQ'])
      expect(joined(machineOf({ type, match_string: 'END' }), ['a', 'END.', 'END', 'b'])).toEqual([
        'a|END.|END',
        'b',
      ])
  })

  test('ends with a line feed, as the values of Docker do', () => {
    const machine = machineOf({ type: 'endswith', match_string: '\n' })
    expect(joined(machine, ['a', 'b\n', 'c\n', 'd'])).toEqual(['a|b\n', 'c\n', 'd'])
    expect(joined(machineOf({ type: 'endswith', match_string: ';' }), ['a\n', 'b;\n', 'c'])).toEqual([
      'a\n|b;\n',
      'c',
    ])
  })

  test('starts no record by itself when it is the first', () => {
    expect(machineOf({ type: 'equal', match_string: 'x' }).next(NO_RECORD, 'x')).toBe('alone')
  })
})
