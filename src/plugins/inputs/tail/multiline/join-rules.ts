import { ShipperError } from '../../../../core/error.ts'
import type { Parser } from '../../../../core/parser.ts'
import type { InputContext } from '../../../../core/plugin.ts'
import { isContainerFormat, traceStateMachine } from '../../../../lib/multiline/builtin-rules.ts'
import { FirstLineStateMachine, FirstTextStateMachine } from '../../../../lib/multiline/first-line.ts'
import { makeStateMachine, type StateMachine } from '../../../../lib/multiline/state-machine.ts'
import { CriParser } from '../../../../lib/parsing/cri-parser.ts'
import { JsonParser } from '../../../../lib/parsing/json-parser.ts'
import type { TailOptions } from '../options.ts'

/** What joins lines: parts of a line that a container runtime split, or lines that belong together. */
export interface JoinRule {
  name: string
  /** Reads each line first; a line that it does not fit is not for this joiner. Undefined: the line is the text. */
  parser: Parser | undefined
  /** Keys of the text that is joined (undefined: the last value), and of the value that keeps streams apart. */
  content: Buffer | undefined
  group: Buffer | undefined
  /** Of the value that is matched, when that is not the text. */
  pattern: Buffer | undefined
  /** Undefined for a container: its lines are parts when `isPart` says so. */
  machine: StateMachine | undefined
  /** The machine looks at the line as it stands in the file, not at its text. */
  ofLine: boolean
  isPart: ((buf: Buffer, start: number, end: number) => boolean) | undefined
  /** A group that has not grown for so long is sent as it is. */
  flushMs: number
}

/** fluent-bit's, for the parts of its containers and the traces of its languages. */
const FLUSH_MS = 4000
const CONTAINER_FOLDERS = ['/var/log/containers/', '/var/log/pods/']
const CONTAINER_FORMS = ['docker', 'cri']
/** Docker's own form; its zone is always named. */
const DOCKER_TIME = {
  timeKey: 'time',
  timeFormat: '%Y-%m-%dT%H:%M:%S.%L',
  timeKeep: true,
  timeStrict: true,
  timeOffset: undefined,
  timeZone: undefined,
  timeSystemTimezone: false,
}

/**
 * The joiners of the options, none when lines are not joined. `multiline.parser` wins over the older ways and Parser, as in
 * fluent-bit. Logs of containers for which nothing is named are read as what they are. Throws E_CONFIG_BAD_VALUE.
 */
export function joinRulesOf(o: TailOptions, ctx: InputContext): JoinRule[] {
  const names = o.multilineParser.flat()
  if (names.length > 0) {
    warnOfOthers(o, ctx)
    return makeJoinRules(names, o.key, ctx)
  }
  if (o.multiline && o.dockerMode) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', '"docker_mode" and "multiline" exclude each other', {
      option: 'docker_mode',
      hint: 'multiline.parser does what both do',
    })
  }
  if (o.multiline) return [firstLine(o, ctx)]
  if (o.dockerMode) return dockerMode(o, ctx)
  return o.parser === undefined && o.path.flat().every(isOfContainers)
    ? makeJoinRules(CONTAINER_FORMS, o.key, ctx)
    : []
}

/** The folders in which the kubelet has the logs of containers: nothing else is there. */
function isOfContainers(path: string): boolean {
  return CONTAINER_FOLDERS.some((folder) => path.startsWith(folder))
}

function warnOfOthers(o: TailOptions, ctx: InputContext): void {
  const given = { multiline: o.multiline, docker_mode: o.dockerMode, parser: o.parser !== undefined }
  const hint = 'a [MULTILINE_PARSER] can name a parser'
  for (const [name, isGiven] of Object.entries(given)) {
    if (isGiven) ctx.log.warn(`"${name}" has no effect: "multiline.parser" reads the lines`, { hint })
  }
}

function firstLine(o: TailOptions, ctx: InputContext): JoinRule {
  const { parserFirstline: name, multilineFlush: flushMs } = o
  if (name === undefined) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', '"multiline" needs "parser_firstline"', {
      option: 'multiline',
      hint: 'name the [PARSER] that fits the first line of a record',
    })
  }
  if (o.parser !== undefined) ctx.log.warn('"parser" has no effect: "parser_firstline" reads the lines')
  const machine = new FirstLineStateMachine()
  return { ...PLAIN, name, parser: ctx.parser(name), content: undefined, machine, flushMs }
}

/** As `multiline.parser docker`, but that its lines are read by Parser; traces by the parser of their first line, JSON as it is. */
function dockerMode(o: TailOptions, ctx: InputContext): JoinRule[] {
  const docker = container('docker', ctx)
  const lines: JoinRule = {
    ...docker,
    parser: o.parser === undefined ? docker.parser : ctx.parser(o.parser),
    flushMs: o.dockerModeFlush,
  }
  if (o.dockerModeParser === undefined) return [lines]
  const machine = new FirstTextStateMachine(ctx.parser(o.dockerModeParser))
  return [
    lines,
    {
      ...PLAIN,
      name: 'docker_mode',
      content: docker.content,
      machine,
      ofLine: true,
      flushMs: o.dockerModeFlush,
    },
  ]
}

/** The joiners of `multiline.parser`, in the order of the option. Throws E_CONFIG_BAD_VALUE for a name that is none. */
function makeJoinRules(names: readonly string[], lineKey: string, ctx: InputContext): JoinRule[] {
  return names.map((name) => {
    if (isContainerFormat(name)) return container(name, ctx)
    const machine = traceStateMachine(name)
    if (machine !== undefined) return { ...PLAIN, name, content: Buffer.from(lineKey), machine }
    const options = ctx.multiline(name)
    if (options === undefined) {
      throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no multiline parser "${name}"`, {
        hint: 'write a [MULTILINE_PARSER] section of this name',
      })
    }
    return {
      name,
      parser: options.parser === undefined ? undefined : ctx.parser(options.parser),
      content: Buffer.from(options.keyContent ?? lineKey),
      group: keyOf(options.keyGroup),
      pattern: keyOf(options.keyPattern),
      machine: makeStateMachine(name, options),
      ofLine: false,
      isPart: undefined,
      flushMs: options.flushTimeout,
    }
  })
}

const PLAIN = {
  parser: undefined,
  group: undefined,
  pattern: undefined,
  ofLine: false,
  isPart: undefined,
  flushMs: FLUSH_MS,
}

function container(name: string, ctx: InputContext): JoinRule {
  const { log, clock } = ctx
  const common = {
    ...PLAIN,
    name,
    content: Buffer.from('log'),
    group: Buffer.from('stream'),
    machine: undefined,
  }
  return name === 'cri'
    ? {
        ...common,
        parser: new CriParser(true, { tag: '_p', text: 'log' }),
        pattern: Buffer.from('_p'),
        isPart: (buf, start, end) => end - start === 1 && buf[start] === 0x50,
      }
    : {
        ...common,
        parser: new JsonParser(DOCKER_TIME, { name, log, clock }),
        isPart: (buf, start, end) => end === start || buf[end - 1] !== 0x0a,
      }
}

function keyOf(key: string | undefined): Buffer | undefined {
  return key === undefined ? undefined : Buffer.from(key)
}
