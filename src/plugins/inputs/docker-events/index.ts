import { defineInput } from '../../../core/plugin.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { useDropIn } from '../../../lib/text/drop-in.ts'
import { DockerEventsInput } from './docker-events.ts'
import { DOCKER_EVENTS_OPTIONS } from './options.ts'
import { previewEvents } from './preview.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'docker_events',
  summary: 'Reads the events of a Docker daemon.',
  description: `Events are read from \`GET /events\` of the daemon's unix socket, also that of Podman's Docker API. Each is a record with
the event as JSON text under Key, or with the fields of Parser. Its time is that of the event (\`timeNano\`), unless Parser
reads another one. fluent-bit's record has the time of reading, a line end after the text, and sometimes several events.

After a reconnect, and with DB after a restart of the agent, the daemon is asked for the events since the last one that was read or
acknowledged. Those that are known already are left out, so that an event is a record once. Docker keeps
its last 256 events, in memory: what was before them, or before a restart of Docker, is lost; the
counter \`gaps\` and a warning say when that may be so. An event whose time is ahead of the clock does not move the position beyond
the clock, and after the clock was set back Docker is asked from an earlier time. Where that happened while the agent was stopped, it is
noticed only if the position is ahead of the clock at the start: then from the start of the machine on. While the memory limit is reached the connection is not read, and Docker
drops the events of a reader that is too slow: use \`storage.type filesystem\` where an output may be away for long.

The user of the agent must be allowed to use the socket, usually by the group \`docker\`, whose members can become root on this machine:
${useDropIn('docker-events')}. Under a user namespace or in a container,
give it the number of the group. No redirect is followed.`,
  options: DOCKER_EVENTS_OPTIONS,
  example: '[INPUT]\n    Name   docker_events\n    Tag    docker\n    DB     /var/lib/shipper/docker.db\n',
  counters: {
    ...regexCounter('parser'),
    connections: 'connections that the daemon has answered with its events',
    disconnects: 'connections and attempts that have ended',
    duplicates: 'events that the daemon has sent again and that were left out',
    gaps: 'connections before which events may be missing',
    events_oversize: 'events larger than 1 MB, left out',
    parse_failed: 'events that could not be parsed, kept unchanged under Key',
    time_failed: 'records whose time could not be read by Parser; they have the time of the event',
  },
  statePath: ({ db }) => db,
  places: 'agent, tag, socket, time and text of the event',
  preview: previewEvents,
  create: (options, ctx) => new DockerEventsInput(options, ctx),
})
