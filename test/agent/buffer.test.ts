import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lines, Peer, runWith, term } from '../support/agent-run.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const texts = Array.from({ length: 50 }, (_, i) => `${i} `)
const all = texts.join('')

test('a finite run ends with 0 when the buffer is empty', async () => {
  const peer = new Peer()
  peer.mode = 'silent'
  const run = runWith({
    inputs: [lines(texts)],
    outputs: [{ name: 'out.0', create: peer.create }],
    buffer: join(tmp(), 'buffer'),
    service: { grace: '0' },
  })
  await until(() => peer.flushing === 1)
  peer.mode = 'takes'
  expect(await run.status).toBe(0)
  expect(peer.texts.join('')).toBe(all)
  expect(run.logged()).toContain('50 records sent, all acknowledged')
})

test('a finite run that is stopped says what is left in the buffer, and the next run sends it', async () => {
  const buffer = join(tmp(), 'buffer')
  const silent = new Peer()
  silent.mode = 'silent'
  const first = runWith({
    inputs: [lines(texts)],
    outputs: [{ name: 'out.0', create: silent.create }],
    buffer,
    service: { grace: '0' },
  })
  await until(() => silent.flushing === 1)
  term()
  expect(await first.status).toBe(1)
  expect(first.logged()).toContain('50 records for out.0 in the buffer, to be sent by the next run')
  expect(first.logged()).toContain('what was not sent is in the buffer on disk, and the next run sends it')
  const peer = new Peer()
  const second = runWith({
    inputs: [lines(['end'])],
    outputs: [{ name: 'out.0', create: peer.create }],
    buffer,
  })
  expect(await second.status).toBe(0)
  expect(second.logged()).toContain('has 50 records for output out.0, left by the last run')
  expect(peer.texts.join('')).toBe(`${all}end`)
})

test('what an output has not answered within Grace is sent by the next run, and fails no run that has no end', async () => {
  const silent = new Peer()
  silent.mode = 'silent'
  const taking = new Peer()
  const run = runWith({
    inputs: [lines(texts, false)],
    outputs: [
      { name: 'out.0', create: silent.create },
      { name: 'out.1', create: taking.create },
    ],
    buffer: join(tmp(), 'buffer'),
    service: { grace: '1' },
  })
  await until(() => taking.texts.length > 0)
  term()
  expect(await run.status).toBe(0)
  expect(taking.texts.join('')).toBe(all)
  expect(run.logged()).toContain('50 records for out.0 in the buffer, to be sent by the next run')
})

test('a second agent does not use the buffer of the first', async () => {
  const buffer = join(tmp(), 'buffer')
  const silent = new Peer()
  silent.mode = 'silent'
  const first = runWith({
    inputs: [lines(texts, false)],
    outputs: [{ name: 'out.0', create: silent.create }],
    buffer,
    service: { grace: '0' },
  })
  await until(() => silent.flushing === 1)
  const second = runWith({
    inputs: [lines(texts)],
    outputs: [{ name: 'out.0', create: new Peer().create }],
    buffer,
  })
  expect(await second.status).toBe(1)
  expect(second.logged()).toContain('E_BUFFER_LOCKED')
  term()
  expect(await first.status).toBe(0)
})

test('an agent whose buffer another one may have used ends, and the next run sends what is there', async () => {
  const buffer = join(tmp(), 'buffer')
  const peer = new Peer()
  peer.mode = 'silent'
  const first = runWith({
    inputs: [lines(texts, false)],
    outputs: [{ name: 'out.0', create: peer.create }],
    buffer,
    service: { grace: '1' },
  })
  await until(() => peer.flushing === 1)
  rmSync(join(buffer, 'buffer.lock'))
  peer.mode = 'takes'
  expect(await first.status).toBe(1)
  expect(first.logged()).toContain('E_BUFFER_LOCKED')
  expect(first.logged()).toContain('was removed or replaced while it was in use')
  const second = runWith({
    inputs: [lines(['end'])],
    outputs: [{ name: 'out.0', create: peer.create }],
    buffer,
  })
  expect(await second.status).toBe(0)
  expect(peer.texts.join('')).toEndWith(`${all}end`)
})

test('what an output gives up is in the folder of the buffer when there is no database', async () => {
  const buffer = join(tmp(), 'buffer')
  const peer = new Peer()
  peer.mode = 'refuses'
  const first = runWith({
    inputs: [lines(texts)],
    outputs: [{ name: 'out.0', create: peer.create }],
    buffer,
  })
  expect(await first.status).toBe(0)
  expect(first.logged()).toContain('given up and kept as dead letters')
  expect(readdirSync(buffer)).toContain('dead-letters.out.0.jsonl')
  const second = runWith({
    inputs: [lines(['end'])],
    outputs: [{ name: 'out.0', create: new Peer().create }],
    buffer,
  })
  expect(await second.status).toBe(0)
  expect(second.logged()).not.toContain('not part of it')
})

test('a stop that may send what is on disk says that it has not sent all of it', async () => {
  const silent = new Peer()
  silent.mode = 'silent'
  const run = runWith({
    inputs: [lines(texts, false)],
    outputs: [{ name: 'out.0', create: silent.create }],
    buffer: join(tmp(), 'buffer'),
    flushesAtStop: true,
    service: { grace: '1' },
  })
  await until(() => silent.flushing === 1)
  term()
  expect(await run.status).toBe(0)
  expect(run.logged()).toContain(
    'stopping before everything in the buffer was sent: the next run sends the rest',
  )
})

test('records of damaged files are in the last line of the log', async () => {
  const buffer = join(tmp(), 'buffer')
  const silent = new Peer()
  silent.mode = 'silent'
  const first = runWith({
    inputs: [lines(texts, false)],
    outputs: [{ name: 'out.0', create: silent.create }],
    buffer,
    service: { grace: '0' },
  })
  await until(() => silent.flushing === 1)
  term()
  expect(await first.status).toBe(0)
  const [segment = ''] = readdirSync(buffer).filter((name) => name.endsWith('.seg'))
  const path = join(buffer, segment)
  const bytes = readFileSync(path)
  bytes.fill('x', bytes.indexOf(texts[30] ?? ''), bytes.indexOf(texts[40] ?? ''))
  writeFileSync(path, bytes)
  const peer = new Peer()
  const second = runWith({
    inputs: [lines(['end'])],
    outputs: [{ name: 'out.0', create: peer.create }],
    buffer,
  })
  expect(await second.status).toBe(1)
  expect(peer.texts.join('')).toBe('end')
  expect(second.logged()).toContain('50 records lost in damaged files of the buffer')
  expect(second.logged()).not.toContain('all acknowledged')
})
