import pg from 'pg'
import { insertOrders, type NewOrder } from '../../src/orders/order-store.ts'
import type { Statement, WriteContext } from '#platform/database.ts'
import type { BenchHouse } from './server-process.ts'

const batch = 128

/** The statement that stores orders, its parameters made beforehand, driven by two connections of plain pg. */
export async function rawOrderInserts(house: BenchHouse, seconds: number): Promise<{ perSecond: number; batch: number }> {
  const captured: [Statement<unknown>, readonly unknown[]][] = []
  const context = {
    traffic: 'live',
    rehearsalId: null,
    now: new Date(),
    defer: (statement: Statement<unknown>, parameters: readonly unknown[]) => void captured.push([statement, parameters]),
  } as unknown as WriteContext
  const birth = {
    levels: '{item,item,item,section,order,money}',
    entities: '{1,2,3,1,"",""}',
    from: '{"","","","","",""}',
    to: '{pending_payment,pending_payment,pending_payment,pending_payment,pending_payment,none}',
  }
  // Ids far from those that the server will lease; negative ones can not meet them.
  let id = -1
  const order = (): NewOrder => {
    id -= 1
    return {
      id,
      number: `RAW${id}`,
      storeId: 'falls',
      customerId: 'raw',
      channel: 'raw',
      currency: 'CAD',
      totalMinor: 2_697,
      state: 'pending_payment',
      commandId: `raw${id}`,
      actor: 'bench',
      sections: [
        {
          destination: house.city.address(1),
          slot: null,
          merchantId: null,
          shippingMinor: 0,
          items: [1, 2, 3].map((itemNo) => ({
            itemNo,
            sku: 'TEA-100',
            skuType: 'dry',
            quantity: 1,
            unitPriceMinor: 899,
            discountMinor: 0,
            taxMinor: 0,
            weightGrams: 320,
            volumeMl: 1_100,
            state: 'pending_payment' as const,
          })),
        },
      ],
    }
  }
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
        insertOrders(context, Array.from({ length: batch }, order), () => birth)
        const [statement, values] = captured.pop() ?? []
        if (statement === undefined || values === undefined) throw new Error('no statement was captured')
        await client.query({ name: statement.name, text: statement.text, values: [...values] })
        orders += batch
      }
      await client.end()
    }),
  )
  return { perSecond: (orders / (performance.now() - started)) * 1000, batch }
}
