import { expect, test } from 'bun:test'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputSpec } from '../../../src/core/plugin.ts'
import { registry } from '../../../src/registry.ts'
import { useAwsEnvironment } from '../../support/aws/environment.ts'
import { always, RawServer, responseOf } from '../../support/http/raw-server.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { BAD_INPUT } from '../../support/stores/bad-input.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const PAGE = '<!DOCTYPE html><html><head><title>Corporate proxy</title></head><body>log in</body></html>'

useAwsEnvironment()

async function logOf(name: string, status: number): Promise<string> {
  const { options: own, address } = BAD_INPUT[name] as (typeof BAD_INPUT)[string]
  const server = await RawServer.start(always(responseOf(status, PAGE, 'Content-Type: text/html\r\n')))
  atEnd(() => server.close())
  const url = `http://127.0.0.1:${server.port}`
  const spec = (await registry.find('output', name)) as unknown as OutputSpec
  const given = {
    ...own,
    ...(address?.(url) ?? { host: '127.0.0.1', port: String(server.port), tls: 'off' }),
  }
  const options = parseOptions(spec.options as OptionTable, given as Record<string, string>)
  const b = new OutputBench((ctx) => spec.create(options as never, ctx))
  await b.output.start?.()
  b.push([{ n: 1 }, { n: 2 }])
  await until(async () => {
    await b.turns(5)
    return b.logged.lines.some((line) => line.startsWith('warn'))
  })
  b.stop.abort()
  await b.output.close()
  return b.logged.lines.join('\n')
}

// The output http takes a page for an answer, and s3 has no flush that waits for one.
const NAMES = Object.keys(BAD_INPUT).filter((name) => name !== 'http' && name !== 's3')

test.each(NAMES)(
  '%s: who answers with an HTML page is not called unreachable, and the page is named',
  async (name) => {
    for (const status of [200, 403, 502]) {
      const log = await logOf(name, status)
      // Of a log stream of CloudWatch only its own chunks wait.
      expect(log).toMatch(/output is not accepting records|retrying chunk/)
      expect(log).not.toContain('unreachable')
      expect(log).toMatch(/an HTML (?:or XML )?page/)
    }
    const log = await logOf(name, 400)
    expect(log).not.toContain('unreachable')
    expect(log).toContain('400, an HTML page with the title "Corporate proxy"')
  },
)
