import { type Outcome, refused } from '#kernel/outcome.ts'
import type { PaymentPlan } from '#payments'

/** What is wrong with a plan for an amount, or nothing: its shares must be what is due, so that nobody is asked for more or less. */
export function checkPlan(
  plan: PaymentPlan,
  { dueMinor, now, field }: { readonly dueMinor: number; readonly now: Date; readonly field: string },
): Outcome<never> | undefined {
  const wrong = (reason: string, at: string) => refused('orders.payment_mismatch', reason, `${field}${at}`, { dueMinor })
  const open = plan.legs.filter(({ amountMinor }) => amountMinor === undefined).length
  const givenMinor = plan.legs.reduce((sum, leg) => sum + (leg.amountMinor ?? 0), 0)
  if (open > 1) return wrong('Only one leg may leave its amount out and take the rest.', '/legs')
  if (open === 0 && givenMinor !== dueMinor) return wrong(`The legs add up to ${givenMinor}, not to the ${dueMinor} that are due.`, '/legs')
  if (open === 1 && givenMinor > dueMinor)
    return wrong(`The legs ask ${givenMinor} already, more than the ${dueMinor} that are due.`, '/legs')
  if (open === 1 && plan.legs.length > 1 && givenMinor === dueMinor) return wrong('Nothing is left for the leg without an amount.', '/legs')
  if (plan.releaseMinor !== undefined && plan.releaseMinor > dueMinor) return wrong(`Only ${dueMinor} are due.`, '/releaseMinor')
  if (plan.expiresAt !== undefined && Date.parse(plan.expiresAt) <= now.getTime()) return wrong('This instant is past.', '/expiresAt')
  return undefined
}
