import { goods } from '#partners/made-city/index.ts'
import { command, countUp, look, type OrderSeen, payFor, type People } from './day-customer.ts'
import type { DayOrder } from './day-plan.ts'

const isClaimable = (item: OrderSeen['sections'][number]['items'][number]): boolean => item.state === 'delivered' && item.flags.length === 0

/** What comes after delivery. False while nothing of the order has been delivered yet: ask again later. */
export async function claimGoods(people: People, order: DayOrder, number: string): Promise<boolean> {
  const { after } = order
  if (after.kind !== 'claim') return true
  const { claim } = after
  const seen = await look(people, order, number)
  const item = seen?.sections.flatMap(({ items }) => items).find(isClaimable)
  if (seen === undefined || item === undefined) return false
  const [tea] = goods
  const quantity = order.random() < 0.5 ? item.quantity : 1
  const kind =
    claim === 'dearer_exchange'
      ? 'exchange'
      : claim === 'refused_return' || claim === 'withdrawn' || claim === 'rejected'
        ? 'return'
        : claim
  const replacement = claim === 'dearer_exchange' ? { replacement: { sku: tea.sku, unitPriceMinor: item.unitPriceMinor + 250 } } : {}
  const asked = await command<{ claimId: number }>(people, order, {
    what: `claim ${claim}`,
    path: `/v1/orders/${number}/claims`,
    body: { kind, reason: 'not as described', items: [{ itemNo: item.itemNo, quantity, ...replacement }] },
  })
  if (asked === undefined) return true
  const at = `/v1/claims/${asked.claimId}`
  if (claim === 'withdrawn') {
    await command(people, order, { what: 'withdraw claim', path: `${at}/withdrawal`, body: { reason: 'keeps it' } })
    return true
  }
  await command(people, order, {
    what: claim === 'rejected' ? 'reject claim' : 'approve claim',
    path: `${at}/answer`,
    body: { approve: claim !== 'rejected', reason: 'as the terms say', ...(order.random() < 0.3 ? { refundShipping: true } : {}) },
  })
  if (claim === 'rejected' || kind === 'refund_only' || kind === 'reship') return true
  for (const to of ['pickup_booked', 'in_transit', 'received'])
    await command(people, order, { what: `claim ${to}`, path: `${at}/moves`, body: { to } })
  // A row that was split for its claim has a number of its own: the inspection names the claim's.
  const view = await look(people, order, number)
  const rows = (
    view?.claims.find(({ claimId }) => claimId === asked.claimId) as { items?: { itemNo: number; quantity: number }[] } | undefined
  )?.items
  const found = order.random() < 0.2 ? { damaged: quantity, accepted: 0 } : { accepted: quantity }
  const items = (rows ?? []).map((row) => ({
    itemNo: row.itemNo,
    ...(claim === 'refused_return' ? { accepted: quantity - 1, refused: 1 } : found),
  }))
  const inspected = await command<{ newItemNos: number[] }>(people, order, {
    what: 'inspect claim',
    path: `${at}/inspection`,
    body: { items },
  })
  if (claim === 'refused_return') await command(people, order, { what: 'send back', path: `${at}/moves`, body: { to: 'sent_back' } })
  if (claim !== 'dearer_exchange' || inspected === undefined) return true
  const settled = await look(people, order, number)
  const fresh = settled?.sections.flatMap(({ items: all }) => all).find(({ itemNo }) => inspected.newItemNos.includes(itemNo))
  if (settled === undefined || fresh === undefined) return true
  if (order.answer === 'leave') {
    people.told.left.add(order.key)
    countUp(people.told.counts, 'difference left unpaid')
    return true
  }
  await payFor(people, order, { orderId: settled.orderId, part: fresh.part, what: 'pay the difference' })
  return true
}
