import { ShipperError } from '../../../../core/error.ts'
import type { Parser } from '../../../../core/parser.ts'
import type { InputContext, RegexUse } from '../../../../core/plugin.ts'
import { isContainerFormat, traceStateMachine } from '../../../../lib/multiline/builtin-rules.ts'
import { FirstLineStateMachine, FirstTextStateMachine } from '../../../../lib/multiline/first-line.ts'
import { makeStateMachine, type StateMachine } from '../../../../lib/multiline/state-machine.ts'
import { CriParser } from '../../../../lib/parsing/cri-parser.ts'
import { JsonParser } from '../../../../lib/parsing/json-parser.ts'
import type { TailOptions } from '../options.ts'

/**
 * A rule by which lines are joined: parts of a line that a container runtime split, or lines that belong
 * together.
 */
export interface JoinRule {
  name: string
  /**
   * Parser applied to each line first; a line that it cannot read is not joined by this rule. Undefined: the
   * line is the text.
   */
  parser: Parser | undefined
  /** Keys of the text to join (undefined: the last value), and of the value that separates streams. */
  contentKey: Buffer | undefined
  groupKey: Buffer | undefined
  /** Key of the value to match, when that is not the text. */
  patternKey: Buffer | undefined
  /** Undefined for a container format, whose partial lines `isPartial` detects. */
  machine: StateMachine | undefined
  /** True when texts are joined without a line feed. */
  isSeamless: boolean
  /** True when the machine sees the line as it is in the file, not its text. */
  matchesRawLine: boolean
  isPartial: ((buf: Buffer, start: number, end: number) => boolean) | undefined
  /** Time in milliseconds after which a record that has not grown is sent as it is. */
  flushMs: number
}

/** fluent-bit's value for container formats and language traces. */
const FLUSH_MS = 4000
const CONTAINER_DIRECTORIES = ['/var/log/containers/', '/var/log/pods/']
const CONTAINER_FORMATS = ['docker', 'cri']
/** Time of Docker's JSON lines, which always name their zone. */
const DOCKER_TIME = {
  timeKey: 'time',
  timeFormat: ['%Y-%m-%dT%H:%M:%S.%L'],
  timeKeep: true,
  timeStrict: true,
  timeOffset: undefined,
  timeZone: undefined,
  timeSystemTimezone: false,
}

/** What becomes of a line on which the expression for first lines reached Regex_Step_Limit. */
const JOINED: RegexUse = { reason: 'multiline', effect: 'the line is joined to the record before it' }

/**
 * Returns the rules that the options ask for, none when lines are not joined. `multiline.parser` takes
 * precedence over Multiline, Docker_Mode and Parser, as in fluent-bit. Container logs without any of these
 * are read by both container formats. Throws E_CONFIG_BAD_VALUE.
 */
export function joinRulesOf(options: TailOptions, ctx: InputContext): JoinRule[] {
  const names = options.multilineParser.flat()
  if (names.length > 0) {
    warnUnused(options, ctx)
    return makeJoinRules(names, options.key, ctx)
  }
  if (options.multiline && options.dockerMode) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', '"docker_mode" and "multiline" exclude each other', {
      option: 'docker_mode',
      hint: 'use multiline.parser instead of both',
    })
  }
  if (options.multiline) return [firstLine(options, ctx)]
  if (options.dockerMode) return dockerMode(options, ctx)
  return isForContainers(options) ? makeJoinRules(CONTAINER_FORMATS, options.key, ctx) : []
}

/** Returns the options with what the paths decide about the lines written out, so that it holds for any path. */
export function withJoinRulesOfPaths(options: TailOptions): TailOptions {
  const { multiline, dockerMode, multilineParser } = options
  const isDecidedByPath =
    multilineParser.flat().length === 0 && !multiline && !dockerMode && isForContainers(options)
  return isDecidedByPath ? { ...options, multilineParser: [CONTAINER_FORMATS] } : options
}

function isForContainers({ parser, path }: TailOptions): boolean {
  return parser === undefined && path.flat().every(isContainerLog)
}

/** True for paths in the directories of the kubelet, which hold nothing but container logs. */
function isContainerLog(path: string): boolean {
  return CONTAINER_DIRECTORIES.some((directory) => path.startsWith(directory))
}

function warnUnused(options: TailOptions, ctx: InputContext): void {
  const given = {
    multiline: options.multiline,
    docker_mode: options.dockerMode,
    parser: options.parser !== undefined,
  }
  const hint = 'set Parser in a [MULTILINE_PARSER] instead'
  for (const [name, isGiven] of Object.entries(given)) {
    if (isGiven) ctx.log.warn(`"${name}" has no effect: "multiline.parser" reads the lines`, { hint })
  }
}

function firstLine(options: TailOptions, ctx: InputContext): JoinRule {
  const { parserFirstline: name, multilineFlush: flushMs } = options
  if (name === undefined) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', '"multiline" needs "parser_firstline"', {
      option: 'multiline',
      hint: 'set it to the [PARSER] that matches the first line of a record',
    })
  }
  if (options.parser !== undefined) ctx.log.warn('"parser" has no effect: "parser_firstline" reads the lines')
  const machine = new FirstLineStateMachine()
  return { ...DEFAULTS, name, parser: ctx.parser(name, JOINED), contentKey: undefined, machine, flushMs }
}

/**
 * Returns the rule of `multiline.parser docker`, with lines read by Parser, and with Docker_Mode_Parser a
 * second one for traces: that parser recognizes their first line, matched against the JSON line as it is.
 */
function dockerMode(options: TailOptions, ctx: InputContext): JoinRule[] {
  const docker = containerRule('docker', ctx)
  const lines: JoinRule = {
    ...docker,
    parser: options.parser === undefined ? docker.parser : ctx.parser(options.parser),
    flushMs: options.dockerModeFlush,
  }
  if (options.dockerModeParser === undefined) return [lines]
  const machine = new FirstTextStateMachine(ctx.parser(options.dockerModeParser, JOINED))
  return [
    lines,
    {
      ...DEFAULTS,
      name: 'docker_mode',
      contentKey: docker.contentKey,
      machine,
      matchesRawLine: true,
      flushMs: options.dockerModeFlush,
    },
  ]
}

/**
 * Returns the rules of `multiline.parser`, in the order of the option. Throws E_CONFIG_BAD_VALUE for an
 * unknown name.
 */
function makeJoinRules(names: readonly string[], lineKey: string, ctx: InputContext): JoinRule[] {
  return names.map((name) => {
    if (isContainerFormat(name)) return containerRule(name, ctx)
    const options = ctx.multiline(name)
    const trace = options === undefined ? traceStateMachine(name) : undefined
    if (trace !== undefined) return { ...DEFAULTS, name, contentKey: Buffer.from(lineKey), machine: trace }
    if (options === undefined) {
      throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no multiline parser "${name}"`, {
        hint: 'add a [MULTILINE_PARSER] section with this name',
      })
    }
    return {
      name,
      parser: options.parser === undefined ? undefined : ctx.parser(options.parser),
      contentKey: Buffer.from(options.keyContent ?? lineKey),
      groupKey: keyOf(options.keyGroup),
      patternKey: keyOf(options.keyPattern),
      machine: makeStateMachine(name, options, ctx.regexLimit),
      // As in fluent-bit, the other types with key_content rejoin the parts of a split text.
      isSeamless: options.type !== 'regex' && options.keyContent !== undefined,
      matchesRawLine: false,
      isPartial: undefined,
      flushMs: options.flushTimeout > 0 ? options.flushTimeout : FLUSH_MS,
    }
  })
}

const DEFAULTS = {
  parser: undefined,
  groupKey: undefined,
  patternKey: undefined,
  isSeamless: false,
  matchesRawLine: false,
  isPartial: undefined,
  flushMs: FLUSH_MS,
}

function containerRule(name: string, ctx: InputContext): JoinRule {
  const { log, clock } = ctx
  const common = {
    ...DEFAULTS,
    name,
    contentKey: Buffer.from('log'),
    groupKey: Buffer.from('stream'),
    machine: undefined,
  }
  return name.toLowerCase() === 'cri'
    ? {
        ...common,
        parser: new CriParser(true, { tag: '_p', text: 'log' }),
        patternKey: Buffer.from('_p'),
        isPartial: (buf, start, end) => end - start === 1 && buf[start] === 0x50,
      }
    : {
        ...common,
        parser: new JsonParser(DOCKER_TIME, { name, log, clock }),
        isPartial: (buf, start, end) => end === start || buf[end - 1] !== 0x0a,
      }
}

function keyOf(key: string | undefined): Buffer | undefined {
  return key === undefined ? undefined : Buffer.from(key)
}
