import { createHash, randomUUID } from 'node:crypto'

/**
 * A channel of the collector, within which acknowledgement ids count up from 0. They restart from 0 when
 * the indexer is restarted, and on another indexer behind a load balancer.
 */
export class Channel {
  readonly guid: string
  /** Highest id that was returned. */
  highestId = -1
  /** Time of the last answer of the collector about it. */
  usedMs = Number.POSITIVE_INFINITY

  constructor(guid: string = randomUUID()) {
    this.guid = guid
  }

  /** Returns the channel of an output of this agent, which survives restarts. */
  static of(agentId: string, output: string): Channel {
    const hash = createHash('sha256')
      .update(JSON.stringify([agentId, output]))
      .digest('hex')
    const parts = /^(.{8})(.{4}).(.{3}).(.{3})(.{12})/.exec(hash) as RegExpExecArray
    const [, first, second, third, fourth, fifth] = parts
    // The digits that mark a name-based UUID: some servers check them.
    return new Channel(`${first}-${second}-8${third}-a${fourth}-${fifth}`)
  }
}
