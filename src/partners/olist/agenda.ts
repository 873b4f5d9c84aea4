import type { OrderPlan } from './order-plan.ts'

/** Steps of many orders that fall into one stretch of time. */
export interface Tick {
  /** When its first and its last step were due. */
  readonly from: Date
  readonly to: Date
  /** How many steps of each order are due by then, from the first on. */
  readonly due: ReadonlyMap<OrderPlan, number>
}

export interface TickSize {
  readonly longestMs: number
  readonly mostSteps: number
}

/** Cuts the lives of all orders, in time order, into ticks; days on which nothing happened are passed over. */
export function ticksOf(plans: readonly OrderPlan[], { longestMs, mostSteps }: TickSize): Tick[] {
  const steps = plans.flatMap((plan) => plan.steps.map(({ at }, index) => ({ plan, at, number: index + 1 })))
  // Sorting is stable, so steps of one order at one time stay in their sequence.
  steps.sort((a, b) => a.at.getTime() - b.at.getTime())
  const ticks: Tick[] = []
  let due = new Map<OrderPlan, number>()
  let first: Date | undefined
  let last: Date | undefined
  let count = 0
  for (const { plan, at, number } of steps) {
    if (first !== undefined && last !== undefined && (at.getTime() - first.getTime() >= longestMs || count >= mostSteps)) {
      ticks.push({ from: first, to: last, due })
      due = new Map()
      first = undefined
      count = 0
    }
    first ??= at
    last = at
    count += 1
    due.set(plan, number)
  }
  if (first !== undefined && last !== undefined) ticks.push({ from: first, to: last, due })
  return ticks
}
