import { defineOptions } from '../../core/options/option.ts'
import { TLS_CLIENT_OPTIONS } from '../net/tls-client.ts'
import { addressOptions, BASIC_AUTH_OPTIONS } from './options.ts'

/** Options that a node of an upstream may have of its own where all nodes get the same requests. */
export const NODE_OPTIONS = defineOptions({
  ...addressOptions('127.0.0.1', '80'),
  ...TLS_CLIENT_OPTIONS,
  ...BASIC_AUTH_OPTIONS,
})

/** Returns the option of an output that has several servers. `own`: what a node may have of its own. */
export function upstreamOptions(own: string) {
  return defineOptions({
    upstream: {
      type: 'string',
      // The nodes, with their passwords.
      secret: true,
      help: `File with one [UPSTREAM] and a [NODE] with Name, Host and Port for each of several servers, which get the requests in turn. ${own} One that cannot be reached, answers what no server of this API answers when it works (401, 404, 500, a page), or refuses requests that another one then takes (400, 413), is left out until a request to it succeeds: one is tried after 1 s, later after up to 60 s. What a node has not taken for sure goes to the next one at once, and what has no answer at the next attempt, with the same ids. A record is refused for good only by a node that takes others.`,
    },
  })
}
