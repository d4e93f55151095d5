import { expect, test } from 'bun:test'
import { decodeBatch } from '../support/kafka/decode.ts'
import { kafkaPeer } from '../support/kafka/peer.ts'
import { start } from '../support/process.ts'
import { until } from '../support/until.ts'

/** Returns the header `agent` of a record that an agent with this environment sends. */
async function agentOf(env: Record<string, string>): Promise<string> {
  const peer = await kafkaPeer()
  const kafka = ['-p', `brokers=127.0.0.1:${peer.port}`, '-p', 'topics=logs', '-p', 'position_headers=on']
  const agent = start(['-i', 'dummy', '-o', 'kafka', ...kafka, '-f', '0.1'], { env })
  await until(() => peer.written().length > 0, { what: () => agent.stderr })
  await agent.stop()
  const { records } = await decodeBatch(peer.written()[0]?.bytes as Buffer)
  return String(records[0]?.headers.agent)
}

test('the agent id stays the same over a restart, and in a pod it is derived from the node', async () => {
  const [first, again, pod, podAgain, other] = [
    await agentOf({ NODE_NAME: '' }),
    await agentOf({ NODE_NAME: '' }),
    await agentOf({ NODE_NAME: 'node-1' }),
    await agentOf({ NODE_NAME: 'node-1' }),
    await agentOf({ NODE_NAME: 'node-2' }),
  ]
  expect(again).toBe(first)
  expect(podAgain).toBe(pod)
  expect(new Set([first, pod, other]).size).toBe(3)
  expect(pod).not.toContain('node')
})
