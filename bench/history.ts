import { parseArgs } from 'node:util'
import { openBenchHouse } from './support/server-process.ts'
import { fillHistory } from './support/fill-history.ts'

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
if (values.dir === undefined) throw new Error('--dir names the folder to fill, such as /var/tmp/history')
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
const house = await openBenchHouse({ DATA_DIR: values.dir })
try {
  await fillHistory(house, { days, ordersPerDay, template, waybillsAnOrder, say })
} finally {
  await house.close()
}
say('done')
