import { expect, test } from 'bun:test'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openCopy } from '../../../../src/store/open-copy.ts'
import { isAlive } from '../../../support/journal/journal.ts'
import { connected } from '../../../support/ports.ts'
import { InputBench } from '../bench.ts'
import { again, expectHandles, expectNoMemory, handles, includes, specOf, started } from '../running.ts'
import type { InputCase } from '../source.ts'

export function testStop(inputCase: InputCase): void {
  test('with records that wait the run ends soon after the signal, and nothing stays open', async () => {
    const spec = await specOf(inputCase)
    const source = await inputCase.open()
    // What the first use of a part loads stays open in the process.
    const first = await again(spec, source)
    await first.close()
    const before = handles()
    const bench = await again(spec, source, inputCase.full?.limit)
    const { full, noRecords, whenFull } = inputCase
    if (noRecords === undefined && full !== undefined && typeof whenFull !== 'string') {
      const batch = full.batch ?? full.records
      const given = (async () => {
        for (let n = 0; n < full.records; n += batch) await source.give(n, n + batch, bench)
      })()
      if (whenFull.is === 'waits' || whenFull.is === 'makes none') await bench.stands()
      else await given
    }
    const pid = childOf(bench)
    const acknowledged = source.acknowledged?.().length ?? 0
    await bench.stop()
    await bench.close('aborted')
    await bench.pass()
    expect(source.acknowledged?.().length ?? 0).toBe(acknowledged)
    await source.end?.()
    await expectHandles(before)
    expect(bench.clock.waiting).toBe(0)
    await expectNoMemory(bench)
    if (pid !== undefined) expect(isAlive(pid)).toBe(false)
    const { port } = source.texts
    if (spec.listensOn !== undefined && typeof port === 'string')
      expect(await connected(Number(port))).toBe(false)
    expect(bench.counters.undeclared).toEqual([])
  })
}

export function testTaken(inputCase: InputCase): void {
  test('an address that is in use fails the start with E_LISTEN, and leaves nothing open', async () => {
    const { spec, source, bench } = await started(inputCase)
    const before = handles()
    const second = new InputBench(spec, source)
    second.start()
    const error = await second.stop().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'E_LISTEN' })
    expect(String(error)).toContain(String(source.texts.path ?? source.texts.port))
    await second.input.close()
    await expectHandles(before)
    // The first one goes on.
    await source.give(0, 3, bench)
    await bench.has(3)
    await source.end?.()
    await bench.close()
  })
}

function childOf({ input }: InputBench): number | undefined {
  const { pid, journalctl } = (input.status?.() ?? {}) as { pid?: number; journalctl?: number }
  return pid ?? journalctl
}

export function testLook(inputCase: InputCase): void {
  test('status() answers before, during and after the run', async () => {
    const spec = await specOf(inputCase)
    const source = await inputCase.open()
    const bench = new InputBench(spec, source)
    const look = (): unknown => JSON.stringify(bench.input.status?.() ?? {})
    look()
    bench.start()
    look()
    await source.ready?.(bench)
    look()
    await bench.close()
    look()
  })
  test('a run whose signal was given before it ends at once, and leaves nothing open', async () => {
    const spec = await specOf(inputCase)
    const source = await inputCase.open()
    const first = await again(spec, source)
    await first.close()
    const before = handles()
    const bench = new InputBench(spec, source)
    bench.abort()
    bench.start()
    await bench.close('aborted')
    await expectHandles(before)
    expect(bench.clock.waiting).toBe(0)
    await expectNoMemory(bench)
  })
  testPreview(inputCase)
}

function testPreview(inputCase: InputCase): void {
  test('preview() opens and writes nothing, and says where records come from', async () => {
    const spec = await specOf(inputCase)
    const source = await inputCase.open()
    const bench = new InputBench(spec, source)
    if (spec.preview === undefined) return bench.close()
    const open = handles()
    const before = [filesIn(source.folder), source.uses?.()]
    const log = { error() {}, warn() {}, info() {}, debug() {} }
    const preview = await spec.preview(bench.options as never, {
      ...{ name: 'in.0', tag: 't', configuredTag: 't', maxSources: 10 },
      ...{ log, clock: bench.clock, counters: bench.counters },
      openOffsets: (path, options) => openCopy(path, options, { log }),
    })
    expect(handles().filter((handle) => !open.includes(handle))).toEqual([])
    expect([filesIn(source.folder), source.uses?.()]).toEqual(before)
    expect(preview.source.length).toBeGreaterThan(0)
    expect(bench.clock.waiting).toBe(0)
    await source.end?.()
    await bench.close()
  })
}

function filesIn(folder: string | undefined): string[] {
  if (folder === undefined) return []
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return names.map((name) => `${name} ${statSync(join(folder, name)).mtimeMs}`)
}
