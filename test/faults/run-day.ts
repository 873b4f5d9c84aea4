import { parseArgs } from 'node:util'
import { runDay } from './day-run.ts'

// npm run day -- --orders 60000 --seed N [--kills N]. Ends with one line of JSON; exit code 1 when anything is broken.
const { values } = parseArgs({
  options: { orders: { type: 'string', default: '60000' }, seed: { type: 'string' }, kills: { type: 'string', default: '0' } },
})
const [orders, kills, seed] = [values.orders, values.kills, values.seed ?? Math.floor(Math.random() * 1e6)].map(Number)
if (orders === undefined || kills === undefined || seed === undefined || ![orders, kills, seed].every(Number.isSafeInteger) || orders < 1)
  throw new Error('--orders, --kills and --seed are whole numbers')
const say = (line: string): void => void process.stderr.write(`${line}\n`)
say(`a day of ${orders} orders, seed ${seed}, ${kills} kills`)
const report = await runDay({ orders, seed, kills, say })
for (const [what, count] of Object.entries(report.counts)) say(`${String(count).padStart(7)}  ${what}`)
for (const each of report.breaks.slice(0, 60)) say(`BREAK  ${each}`)
process.stdout.write(`${JSON.stringify({ ...report, breaks: report.breaks.length })}\n`)
process.exitCode = report.breaks.length + report.lost + report.doubled === 0 ? 0 : 1
