import { parseArgs } from 'node:util'
import { runTracks } from './tracks-run.ts'

// The full run: npm run tracks -- [--events 1000000] [--kills 12] [--seed N]. Ends with one line of JSON; exit code 1 when anything is broken.
const { values } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, kills: { type: 'string', default: '12' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6))
const [events, kills] = [Number(values.events), Number(values.kills)]
if (![events, kills, seed].every(Number.isSafeInteger) || events < 1 || kills < 0)
  throw new Error('--events, --kills and --seed are whole numbers')
const say = (line: string): void => void process.stderr.write(`${line}\n`)
say(`seed ${seed}`)
const report = await runTracks({ events, kills, seed, say })
for (const each of report.breaks.slice(0, 50)) say(`BREAK  ${each}`)
process.stdout.write(`${JSON.stringify({ ...report, breaks: report.breaks.length })}\n`)
process.exitCode = report.breaks.length + report.lost + report.doubled + report.different === 0 ? 0 : 1
