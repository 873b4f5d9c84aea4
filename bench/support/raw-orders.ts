import pg from 'pg'
import { parametersOf } from '#platform/sql-arrays.ts'
import { captureCommand } from './captured.ts'
import { threeLineOrders } from './city-orders.ts'
import type { BenchHouse } from './server-process.ts'

const batch = 128

/**
 * The raw limit of placing: the very statement that `orders.place` sends for 128 orders, driven by plain pg on two
 * connections. No HTTP, no idempotency, no events, no payment; its parameters are made by the same code.
 */
export async function rawOrderInserts(house: BenchHouse, seconds: number): Promise<{ perSecond: number; batch: number }> {
  const core = await house.core()
  const place = core.runner.operations.find(({ id }) => id === 'orders.place')
  if (place === undefined) throw new Error('there is no orders.place')
  const inputs = threeLineOrders(house, batch).map((order) => ({ ...order, channel: 'raw' }))
  const started = performance.now()
  let orders = 0
  await Promise.all(
    [1, 2].map(async () => {
      const client = new pg.Client({
        ...house.engines.server.loginFor('live', 'orders'),
        options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off',
      })
      await client.connect()
      while (performance.now() - started < seconds * 1000) {
        const [captured] = await captureCommand(core.databases.of('orders'), place, inputs)
        if (captured === undefined) throw new Error('orders.place sent nothing with its commit')
        const [{ name, text }, values] = captured
        await client.query({ name, text, values: parametersOf(values) })
        orders += batch
      }
      await client.end()
    }),
  )
  await core.close()
  return { perSecond: (orders / (performance.now() - started)) * 1000, batch }
}
