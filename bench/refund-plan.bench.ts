import { planRefund, type RefundableLeg, type RefundPolicy, refundPolicies } from '#payments'
import { numberFlag, printReport } from './support/report.ts'

/**
 * Refund plans of random payments of one to twelve legs, by each policy, each checked: exact to the minor unit, no leg beyond what
 * it has left. The rival in the same run shares out by floating-point fractions, as is usual; how often it is off by a cent is
 * counted.
 */
const plans = numberFlag('plans', 1_000_000)
let state = 20_261_121
const random = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}
const means = ['card', 'wallet', 'points', 'voucher', 'transfer'] as const
const payments = Array.from({ length: 20_000 }, () => {
  const legs = Array.from(
    { length: 1 + Math.floor(random() * 12) },
    (_, at): RefundableLeg => ({
      id: at + 1,
      position: at + 1,
      means: means[Math.floor(random() * means.length)] ?? 'card',
      leftMinor: Math.floor(random() * 10 ** (1 + Math.floor(random() * 7))),
    }),
  )
  const totalMinor = legs.reduce((sum, leg) => sum + leg.leftMinor, 0)
  return { legs, amountMinor: Math.floor(random() * (totalMinor + 1)) }
})
type Payment = (typeof payments)[number]
const isExact = ({ legs, amountMinor }: Payment, shares: readonly { legId: number; amountMinor: number }[]): boolean =>
  shares.reduce((sum, share) => sum + share.amountMinor, 0) === amountMinor &&
  shares.every((share) => share.amountMinor <= (legs[share.legId - 1]?.leftMinor ?? 0))

let inexact = 0
const perSecond = new Map<RefundPolicy, number>()
for (const policy of refundPolicies) {
  const started = performance.now()
  for (let n = 0; n < plans / refundPolicies.length; n += 1) {
    const payment = payments[n % payments.length] as Payment
    if (!isExact(payment, planRefund(payment.legs, payment.amountMinor, policy))) inexact += 1
  }
  perSecond.set(policy, (plans / refundPolicies.length / (performance.now() - started)) * 1000)
}
let rivalInexact = 0
const started = performance.now()
for (let n = 0; n < plans / refundPolicies.length; n += 1) {
  const payment = payments[n % payments.length] as Payment
  const totalMinor = payment.legs.reduce((sum, leg) => sum + leg.leftMinor, 0)
  const fraction = totalMinor === 0 ? 0 : payment.amountMinor / totalMinor
  const shares = payment.legs.map((leg) => ({ legId: leg.id, amountMinor: Math.round(leg.leftMinor * fraction) }))
  if (!isExact(payment, shares)) rivalInexact += 1
}
const rivalPerSecond = (plans / refundPolicies.length / (performance.now() - started)) * 1000
printReport({
  bench: 'refund-plan',
  rows: [
    ...refundPolicies.map((policy) => ({ what: `plans, ${policy}`, value: perSecond.get(policy) ?? 0, unit: '/s' })),
    { what: 'rival: fractions, rounded', value: rivalPerSecond, unit: '/s' },
    { what: 'plans that are not exact', value: inexact, unit: '', beside: 'bar 0' },
    {
      what: 'rival’s plans that are not exact',
      value: (rivalInexact / (plans / refundPolicies.length)) * 100,
      unit: '%',
    },
  ],
  figures: {
    plans,
    proportionalPerSecond: perSecond.get('proportional') ?? 0,
    lastFirstPerSecond: perSecond.get('last_first') ?? 0,
    rivalPerSecond,
    rivalInexactShare: rivalInexact / (plans / refundPolicies.length),
  },
  counts: { lost: 0, doubled: 0, errors: inexact },
})
