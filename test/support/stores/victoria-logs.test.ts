import { expect } from 'bun:test'
import { testWithVictoriaLogs, VictoriaLogs } from './victoria-logs.ts'

testWithVictoriaLogs('what a real VictoriaLogs has accepted comes back from its query', async () => {
  const store = await VictoriaLogs.start()
  const lines = Array.from({ length: 1000 }, (_, n) => ({
    _time: '2026-01-01T00:00:00Z',
    _msg: `line ${n}`,
    n,
  }))
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  const answer = await fetch(`${store.url}${VictoriaLogs.PATHS.jsonLines}`, {
    method: 'POST',
    body,
    keepalive: false,
  })
  expect(answer.status).toBe(200)
  expect(await store.count()).toBe(1000)
  expect(await store.query('n:=7')).toMatchObject([{ _msg: 'line 7', n: '7' }])
  await store.down()
  await store.up()
  expect(await store.count('n:>=500')).toBe(500)
})
