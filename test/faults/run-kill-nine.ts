import { parseArgs } from 'node:util'
import { runKillNine } from './kill-run.ts'

// The full run: node test/faults/run-kill-nine.ts [--kills 20] [--seed N]. Ends with one line of JSON; exit code 1 when anything is broken.
const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' }, seed: { type: 'string' } } })
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6))
const kills = Number(values.kills)
if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) throw new Error('--kills and --seed are whole numbers')
const say = (line: string): void => void process.stderr.write(`${line}\n`)
say(`seed ${seed}`)
const report = await runKillNine({ kills, seed, say })
for (const each of report.breaks.slice(0, 50)) say(`BREAK  ${each}`)
process.stdout.write(`${JSON.stringify({ ...report, breaks: report.breaks.length })}\n`)
process.exitCode = report.breaks.length + report.lost + report.doubled === 0 ? 0 : 1
