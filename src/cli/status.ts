import { messageOf, ShipperError, systemCode } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import { HttpClient } from '../lib/http/client.ts'
import { HttpError } from '../lib/http/http-error.ts'
import { bodyText } from '../lib/http/text.ts'

interface AgentStatus {
  text: string
  isHealthy: boolean
}

const LIMIT_MS = 10_000
/** Maximum size of an answer; the text lists at most 200 files per input. */
const MAX_BYTES = 4_000_000
const SLASHES = /\/+$/

/** Asks the HTTP server of a running agent for its state. What answers there may be any program: its text is escaped. */
export async function agentStatus(url: string): Promise<AgentStatus> {
  const base = url.replace(SLASHES, '')
  const snapshot = await get(base, '/api/v1/snapshot?format=text')
  if (snapshot.status !== 200) {
    throw new ShipperError('E_PEER_PROTOCOL', `${base} answered with status ${snapshot.status}`, {
      hint: 'is another program listening there, or an older shipper?',
    })
  }
  const health = await get(base, '/api/v1/health')
  const text = `${snapshot.text}health  ${health.text}`
  return {
    text: `${text.trimEnd().split('\n').map(escapeControls).join('\n')}\n`,
    isHealthy: health.status === 200,
  }
}

async function get(base: string, path: string): Promise<{ status: number; text: string }> {
  const url = parsed(base)
  // Not fetch, which would ask a proxy of the environment.
  const client = new HttpClient({ origin: url.origin })
  const signal = AbortSignal.timeout(LIMIT_MS)
  try {
    const answer = await client.send({
      path: `${url.pathname.replace(SLASHES, '')}${path}`,
      headers: { Accept: 'text/plain' },
      signal,
      ...{
        headTimeoutMs: LIMIT_MS,
        bodyTimeoutMs: LIMIT_MS,
        totalTimeoutMs: LIMIT_MS,
        maxBodyBytes: MAX_BYTES,
      },
    })
    return { status: answer.status, text: await bodyText(answer) }
  } catch (error) {
    throw new ShipperError('E_PEER_UNREACHABLE', `no agent answers at ${base}: ${failureOf(error)}`, {
      hint: 'the agent needs HTTP_Server on (or -H); -c, -P and --url name another address',
      cause: error,
    })
  } finally {
    await client.close()
  }
}

/** Returns the code of the system, if it has failed, or the reason in words. */
function failureOf(error: unknown): string {
  let cause = error
  while (cause instanceof ShipperError) cause = cause.cause
  const code = systemCode(cause)
  if (code?.startsWith('E')) return code
  return error instanceof HttpError ? error.reason : messageOf(error)
}

function parsed(base: string): URL {
  const url = URL.canParse(base) ? new URL(base) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new ShipperError('E_CLI_USAGE', `--url needs an address such as http://127.0.0.1:2020, not "${base}"`)
}
