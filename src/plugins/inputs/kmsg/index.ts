import { defineInput } from '../../../core/plugin.ts'
import { useDropIn } from '../../../lib/text/drop-in.ts'
import { KernelLog } from './device.ts'
import { KmsgInput } from './kmsg.ts'
import { MACHINE } from './machine.ts'
import { KMSG_OPTIONS } from './options.ts'
import { previewKmsg } from './preview.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'kmsg',
  summary: 'Reads the messages of the kernel.',
  description:
    'A record has `priority` (0 to 7), `sequence`, `sec` and `usec` since the start of the machine, and `msg`, as fluent-bit has ' +
    'them; lines that describe the device are part of `msg`. The time of a record is that of the message. The kernel stamps ' +
    'them with a clock that stands still while the machine is suspended: a message that comes while the agent runs has the right time ' +
    'all the same, one from before its start may be too early by the time of a suspension. Each start reads all messages that the kernel has kept, as in fluent-bit: after a restart of the agent they come again, with the ' +
    'same `sequence`. With DB it continues after the last acknowledged message of this boot. The kernel overwrites its oldest messages; the numbers tell how many were lost, also while the agent was stopped if there is a DB, and they are counted and ' +
    `logged. Reading needs CAP_SYSLOG on most systems: ${useDropIn('kmsg')}. ` +
    'The input `systemd` reads the same messages from the journal, without a capability.',
  options: KMSG_OPTIONS,
  counters: { lost_messages: 'messages that the kernel has overwritten before they were read' },
  example:
    '[INPUT]\n    Name       kmsg\n    Tag        kernel\n    Prio_Level 5\n    DB         /var/lib/shipper/kmsg.db\n',
  statePath: ({ db }) => db,
  rereads: true,
  places: 'agent, tag, boot of the machine, number and text of the message',
  preview: previewKmsg,
  create: (options, ctx) => new KmsgInput(options, ctx, new KernelLog(), MACHINE),
})
