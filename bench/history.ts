import { parseArgs } from 'node:util'
import pg from 'pg'
import { fillHistory, liveTemplate, loadSettings } from './support/fill-history.ts'
import { type BenchHouse, openBenchHouse } from './support/server-process.ts'

// npm run history -- --dir DIR [--days 30] [--orders 60000] [--template 2000] [--waybills 2.5]: a database as after so many days of so many orders.
const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    days: { type: 'string', default: '30' },
    orders: { type: 'string', default: '60000' },
    template: { type: 'string', default: '2000' },
    waybills: { type: 'string', default: '2.5' },
  },
})
const { dir } = values
if (dir === undefined) throw new Error('--dir names the folder to fill, such as /var/tmp/history')
const [days, ordersPerDay, template, waybillsAnOrder] = [values.days, values.orders, values.template, values.waybills].map(Number) as [
  number,
  number,
  number,
  number,
]
for (const value of [days, ordersPerDay, template, waybillsAnOrder])
  if (!(value > 0)) throw new Error('--days, --orders, --template and --waybills are numbers above 0')
const began = performance.now()
const say = (line: string): void => void process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}\n`)
const fill = { days, ordersPerDay, template, waybillsAnOrder, say }
const open = () => openBenchHouse({ DATA_DIR: dir })

/** Some settings take effect when PostgreSQL starts, so each part of the work has a server of its own. */
async function withSettings(change: 'set' | 'reset', work: (house: BenchHouse) => Promise<void>): Promise<void> {
  const house = await open()
  try {
    await work(house)
    const admin = new pg.Client(house.engines.server.admin('live'))
    await admin.connect()
    for (const [name, value] of Object.entries(loadSettings))
      await admin.query(change === 'set' ? `alter system set ${name} = '${value}'` : `alter system reset ${name}`)
    await admin.end()
  } finally {
    await house.close()
  }
}
await withSettings('set', (house) => liveTemplate(house, fill))
await withSettings('reset', (house) => fillHistory(house, fill))
say('done')
