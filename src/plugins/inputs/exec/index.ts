import { ShipperError } from '../../../core/error.ts'
import { truncate } from '../../../core/escape-controls.ts'
import { commandText } from '../../../core/mask-secrets.ts'
import { defineInput } from '../../../core/plugin.ts'
import { intervalMs } from '../../../lib/plugin/interval-input.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { ExecInput, readSample } from './exec.ts'
import { OPTIONS } from './options.ts'

const MAX_SHOWN_CHARS = 100

export const spec = defineInput({
  kind: 'input',
  name: 'exec',
  summary: 'Runs a command and reads its output.',
  description:
    'Each line of the standard output becomes a record `{"exec": "LINE"}`, or that of the Parser. While a run goes on, no other ' +
    'is started. A run is over when the command has ended and its standard output is closed: also what it has started in the ' +
    'background keeps that open, unless its output goes elsewhere. ' +
    'The command runs with the rights and the environment of the agent, in a process group of its own; when ' +
    'Time_Limit has passed, or the agent stops, the group gets SIGTERM and after 300 ms SIGKILL. A process that has left the group ' +
    '(`setsid`, a daemon) goes on, and so does a command when the agent is ended by SIGKILL: it is ended by systemd with the unit, or by its next write. Output that the agent has no ' +
    'memory for stays in the pipe, and the command waits. The first 20 lines of a run on stderr are in the log, and the exit ' +
    'status if it is not 0. The sandbox and the limits of the systemd unit hold for the command, too. The output is read once: lines that are in memory when the agent crashes are lost. A program that ' +
    'never ends, such as `kubectl logs -f`, is run with Oneshot.',
  options: OPTIONS,
  counters: {
    ...regexCounter('parser'),
    runs: 'runs of the command',
    failed_runs: {
      help: 'runs that failed',
      reasons: {
        status: 'the exit status was not 0, a signal ended it, or it could not be started',
        time_limit: 'Time_Limit ended it',
      },
    },
    skipped_runs: 'runs that were left out because another one went on',
    split_lines: 'parts of lines that were longer than Buf_Size',
    lost_bytes: 'bytes of output that were lost at a stop',
    parse_failed: 'lines that could not be parsed, kept unchanged under `exec`',
    time_failed: 'records whose time could not be read; they have the time of reading',
  },
  example:
    '[INPUT]\n    Name         exec\n    Tag          df\n    Command      df --output=target,pcent /\n    Interval_Sec 60\n    Time_Limit   10s\n',
  preview: async (options) => {
    const command = truncate(commandText(options.command), MAX_SHOWN_CHARS)
    const isOnce = options.oneshot || options.exitAfterOneshot
    const seconds = intervalMs(options) / 1000
    const source = `runs ${command} ${isOnce ? 'once' : `every ${seconds} s`}`
    return { source, sources: [], more: 0, tags: [], notes: [] }
  },
  readSample,
  create(options, ctx) {
    if (options.propagateExitCode && !options.exitAfterOneshot)
      throw new ShipperError(
        'E_CONFIG_BAD_VALUE',
        'without Exit_After_Oneshot there is no exit to propagate to',
        {
          option: 'propagate_exit_code',
          hint: 'set Exit_After_Oneshot on, or leave Propagate_Exit_Code out',
        },
      )
    return new ExecInput(options, ctx)
  },
})
