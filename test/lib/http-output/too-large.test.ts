import { expect, test } from 'bun:test'
import { LinesApi, outputOf } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { ScriptedServer } from '../../support/http-output/scripted-server.ts'

/** The page of nginx for a body that is larger than client_max_body_size. */
const PAGE =
  '<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n'

test.each([1, 40])(
  'with 413 of a proxy to each request of %d records, the hint names its limit and that of a record here',
  async (count) => {
    const server = new ScriptedServer(() => ({ status: 413, body: PAGE }))
    const b = new OutputBench((ctx) => outputOf(server, new LinesApi(), ctx))
    b.push(Array.from({ length: count }, (_, n) => ({ n })))
    await b.turns(400)
    const at = b.logged.lines.findIndex((line) => line.includes('413'))
    expect(b.logged.lines[at]).toContain('413, an HTML page with the title "413 Request Entity Too Large"')
    const hint = String(b.logged.fields[at]?.hint)
    expect(hint).toContain('client_max_body_size')
    expect(hint).toContain('Buffer_Max_Size')
    expect(b.rejected).toEqual([])
  },
)
