import { describe, expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'

describe('a filter that is not ready', () => {
  test('leaves the lines of its tag in their file while other tags continue', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'late.log'), 'one\ntwo\n')
    writeFileSync(join(dir, 'now.log'), 'three\n')
    const requests: string[] = []
    let makeReady = (): void => {}
    let waiting: Promise<void> | undefined = new Promise((resolve) => {
      makeReady = resolve
    })
    const ready = (tag: string, path: string): Promise<void> | undefined => {
      requests.push(`${tag} ${path}`)
      return tag.includes('late') ? waiting : undefined
    }
    const run = follow({ path: join(dir, '*.log') }, { tag: 'k.*', filters: [{ apply: () => {}, ready }] })
    expect(await run.waitForLines(1)).toEqual(['three'])
    appendFileSync(join(dir, 'late.log'), 'four\n')
    appendFileSync(join(dir, 'now.log'), 'five\n')
    expect(await run.waitForLines(2)).toEqual(['three', 'five'])
    expect(run.files.find((f) => f.path.endsWith('late.log'))).toMatchObject({ state: 'waiting', read: 0 })
    expect(requests).toContain(`k${dir.replaceAll('/', '.')}.late.log ${join(dir, 'late.log')}`)
    waiting = undefined
    makeReady()
    expect(await run.waitForLines(5)).toEqual(['three', 'five', 'one', 'two', 'four'])
  })
})
