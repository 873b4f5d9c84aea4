import { sumMinor } from '#kernel/money.ts'
import type { OlistPayment } from './folder.ts'
import type { Reason } from './reasons.ts'

/** One means of payment as it is asked for. */
export interface OlistLeg {
  readonly means: 'card' | 'transfer' | 'voucher'
  readonly amountMinor: number
  readonly instalments: number
}

/** Ours for each payment_type. A bank slip is a transfer under a reference; of a debit card we only know that it is a card. */
const meansOf: Readonly<Record<string, OlistLeg['means']>> = {
  credit_card: 'card',
  debit_card: 'card',
  boleto: 'transfer',
  voucher: 'voucher',
}

/** A plan has room for so many means, and no acquirer of the data set's country gives more instalments. */
const mostLegs = 12
const mostInstalments = 24

/**
 * The rows of order_payments as legs that add up to what is due, and what is odd about them. Where the rows pay another sum,
 * the last ones give way, or the last one makes up for what is missing: the order must be paid as it was placed.
 */
export function legsOf(payments: readonly OlistPayment[], dueMinor: number): { legs: OlistLeg[]; reasons: Reason[] } {
  const reasons: Reason[] = []
  const undefinedMeans = payments.filter(({ means }) => meansOf[means] === undefined)
  if (undefinedMeans.length > 0) {
    const types = [...new Set(undefinedMeans.map(({ means }) => means))].join(', ')
    reasons.push({ code: 'means_not_defined', detail: `payment_type is ${types}` })
  }
  const zeros = payments.filter(({ means, amountMinor }) => amountMinor === 0 && meansOf[means] !== undefined)
  if (zeros.length > 0) reasons.push({ code: 'zero_payment', detail: `row ${zeros.map(({ sequential }) => sequential).join(', ')}` })
  const odd = payments.find(({ instalments }) => instalments < 1 || instalments > mostInstalments)
  if (odd !== undefined) reasons.push({ code: 'odd_instalments', detail: `row ${odd.sequential} has ${odd.instalments}` })

  const rows = payments.toSorted((a, b) => a.sequential - b.sequential)
  const paid = rows.flatMap(({ means, amountMinor, instalments }): OlistLeg[] => {
    if ((amountMinor ?? 0) === 0) return []
    const ours = meansOf[means] ?? 'card'
    return [{ means: ours, amountMinor: amountMinor ?? 0, instalments: ours === 'card' ? within(instalments) : 1 }]
  })
  if (paid.length > mostLegs) reasons.push({ code: 'many_means', detail: `${paid.length} rows pay it, a plan has room for ${mostLegs}` })
  return { legs: joined(fitted(paid, dueMinor)), reasons }
}

const within = (instalments: number): number => Math.min(mostInstalments, Math.max(1, instalments))

function fitted(paid: readonly OlistLeg[], dueMinor: number): OlistLeg[] {
  let left = dueMinor
  const legs = paid.flatMap((leg) => {
    const amountMinor = Math.min(left, leg.amountMinor)
    left -= amountMinor
    return amountMinor === 0 ? [] : [{ ...leg, amountMinor }]
  })
  if (left === 0) return legs
  const last = legs.pop() ?? { means: 'card', amountMinor: 0, instalments: 1 }
  return [...legs, { ...last, amountMinor: last.amountMinor + left }]
}

/** Too many rows are vouchers in all but made-up cases: the last ones of one means become one. */
function joined(legs: OlistLeg[]): OlistLeg[] {
  while (legs.length > mostLegs) {
    const last = legs.pop() as OlistLeg
    const alike = legs.findLastIndex(({ means, instalments }) => means === last.means && instalments === last.instalments)
    const at = alike < 0 ? legs.length - 1 : alike
    const other = legs[at] as OlistLeg
    legs[at] = { ...other, amountMinor: sumMinor([other.amountMinor, last.amountMinor]) }
  }
  return legs
}
