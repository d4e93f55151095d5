import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readManifest } from '../scripts/manifest.ts'

/**
 * Measures how long configurations of 2,000 lines take to resolve, from the file to the plan: `bun bench/resolve.bench.ts [runs]`.
 * Each run is a new process of a program that is compiled as the binary is, because most of the time is that of code that
 * runs for the first time. The figures are medians, and the least in parentheses: wall time, CPU of the main thread, and the
 * part of it for the file; goal: 50 ms.
 */
const LINES = 2000
const ROOT = resolve(import.meta.dirname, '..')

interface Run {
  wallMs: number
  cpuMs: number
  readMs: number
  problems: string[]
}

const CASES: Record<string, () => string[]> = {
  'outputs.conf': () => [
    '[SERVICE]',
    '    Flush 1',
    ...each(20, (i) => ['[INPUT]', '    Name tail', `    Path /var/log/app${i}/*.log`, `    Tag app${i}.*`]),
    ...each(200, (i) => [
      '[OUTPUT]',
      '    Name forward',
      `    Alias out${i}`,
      `    Match app${i % 20}.*`,
      `    Host 10.0.0.${i}`,
      '    Port 24224',
      '    Retry_Limit 5',
      '    Require_Ack_Response on',
      '    Compress gzip',
    ]),
  ],
  'greps.conf': () => [
    ...['[INPUT]', '    Name tail', '    Path /var/log/app/*.log', '    Tag app.a'],
    ...each(300, (i) => [
      '[FILTER]',
      '    Name grep',
      '    Match app.*',
      `    Regex log ^(?:ERROR|WARN${i})\\s+(?<code>\\d+)\\s.*timeout${i}`,
      `    Exclude level ^debug${i}(?:x|y)+$`,
      '',
    ]),
    ...['[OUTPUT]', '    Name null', '    Match *'],
  ],
  'processors.yaml': () => [
    ...['service:', '  flush: 1', 'pipeline:', '  inputs:'],
    ...each(20, (i) => [
      '    - name: tail',
      `      path: /var/log/app${i}/*.log`,
      `      tag: app${i}.x`,
      '      processors:',
      '        logs:',
      ...each(5, (j) => [
        '          - name: content_modifier',
        '            action: upsert',
        `            key: k${j}`,
        `            value: v${i}`,
        '            condition:',
        '              op: and',
        '              rules:',
        '                - field: "$level"',
        '                  op: regex',
        `                  value: "^(error|warn${i}${j})$"`,
        '                - field: "$code"',
        '                  op: in',
        `                  value: ["${i}", "b", "c"]`,
      ]),
    ]),
    '  outputs:',
    ...each(115, (i) => [
      '    - name: forward',
      `      alias: out${i}`,
      `      match: app${i % 20}.*`,
      `      host: 10.0.0.${i}`,
      '      retry_limit: 5',
    ]),
  ],
  'fluentd.conf': () => [
    ...each(40, (i) => [
      '<source>',
      '  @type tail',
      `  path /var/log/app${i}/*.log`,
      `  tag app${i}.log`,
      '  <parse>',
      '    @type json',
      '    time_format %Y-%m-%dT%H:%M:%S.%L%z',
      '  </parse>',
      '</source>',
    ]),
    ...each(60, (i) => [
      `<filter app${i % 40}.**>`,
      '  @type grep',
      '  <regexp>',
      '    key level',
      `    pattern /^(?:error|warn${i})$/`,
      '  </regexp>',
      '</filter>',
      `<filter app${i % 40}.**>`,
      '  @type record_transformer',
      '  <record>',
      `    tag \${tag}-${i}`,
      '  </record>',
      '</filter>',
    ]),
    ...each(86, (i) => [
      `<match app${i % 40}.${i}.**>`,
      '  @type forward',
      '  <server>',
      `    host 10.0.0.${i}`,
      '    port 24224',
      '  </server>',
      '  <buffer>',
      '    flush_interval 1s',
      '  </buffer>',
      '</match>',
    ]),
  ],
}

function each(count: number, lines: (i: number) => string[]): string[] {
  return Array.from({ length: count }, (_, i) => lines(i)).flat()
}

function compile(folder: string): string {
  const { bun, external } = readManifest()
  const program = join(folder, 'resolve')
  const entry = join(import.meta.dirname, 'resolve-program.ts')
  const externals = external.flatMap((name) => ['--external', name])
  const args = ['build', '--compile', ...bun.flags, ...externals, entry, '--outfile', program]
  execFileSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] })
  return program
}

function measure(program: string, file: string): Run {
  const run = JSON.parse(execFileSync(program, [file], { encoding: 'utf8' })) as Run
  const [problem] = run.problems
  if (problem !== undefined) throw new Error(`${file}: ${problem}`)
  return run
}

/** Returns `median (least)`. */
function figures(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const [median = 0, least = 0] = [sorted[sorted.length >> 1], sorted[0]]
  return `${median.toFixed(1)} (${least.toFixed(1)})`.padStart(16)
}

function main(runs: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'resolve-'))
  try {
    const program = compile(folder)
    process.stdout.write(
      `${' '.repeat(28)}${['wall ms', 'CPU ms', 'of the file'].map((h) => h.padStart(16)).join('')}\n`,
    )
    for (const [name, lines] of Object.entries(CASES)) {
      const text = lines()
      // Blank lines count as well.
      while (text.length < LINES) text.push('')
      const file = join(folder, name)
      writeFileSync(file, `${text.join('\n')}\n`)
      const all = Array.from({ length: runs }, () => measure(program, file))
      const cells = [all.map((r) => r.wallMs), all.map((r) => r.cpuMs), all.map((r) => r.readMs)].map(figures)
      process.stdout.write(`${name.padEnd(16)} ${text.length} lines${cells.join('')}\n`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

main(Number(process.argv[2] ?? 15))
