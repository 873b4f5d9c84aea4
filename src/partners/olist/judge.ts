import { sumMinor } from '#kernel/money.ts'
import type { OrderPlan } from './order-plan.ts'
import type { Held } from './pay-steps.ts'
import type { Expected, Reason } from './reasons.ts'

/** What our system says of an order at the end. */
export interface Standing {
  readonly state: string
  readonly moneyState: string
}

/** What was met while playing an order: a reason that a rule of ours gave, or a trouble that nothing explains. */
export type Met =
  | { readonly kind: 'cancel_too_late'; readonly detail: string }
  | { readonly kind: 'no_zone'; readonly detail: string }
  | { readonly kind: 'trouble'; readonly detail: string }

export interface Verdict {
  readonly id: string
  readonly status: string
  readonly kind: 'asExpected' | 'explained' | 'unexplained'
  readonly reasons: readonly Reason[]
  /** What is not explained. */
  readonly problem: string | null
}

const tooLate = ({ steps }: OrderPlan): readonly Expected[] => [
  { states: [steps.some(({ kind }) => kind === 'deliver') ? 'delivered' : 'shipped'], money: ['captured'] },
]
const unrouted: readonly Expected[] = [{ states: ['paid'], money: ['captured'] }]

/**
 * Compares where an order stands with what the data set says. A reason only excuses the state that it leads to: an order that
 * was called off too late must be with the carrier or the customer, paid; anything else about it is still unexplained.
 */
export function judge(
  plan: OrderPlan,
  { standing, held, met }: { standing: Standing | null; held: Held | null; met: readonly Met[] },
): Verdict {
  const { id, status } = plan
  const reasons: Reason[] = [...plan.reasons]
  const verdict = (problem: string | null): Verdict => {
    const kind = problem !== null ? 'unexplained' : reasons.length > 0 ? 'explained' : 'asExpected'
    return { id, status, kind, reasons, problem }
  }
  const trouble = met.find(({ kind }) => kind === 'trouble')
  if (trouble !== undefined) return verdict(trouble.detail)
  if (plan.place === null) {
    if (standing !== null) return verdict(`could not be placed, yet there is an order that is ${standing.state}`)
    return verdict(reasons.length > 0 ? null : 'was not placed, and nothing says why')
  }
  if (standing === null) return verdict('is not there')

  const aboutMoney = moneyProblem(plan, standing, held)
  if (aboutMoney !== null) return verdict(aboutMoney)

  let accepted: readonly Expected[] = plan.expected === null ? [] : [plan.expected]
  for (const { kind, detail } of met) {
    if (kind === 'cancel_too_late') {
      reasons.push({ code: 'cancelled_after_carrier', detail })
      accepted = tooLate(plan)
    } else if (kind === 'no_zone') {
      reasons.push({ code: 'no_zone', detail })
      accepted = unrouted
    }
  }
  if (plan.expected === null && reasons.some(({ code }) => code === 'unknown_status')) return verdict(null)
  const { state, moneyState } = standing
  if (accepted.some(({ states, money }) => states.includes(state) && money.includes(moneyState))) return verdict(null)
  const wanted = accepted.map(({ states, money }) => `${states.join(' or ')} with money ${money.join(' or ')}`).join('; ')
  return verdict(`is ${state} with money ${moneyState}, but should be ${wanted}`)
}

/** Each means must have taken what its row says, all of it must be kept or all be back, and the journal must say the same. */
function moneyProblem(plan: OrderPlan, standing: Standing, held: Held | null): string | null {
  const wanted = plan.legs.map(({ means, instalments, amountMinor }) => `${means} ${instalments} ${amountMinor}`).toSorted()
  const { taken, keptMinor, ledgerMinor } = held ?? { taken: [], keptMinor: 0, ledgerMinor: 0 }
  if (taken.join() !== wanted.join())
    return `its means took ${taken.join(', ') || 'nothing'}, but should have taken ${wanted.join(', ') || 'nothing'}`
  const paidMinor = sumMinor(plan.legs.map(({ amountMinor }) => amountMinor))
  const keepsMinor = standing.moneyState === 'refunded' ? 0 : paidMinor
  if (keptMinor !== keepsMinor) return `payments keep ${keptMinor}, but should keep ${keepsMinor}`
  return ledgerMinor === keptMinor ? null : `payments keep ${keptMinor}, the ledger says ${ledgerMinor}`
}

/** Whether an order already stands where its status says, so that a later run has nothing to do for it. */
export function isSettled(plan: OrderPlan, standing: Standing): boolean {
  const { expected } = plan
  return expected !== null && expected.states.includes(standing.state) && expected.money.includes(standing.moneyState)
}
