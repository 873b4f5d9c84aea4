import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed } from './change-orders.ts'
import type { Changed, GoodwillInput } from './change-schemas.ts'
import type { OrderRefundDue, PartAmount } from './events.ts'
import type { Order, Part } from './order.ts'
import { type Decision, settle } from './settle.ts'

/** Gives money as a gift, at most what is in hand: to the means that paid, or as credit. What the order owes stays as it is. */
export const giveGoodwill = (context: WriteContext, asked: readonly Asked<GoodwillInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({ cause: `goodwill: ${input.reason}`, decide: (order: Order) => goodwillFor(order, input) }),
    answer: (changed) => changed,
  })

/** What of a part may still be given to its means: what came in, less what went back or was promised. */
const givableMinor = ({ told, goodwillMinor }: Part): number =>
  told === undefined
    ? 0
    : Math.max(0, told.capturedMinor - (told.refundedMinor - told.goodwillMinor) - Math.max(goodwillMinor, told.goodwillMinor))

export function goodwillFor(order: Order, input: Pick<GoodwillInput, 'amountMinor' | 'part' | 'to' | 'reason'>): Outcome<Decision> {
  const { amountMinor, part: only, to = 'means', reason } = input
  if (only !== undefined && !order.parts.some(({ part }) => part === only)) {
    return refused('orders.unknown_part', `Order ${order.number} asks for no payment ${only}.`, '/part', { part: only })
  }
  const parts = order.parts.filter(({ part }) => only === undefined || part === only)
  const inHandMinor = parts.reduce((sum, part) => sum + givableMinor(part), 0)
  if (amountMinor > inHandMinor) {
    const detail = `At most ${inHandMinor} can be given: so much is in hand and not promised yet.`
    return refused('orders.goodwill_too_large', detail, '/amountMinor', { mostMinor: inHandMinor })
  }
  const given = spread(parts, amountMinor)
  const payload: OrderRefundDue = { orderId: order.id, parts: given, kind: 'goodwill', to, reason }
  const promised = promise(order.parts, given)
  return accepted(settle(order, { ...order, parts: promised }, { events: [{ key: String(order.id), type: 'orders.refund_due', payload }] }))
}

function spread(parts: readonly Part[], amountMinor: number): PartAmount[] {
  let leftMinor = amountMinor
  return parts.flatMap((part): PartAmount[] => {
    const share = Math.min(leftMinor, givableMinor(part))
    leftMinor -= share
    return share > 0 ? [{ part: part.part, amountMinor: share }] : []
  })
}

const promise = (parts: readonly Part[], given: readonly PartAmount[]): Part[] =>
  parts.map((part) => {
    const amountMinor = given.find((each) => each.part === part.part)?.amountMinor ?? 0
    return amountMinor === 0 ? part : { ...part, goodwillMinor: Math.max(part.goodwillMinor, part.told?.goodwillMinor ?? 0) + amountMinor }
  })
