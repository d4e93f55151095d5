import { connect } from 'node:net'
import { checkHost } from '../../core/options/checks.ts'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import type { Clock } from '../../core/services.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  host: {
    type: 'string',
    default: '127.0.0.1',
    check: checkHost,
    help: 'Host name or address to connect to.',
  },
  port: { type: 'int', required: true, min: 1, max: 65535, help: 'TCP port to connect to.' },
  ...INTERVAL_OPTIONS,
  alert: {
    type: 'bool',
    default: 'false',
    help: 'Create a record only when the port does not accept connections.',
  },
  add_host: { type: 'bool', default: 'false', help: 'Add the host as `hostname`.' },
  add_port: { type: 'bool', default: 'false', help: 'Add the port as `port`.' },
})

const CONNECT_TIMEOUT_MS = 5000

/** Resolves with true when the port accepts a connection within CONNECT_TIMEOUT_MS; with false immediately on `signal`. */
function acceptsConnection(host: string, port: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const finish = (alive: boolean) => {
      clock.cancel(timer)
      signal.removeEventListener('abort', fail)
      socket.destroy()
      resolve(alive)
    }
    const fail = () => finish(false)
    const timer = clock.after(CONNECT_TIMEOUT_MS, fail)
    signal.addEventListener('abort', fail)
    socket.once('connect', () => finish(true))
    socket.on('error', fail)
  })
}

export const spec = defineInput({
  kind: 'input',
  name: 'health',
  summary: 'Checks whether a TCP port accepts connections.',
  description:
    'Creates `{"alive": true}` or `{"alive": false}` at each interval. Short form: `health://127.0.0.1:8080`.',
  options: OPTIONS,
  example: '[INPUT]\n    Name health\n    Host 127.0.0.1\n    Port 8080\n',
  create: (options, ctx) =>
    new IntervalInput(ctx, intervalMs(options), async (signal) => {
      const alive = await acceptsConnection(options.host, options.port, ctx.clock, signal)
      if (alive && options.alert) return undefined
      const record = new RecordBuilder().bool('alive', alive)
      if (options.addHost) record.text('hostname', options.host)
      if (options.addPort) record.integer('port', options.port)
      return record.bytes()
    }),
})
