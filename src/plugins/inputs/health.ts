import { connect } from 'node:net'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import type { Clock } from '../../core/services.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  host: { type: 'string', default: '127.0.0.1', help: 'Host name or address to connect to.' },
  port: { type: 'int', required: true, min: 1, max: 65535, help: 'TCP port to connect to.' },
  ...INTERVAL_OPTIONS,
  alert: { type: 'bool', default: 'false', help: 'Only make a record when the port does not answer.' },
  add_host: { type: 'bool', default: 'false', help: 'Add the host as `hostname`.' },
  add_port: { type: 'bool', default: 'false', help: 'Add the port as `port`.' },
})

const CONNECT_MS = 5000

/** Whether the port takes a connection within CONNECT_MS; false at once when the signal comes. */
function answers(host: string, port: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const done = (alive: boolean) => {
      clock.cancel(timer)
      signal.removeEventListener('abort', stop)
      socket.destroy()
      resolve(alive)
    }
    const stop = () => done(false)
    const timer = clock.after(CONNECT_MS, stop)
    signal.addEventListener('abort', stop)
    socket.once('connect', () => done(true))
    socket.on('error', stop)
  })
}

export const spec = defineInput({
  kind: 'input',
  name: 'health',
  summary: 'Whether a TCP port takes connections.',
  description:
    'Makes `{"alive": true}` or `{"alive": false}` at each interval. As an address: `health://127.0.0.1:8080`.',
  options: OPTIONS,
  example: '[INPUT]\n    Name health\n    Host 127.0.0.1\n    Port 8080\n',
  create: (options, ctx) =>
    new IntervalInput(ctx, intervalMs(options), async (signal) => {
      const alive = await answers(options.host, options.port, ctx.clock, signal)
      if (alive && options.alert) return undefined
      const record = new RecordBuilder().bool('alive', alive)
      if (options.addHost) record.text('hostname', options.host)
      if (options.addPort) record.integer('port', options.port)
      return record.bytes()
    }),
})
