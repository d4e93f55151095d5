import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { DATABASE_OPTIONS } from '../../../lib/plugin/database-options.ts'

/** Options with fluent-bit's names and defaults; DB and DB.* are ours. */
export const DOCKER_EVENTS_OPTIONS = defineOptions({
  unix_path: {
    type: 'string',
    default: '/var/run/docker.sock',
    help: 'Unix socket of the Docker daemon.',
  },
  buffer_size: {
    type: 'size',
    default: '8k',
    help: 'Size of the buffer for an event that arrives in pieces.',
    ignored: 'the buffer is as large as the event, up to 1 MB',
  },
  parser: {
    type: 'string',
    help: 'Name of the parser for the events, e.g. one with Format json. An event that it does not match is kept unchanged under Key.',
  },
  key: { type: 'string', default: 'message', help: 'Name of the field for an event that is not parsed.' },
  'reconnect.retry_limits': {
    type: 'int',
    default: '5',
    min: 0,
    help: 'Number of failed attempts after which an error is logged, and the next attempts follow every 30 s. fluent-bit stops reading events then.',
  },
  'reconnect.retry_interval': {
    type: 'int',
    default: '1',
    min: 1,
    max: 3600,
    help: 'Seconds between two attempts to connect.',
  },
  db: {
    type: 'string',
    help: 'SQLite file for the position, so that a restart of the agent asks for the events that followed the last acknowledged one. It may be shared with other inputs. Without it, only events after the start are read.',
  },
  ...DATABASE_OPTIONS,
})

export type DockerEventsOptions = OptionsOf<typeof DOCKER_EVENTS_OPTIONS>
