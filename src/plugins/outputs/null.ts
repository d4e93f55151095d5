import { defineOutput } from '../../core/plugin.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'null',
  summary: 'Discards records and counts them as delivered.',
  description: 'For measuring inputs, parsers and filters without a peer.',
  options: {},
  example: '[OUTPUT]\n    Name  null\n    Match *\n',
  inFlight: 8,
  create: () => ({ flush: async () => {}, close: async () => {} }),
})
