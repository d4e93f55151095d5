import { readFileSync } from 'node:fs'
import { loadTree } from '../src/config/load.ts'
import { buildPlan } from '../src/config/plan.ts'
import { registry } from '../src/registry.ts'

/** What resolve.bench.ts compiles: resolves the configuration of its argument once and prints the times in ms as JSON. */
async function resolveOnce(file: string): Promise<void> {
  const [cpu, started] = [threadCpuMs(), performance.now()]
  const tree = await loadTree({ file, flags: undefined, env: {}, registry })
  const read = threadCpuMs()
  const { problems } = await buildPlan(tree, { registry })
  const [wallMs, cpuMs, readMs] = [performance.now() - started, threadCpuMs() - cpu, read - cpu]
  process.stdout.write(`${JSON.stringify({ wallMs, cpuMs, readMs, problems: problems.map(String) })}\n`)
}

/** Returns the CPU time of this thread, without those that compile and collect garbage beside it. */
function threadCpuMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ', 1)[0]) / 1e6
}

await resolveOnce(process.argv[2] as string)
