import { plots } from './plots.ts'
import { type Results, report } from './report.ts'

/** docs/BENCHMARKS.md: the text around the tables. */
export function page(results: Results): string {
  return `# Benchmarks

Written by \`npm run bench -- --write\`; the single runs are in [benchmarks.json](benchmarks.json). To have them for your
machine: \`npm ci\`, \`npm run bench\` (about five minutes and 2 GB of disk; it builds the binary when there is none).

${report(results)}

¹ fluent-bit 5.1.1, an earlier run on a machine of this kind, with the settings that were best for it (Flush 0.2,
File_Cache_Advise off), as its own multiple of that run's floor. \`npm run bench -- --peer\` runs it beside shipper.

${plots(results)
  .map(({ file, title }) => `![${title}](${file})`)
  .join('\n\n')}

## What is measured

- **The program** is the binary as it is delivered, in a process of its own, from its start to its end: loading, finding the
  file, database, parsing, sending, the last ack and the last commit are all in the figure.
- **MB/CPU-s**: megabytes (10^6 bytes) of input for each second of user and system time of that process and all its
  threads, by the operating system's account at its end. It says what a log shipper takes from the machine's real work,
  and does not depend on how fast the peer is.
- **floor**: a program that reads the same files in 1 MB blocks and writes the same bytes to a socket, unparsed
  (bench/floor.ts). It is run by turns with the shipper in the same minutes. \`floor / 2\` means that the shipper spends
  twice what it costs only to move the bytes. Absolute figures differ from machine to machine; these ratios much less.
- **wall MB/s**: input over the time from start to end of the process. The sink has the other core.
- **peak RSS**: VmHWM, read every 10 ms. It counts the runtime's own file pages too (15 to 45 MB, shared between processes).
- **Arrival**: in a run of its own before the measured ones the sink walks every entry and ticks off each record's number:
  none may be missing, none may come twice. In the measured runs it counts and acknowledges without looking inside.
- **start, append**: the clock runs from the start of the process, or from the write to the log file, until the sink has the
  whole message. The sink is in the measuring process, so there is one clock.
- **idle**: one file, one line delivered, then nothing; the minute begins 35 s later. Memory from smaps_rollup, CPU and
  context switches from the scheduler's account of each thread.
- **kubernetes**: the lines (190 bytes) are JSON texts that pods wrote; the filter asks an API server of the bench, reads the
  text into the record and adds the pod, so that a record leaves with about 870 bytes. MB are those of the input.
- **to a real Kafka**: one broker on the same two cores, acks=all, numbered batches, one partition, values of 186 bytes;
  kcat and rsyslog beside it where they are to be had, on the same file. Afterwards Kafka's own consumer looks for each number.
- **relay**: conf/relay.conf (JSON, zstd) between a sender and that broker; CPU and memory of the relay, read each second.
  Sender and broker share the two cores, so the last row is not all that a relay can do.
- **peer refused**: a drain is begun while nobody listens on the port; later somebody does.

Settings: \`Flush 1\`, \`DB\` on, acks on (the default); everything else is default. Lines are 200 bytes long (nginx 218 on
average), numbered, the same at every run (bench/data.ts); the page cache is warm.
`
}
