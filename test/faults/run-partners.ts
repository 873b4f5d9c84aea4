import { parseArgs } from 'node:util'
import { runPartners } from './partners-run.ts'

// The full run: node test/faults/run-partners.ts [--away SECONDS] [--seed N]. Ends with one line of JSON; exit code 1 when anything is broken.
const { values } = parseArgs({ options: { away: { type: 'string', default: '600' }, seed: { type: 'string' } } })
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6))
const away = Number(values.away)
if (!(away > 0) || !Number.isSafeInteger(seed)) throw new Error('--away is a number of seconds, --seed a whole number')
const say = (line: string): void => void process.stderr.write(`${line}\n`)
say(`seed ${seed}`)
const report = await runPartners({ awayMs: away * 1000, seed, say })
if (report === undefined) throw new Error('this machine has no RabbitMQ')
for (const each of report.breaks.slice(0, 50)) say(`BREAK  ${each}`)
process.stdout.write(`${JSON.stringify({ ...report, breaks: report.breaks.length })}\n`)
process.exitCode = report.breaks.length + report.lost + report.doubled === 0 ? 0 : 1
