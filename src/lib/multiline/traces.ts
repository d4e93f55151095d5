import type { HeldKind } from './state-machine.ts'

/** A rule of a trace: `state, state: expression -> state`. */
type TraceRule = [from: string, regex: RegExp, to: string]

interface Trace {
  rules: TraceRule[]
  /**
   * Matches words of which at least one is in every head that may begin in the middle of a line. Few lines
   * have one, and the probe is ten times as fast as the rules.
   */
  probe: RegExp
  /**
   * States after which lines follow that no rule can recognize: lines of a message, and blank lines. Any
   * other state without rules ends the record.
   */
  held: Record<string, HeldKind>
}

/** Head of a trace: the name of an exception, with or without its namespace, anywhere in a line. */
const HEAD = /(?:^|[\s("'[.\\:])[\w$]*(?:Exception|Error)(?:`\d)?(?: ?[([][^)\]]{1,40}[)\]])?(?::|\s*$)/

const CIRCULAR = /^[\t ]*(?:(?:Caused by|Suppressed|Wrapped by): )?\[CIRCULAR REFERENCE.*\]\s*$/
const CIRCULAR_BEGIN = /^[\t ]*(?:(?:Caused by|Suppressed|Wrapped by): )?\[CIRCULAR REFERENCE/

const java: Trace = {
  probe: /Exception|Error|Throwable/,
  rules: [
    ['start_state', /(?:Exception|Error|Throwable)(?:[:\s]|$)/, 'head'],
    ['start_state', /^(?:(?:[a-z_]\w*\.)+[A-Z][\w$]*|[A-Z]\w*\$[\w$]+): /, 'head'],
    ['head, frame', /^[\t ]+(?:eval )?at [^\s(]+\s?\(/, 'frame'],
    // An exception that was already printed: it has no frames, and its message may have several lines.
    ['head, frame', CIRCULAR, 'frame'],
    ['head, frame', CIRCULAR_BEGIN, 'circular'],
    ['circular', /\]\s*$/, 'frame'],
    ['head, frame', /^[\t ]*(?:Caused by|Suppressed|Wrapped by):(?: |$)/, 'head'],
    ['head', /^[\t ]*nested exception is/, 'head'],
    ['head', /^[\t ]*[\w.$]+(?:Exception|Error|Throwable):/, 'head'],
    [
      'head, frame',
      /^[\t ]*\.\.\. (?:suppressed )?\d+ (?:more|lines|common frames|frames|filtered)/,
      'frame',
    ],
    ['head, frame', /^[\t ]*-{3} End of inner exception stack trace -{3}/, 'frame'],
    ['frame', /^[\t ]+(?:at |- (?:locked|waiting|parking)|\(Coroutine boundary\))/, 'frame'],
  ],
  held: { head: 'frames', circular: 'frames' },
}

const python: Trace = {
  probe: /Traceback/,
  rules: [
    ['start_state', /Traceback \(most recent call last\):\s*$/, 'head'],
    ['start_state', /^(?:Exception (?:in thread|ignored (?:in|on)) .*|--- Logging error ---)$/, 'lead'],
    ['start_state', /^ {2}File ".*", line \d+$/, 'file'],
    ['start_state', /^(?:Fatal Python error: |(?:Current thread|Thread) 0x\w+ .*call first\):$)/, 'fault'],
    ['lead, chain', /Traceback \(most recent call last\):\s*$/, 'head'],
    ['head, file, code, group', /^ +(?:\||\+-)/, 'group'],
    ['head, file, code', /^[\t ]*File "/, 'file'],
    ['file, code', /^[\t ]+\S/, 'code'],
    ['file, code', /^[A-Za-z_\x80-\xff][\w.\x80-\xff]*(?:<locals>[\w.\x80-\xff]*)*(?::|\s*$)/, 'error'],
    ['error', /^Call stack:$/, 'head'],
    ['error', /^Arguments: /, 'error'],
    ['error, group', /^(?:During handling of the above|The above exception was the direct)/, 'chain'],
    [
      'fault',
      /^(?: {2}(?:File "|\.\.\.|<|Garbage)|(?:Current thread|Thread) 0x|Python runtime state)/,
      'fault',
    ],
    ['fault', /^(?:Extension modules: |Current thread's C stack trace)/, 'fault'],
  ],
  held: { error: 'message', group: 'blank', chain: 'blank', fault: 'blank' },
}

const GOROUTINE = /^goroutine \d+ (?:\w+=\S+ )*\[[^\]]{1,200}\][^\]]{0,200}:$/

const go: Trace = {
  probe: /panic|fatal error/,
  rules: [
    ['start_state', /(?:^|\s)(?:panic: |fatal error: |http: panic serving )/, 'head'],
    ['start_state', /^(?:SIG[A-Z]+: |runtime: goroutine stack exceeds )/, 'head'],
    ['start_state', GOROUTINE, 'goroutine'],
    ['head', /^\[(?:signal|recovered)/, 'head'],
    ['head', /^(?:[\t ]+panic: |fatal error: |runtime: |PC=0x)/, 'head'],
    ['head, frame', GOROUTINE, 'goroutine'],
    ['head, frame', /^runtime stack:$/, 'goroutine'],
    ['goroutine', /^goroutine running on other thread/, 'frame'],
    // A call has no blank before its arguments, so a log line that ends with a parenthesis does not match.
    ['goroutine, frame', /^[^\s()]+\(.*\)$|^created by \S|^non-Go function$/, 'call'],
    ['goroutine, frame', /^\.\.\.(?:additional|\d+) frames elided\.\.\.$/, 'frame'],
    ['call', /^\t\S.*:\d+|^\tpc=0x/, 'frame'],
    ['frame', /^(?:r\w{1,2}|[re]?flags|rip|[cfg]s) +0x[0-9a-f]+$/, 'frame'],
  ],
  held: { head: 'frames', frame: 'blank' },
}

const ruby: Trace = {
  probe: /:in [`']|(?:Error|Exception)\)/,
  rules: [
    ['start_state', /(?:^|\s)\S+:\d+:in [`'].{1,200}['`]: /, 'head'],
    ['start_state', /^[^\s:]+:\d+: syntax errors? /, 'head'],
    ['start_state', /\((?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception)\)$/, 'rails'],
    ['start_state', /^Traceback \((?:\S*most recent call last\S*)\):$/, 'reverse'],
    ['start_state', /^(?:\[[\w-]+\] )*(?:[A-Z]\w*::)*[A-Z]\w* \(.*\):\s*$/, 'rails'],
    ['reverse', /^[\t ]+\d+: from \S.*:\d+/, 'reverse'],
    ['reverse', /^[\t ]+\.\.\. \d+ levels\.\.\.$/, 'reverse'],
    ['reverse', /^\S+:\d+:in [`'].+['`]: /, 'head'],
    ['head, frame', /^[\t ]+(?:\d+: )?from \S.*:\d+(?::in |$)/, 'frame'],
    ['head, frame', /^[\t ]+(?:\.\.\.|from \.\.\.) \d+ levels\.\.\.$/, 'frame'],
    // The cause follows the frames. Any other head before the frames belongs to another trace.
    ['frame', /^\S+:\d+:in [`'].+['`]: /, 'head'],
    ['head, frame', /^\S+:\d+:in [`'][^`':]+['`]$/, 'frame'],
    ['head', /^[\t |~]*\^[\^~]*(?:\s|$)/, 'head'],
    ['head', /^(?:Did you mean\?|(?: *>)? *\d+ +\| )/, 'head'],
    ['rails, rails_frame', /^(?:\[[\w-]+\] )*[\w./<(-][^:]*:\d+:in [`']/, 'rails_frame'],
  ],
  held: { head: 'frames', rails: 'frames' },
}

/** Position in a program, above the line of code: of a file, of a script without one, or of an evaluated text. */
const PLACE =
  /^(?:(?:(?:file:\/\/)?\/|[A-Za-z]:[\\/]|node:|evalmachine\.|(?:data|blob|webpack)[\w-]*:\S*[/,]).*|[^\s:]+\.[cm]?[jt]sx?|\[(?:worker )?(?:eval|stdin)\d*\]|<\w+>|undefined|REPL\d+|):\d+$/

/** Name of an own class of errors with a code (`Fault [E_CODE]: text`), but no name with a level (`app [INFO]: text`). */
const CODED =
  /^(?:Uncaught |<ref \*\d+> |\[)*[\w$.\x80-\xff]+ \[(?!(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|LOG)\])[A-Z][A-Z\d_]+\](?::|\]?\s*$)/

const node: Trace = {
  probe: /Error|Exception/,
  rules: [
    ['start_state', PLACE, 'place'],
    ['start_state', /^\(node:\d+\) \S/, 'head'],
    ['start_state', /(?:^|[\s([])[\w$.\x80-\xff]*(?:Error|Exception)(?: \[\w+\])?(?:\]?:|\]?\s*$)/, 'head'],
    ['start_state', CODED, 'head'],
    ['place', /^[\t ]*\^+\s*$/, 'caret'],
    ['caret', /^\s*$/, 'caret'],
    ['caret', PLACE, 'place'],
    ['caret', /^(?:Uncaught )?\S/, 'head'],
    ['head, frame', /^[\t ]+(?:at \S.*|\.\.\. \d+ lines .*) \{$/, 'fields'],
    ['head, frame', /^[\t ]+(?:at \S|\.\.\. \d+ lines matching )/, 'frame'],
    ['head', /^[\]}]$/, 'after'],
    ['fields', /^[\t ]+\S/, 'fields'],
    ['fields', /^[\]}]/, 'after'],
    ['frame, after', /^(?:From previous event|Thrown at):$/, 'frame'],
    ['head, frame, after', /^\(Use `node .*/, 'after'],
    ['head, frame, after', /^Node\.js v\d/, 'end'],
  ],
  held: { place: 'frames', head: 'frames', frame: 'blank', after: 'blank' },
}

const dotnet: Trace = {
  probe: /Exception|Error/,
  rules: [
    ['start_state', HEAD, 'head'],
    ['start_state', /^Unhandled [Ee]xception[.:]/, 'head'],
    ['start_state', /^(?:fail|crit): \S+\[-?\d+\]$/, 'head'],
    ['head, frame', /^[\t ]+at \S.*\(/, 'frame'],
    ['head, frame', /^[\t ]*-{3}> /, 'head'],
    ['head, frame', /^[\t ]*-{3} End of .*-{3}\s*$/, 'frame'],
    ['head', /^[\t ]+(?:\w+\.)+\w*Exception(?: \([^)]*\))?: /, 'head'],
    // Details that database drivers append.
    ['frame', /^ {2}Exception data:$/, 'data'],
    ['frame', /^(?:ClientConnectionId|Error Number|Routing Destination)\b.*:/, 'frame'],
    ['data', /^ {4}\S/, 'data'],
    ['data', /^[\t ]+(?:at \S.*\(|-{3} End of .*-{3}\s*$)/, 'frame'],
  ],
  held: { head: 'frames', frame: 'blank' },
}

const php: Trace = {
  probe: /PHP |Uncaught|Exception|Error/,
  rules: [
    ['start_state', /PHP (?:Fatal error|Parse error|Warning|Notice|Deprecated): /, 'head'],
    ['start_state', /(?:[Ff]atal|Parse) error: +Uncaught /, 'head'],
    ['start_state', /^(?:\w+\\)+\w+: /, 'head'],
    ['start_state', /(?:^|[\s("'\\])\w*(?:Exception|Error)(?:[:(]| in \/|\s*$)/, 'head'],
    ['head', /^(?:\[[^\]]*\] )?(?:PHP )?Stack trace:$|^\[stacktrace\]$/, 'trace'],
    ['trace, frame', /^(?:\[[^\]]*\] )?(?:#\d+ |PHP +\d+\. )/, 'frame'],
    ['frame', /^ {2}thrown in /, 'end'],
    ['frame', /^(?:Next \S|\[previous exception\] )/, 'head'],
    ['frame', /^"\}/, 'end'],
  ],
  held: { head: 'frames', frame: 'blank' },
}

const rust: Trace = {
  probe: /panicked/,
  rules: [
    ['start_state', /(?:^|\s)thread '[^']{0,99}' (?:\(\d+\) )?panicked at \S.{0,300}:\d+:\d+:$/, 'panic'],
    [
      'start_state',
      /(?:^|\s)thread '[^']{0,99}' (?:\(\d+\) )?panicked at '.{0,300}', \S{1,300}:\d+:\d+$/,
      'message',
    ],
    ['start_state', /(?:^|\s)thread '[^']{0,99}' (?:\(\d+\) )?panicked at '/, 'quoted'],
    ['start_state', /^thread '[^']{0,99}' (?:\(\d+\) )?has overflowed its stack$/, 'abort'],
    ['start_state', /^Error: \S/, 'error'],
    ['panic', /^/, 'message'],
    ['quoted', /', \S+:\d+:\d+$/, 'message'],
    ['message, frame, cause', /^[Ss]tack backtrace:$/, 'frame'],
    ['frame', /^ +(?:\d+: |at |\[\.\.\. omitted )/, 'frame'],
    ['message, frame', /^note: (?:run with |Some details are omitted)/, 'end'],
    ['message, frame', /^thread (?:caused non-unwinding panic|panicked while)/, 'end'],
    ['abort', /^fatal runtime error: /, 'end'],
    ['error, cause', /^(?:Caused by|Location):$/, 'cause'],
    ['error', /^Stack backtrace:$/, 'frame'],
    ['cause', /^ {4,}\S/, 'cause'],
  ],
  held: { message: 'message', quoted: 'frames', abort: 'blank', error: 'frames', cause: 'blank' },
}

const dart: Trace = {
  probe: /[Ee]xception|Error/,
  rules: [
    ['start_state', /^Unhandled exception:$/, 'unhandled'],
    ['start_state', /Unhandled [Ee]xception: /, 'head'],
    ['start_state', HEAD, 'head'],
    ['unhandled', /^/, 'head'],
    // The Android log has a prefix before each line.
    ['head, frame', /^(?:[A-Z]\/\w+ *\( *\d+\): )?#\d+ {2,}\S/, 'frame'],
    ['frame', /^(?:[A-Z]\/.*: )?(?:<asynchronous suspension>|\.\.\.|={3,} asynchronous gap =*)$/, 'frame'],
  ],
  held: { head: 'frames' },
}

/**
 * Rules for the stack traces of runtimes, by name. A trace begins with the line that names the error,
 * wherever the name is in it, so that the log line that reports the error is the first line of the record.
 *
 * The lines of files are given to RegExp here, which is ten times as fast as our matcher on lines without a trace:
 * the expressions are constant, and test/lib/multiline/linear.test.ts shows that each takes linear time. Any
 * expression of a configuration goes through lib/regex.
 */
export const TRACES: Readonly<Record<string, Trace>> = {
  java,
  python,
  go,
  ruby,
  node,
  dotnet,
  php,
  rust,
  dart,
}
