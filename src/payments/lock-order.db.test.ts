import { expect, test } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { statement } from '#platform/database.ts'
import { cancelOf, openPaymentsRig, orderOf } from './payments-rig.ts'

const attemptIds = statement<{ id: number; orderId: number }>(
  'test.attempt_ids',
  'select attempt.id, order_id as "orderId" from payments.attempt join payments.request on request.id = request_id',
)

test('callers with the same payments in different order wait for each other and never deadlock', async () => {
  const seed = Number(process.env['SEED'] ?? 5)
  console.log(`seed ${seed}`)
  const rig = await openPaymentsRig(seed)
  try {
    const orders = Array.from({ length: 60 }, (_, index) => index + 1)
    const commands = orders.map((order) => orderOf(order, 'tok_timeout_after_charge'))
    await rig.write((context) => rig.payments.requestPayments(context, commands))
    await rig.payments.executor.idle()
    const attempts = await rig.read((read) => read.query(attemptIds))
    // A deadlock is run again by the platform and would not be seen, so runs are counted: one more than calls is one deadlock.
    const count = { calls: 0, runs: 0 }
    const write = (work: (context: WriteContext) => Promise<unknown>): Promise<unknown> => {
      count.calls += 1
      return rig.write((context) => {
        count.runs += 1
        return work(context)
      })
    }
    const shuffled = <Item>(items: readonly Item[], text: string): Item[] =>
      items
        .map((item, index) => ({ item, at: rig.engine.draw(`${text} ${index}`) }))
        .toSorted((a, b) => a.at - b.at)
        .slice(0, 40)
        .map(({ item }) => item)
    const caller = async (name: string): Promise<void> => {
      for (let round = 0; round < 25; round += 1) {
        const some = shuffled(attempts, `${name} ${round}`)
        await write((context) =>
          rig.payments.recordAttemptResults(
            context,
            some.map(({ id }) => ({ attemptId: id, result: { outcome: 'succeeded', gatewayRef: `ch ${id}` }, cause: name })),
          ),
        )
        await write((context) =>
          rig.payments.cancelOrRefund(
            context,
            shuffled(orders, `cancel ${name} ${round}`).map((orderId) => ({
              ...cancelOf(orderId, 7),
              commandId: `${name} ${round}`,
            })),
          ),
        )
      }
    }
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(caller))
    await rig.payments.executor.idle()
    expect(count.runs).toBe(count.calls)
    const views = await rig.read((read) => rig.payments.findPayments(read, orders))
    for (const view of views.values()) expect(view.capturedMinor).toBe(1_999)
    expect((await rig.read((read) => rig.payments.check(read))).filter((check) => check.breaks.length > 0)).toEqual([])
  } finally {
    await rig.close()
  }
}, 60_000)
