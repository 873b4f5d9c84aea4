import type { Means, PaymentPlan, PlannedLeg } from './payment-plan.ts'

/** A leg as a plan makes it, before it has an id. */
export interface LegWanted {
  readonly means: Means
  readonly token: string
  /** Where the token works, if at one gateway only. */
  readonly gateway: string | null
  readonly payer: string | null
  readonly instalments: number
  readonly amountMinor: number
  readonly dueAt: Date | null
  readonly mode: 'charge' | 'authorize'
  /** Country of a stored card, '' where nobody knows. */
  readonly country: string
}

export interface PlanRules {
  readonly settle: 'together' | 'apart'
  readonly capture: 'now' | 'on_shipment'
  readonly releaseMinor: number | null
  readonly expiresAt: Date | null
}

/** What is wrong with a plan: a sentence, and where in it. */
export interface PlanProblem {
  readonly problem: string
  readonly at: string
}

/** Instalments of ours come apart unless the plan says otherwise. */
export const rulesOfPlan = (plan: PaymentPlan | null): PlanRules => ({
  settle: plan?.settle ?? (plan?.legs.some(({ dueAt }) => dueAt !== undefined) ? 'apart' : 'together'),
  capture: plan?.capture ?? 'now',
  releaseMinor: plan?.releaseMinor ?? null,
  expiresAt: plan?.expiresAt === undefined ? null : new Date(plan.expiresAt),
})

export interface PlanFacts {
  readonly settle: 'together' | 'apart'
  readonly capture: 'now' | 'on_shipment'
  /** What is neither taken nor promised nor being asked for. */
  readonly openMinor: number
  /** True when the legs may stay below what is open: a share. */
  readonly share: boolean
  /** True while another share is set aside and waits for this one. */
  readonly waiting: boolean
  readonly now: Date
}

/** Legs of a plan with their amounts. The legs of a first plan add up to what is due; those of a share may stay below what is open. */
export function legsOfPlan(planned: readonly PlannedLeg[], facts: PlanFacts): readonly LegWanted[] | PlanProblem {
  const { openMinor, share } = facts
  const withoutAmount = planned.filter((leg) => leg.amountMinor === undefined).length
  const given = planned.reduce((sum, leg) => sum + (leg.amountMinor ?? 0), 0)
  if (withoutAmount > 1) return { problem: 'Only one leg may leave its amount out and take the rest.', at: '/legs' }
  if (given > openMinor) return { problem: `The legs ask ${given}, more than the ${openMinor} that are open.`, at: '/legs' }
  if (withoutAmount === 1 && given === openMinor) return { problem: 'Nothing is left for the leg without an amount.', at: '/legs' }
  if (withoutAmount === 0 && given < openMinor && !share) {
    return { problem: `The legs add up to ${given}, not to the ${openMinor} that are due.`, at: '/legs' }
  }
  const early = planned.findIndex(({ dueAt }) => dueAt !== undefined && facts.settle === 'together')
  if (early >= 0)
    return { problem: 'Legs of a later day settle apart: what is authorised today may not hold so long.', at: `/legs/${early}/dueAt` }
  const asked = withoutAmount === 1 ? openMinor : given
  // One call is enough where nothing waits for anything else.
  const alone = planned.length === 1 && asked === openMinor && !facts.waiting
  return planned.map((leg) => {
    const dueAt = leg.dueAt === undefined ? null : new Date(leg.dueAt)
    const charged = leg.means !== 'cash_on_delivery' && facts.capture === 'now' && (facts.settle === 'apart' || alone)
    return {
      means: leg.means,
      token: leg.token ?? '',
      gateway: leg.gateway ?? null,
      payer: leg.payer ?? null,
      instalments: leg.instalments ?? 1,
      amountMinor: leg.amountMinor ?? openMinor - given,
      dueAt: dueAt !== null && dueAt > facts.now ? dueAt : null,
      mode: charged ? 'charge' : 'authorize',
      country: '',
    }
  })
}

/** True for the plan that nearly all orders have: one means that pays all, at once. It takes the short way. */
export function isPlain(plan: PaymentPlan | null): boolean {
  if (plan === null) return true
  const [leg, ...more] = plan.legs
  return (
    leg !== undefined &&
    more.length === 0 &&
    plan.settle === undefined &&
    plan.capture !== 'on_shipment' &&
    plan.releaseMinor === undefined &&
    plan.expiresAt === undefined &&
    leg.dueAt === undefined &&
    leg.gateway === undefined &&
    leg.payer === undefined &&
    (leg.instalments === undefined || leg.instalments === 1) &&
    leg.means !== 'cash_on_delivery' &&
    !leg.token?.startsWith('card:')
  )
}
