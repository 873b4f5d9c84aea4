import type { SlotPlan } from './plan-zone.ts'

export interface ComparedRuns {
  readonly routes: readonly [number, number]
  readonly cost: readonly [number, number]
  readonly unassigned: readonly [number, number]
  /** Waybills that ride on another truck in the second run; who has a place in one run only; the first hundred of each. */
  readonly otherTruck: { readonly count: number; readonly examples: readonly WaybillDifference[] }
  readonly onlyFirst: { readonly count: number; readonly examples: readonly number[] }
  readonly onlySecond: { readonly count: number; readonly examples: readonly number[] }
  /** Slots whose cost differs, the largest difference first. */
  readonly slots: readonly { readonly zoneId: number; readonly code: string; readonly cost: readonly [number, number] }[]
}

export interface WaybillDifference {
  readonly waybillId: number
  readonly first: string
  readonly second: string
}

const mostExamples = 100

const trucksOf = (plans: readonly SlotPlan[]) =>
  new Map(
    plans.flatMap(({ routes }) =>
      routes.flatMap(({ path, vehicleCode }) => path.flatMap(({ waybills }) => waybills.map((id) => [id, vehicleCode] as const))),
    ),
  )

const some = (ids: readonly number[]) => ({ count: ids.length, examples: ids.slice(0, mostExamples) })

/** What differs between two runs of one date: routes, cost, who has a place, and on which truck. Only what each run changed is in its plans. */
export function compareRuns(first: readonly SlotPlan[], second: readonly SlotPlan[]): ComparedRuns {
  const sum = (of: (plan: SlotPlan) => number): [number, number] => [
    first.reduce((all, plan) => all + of(plan), 0),
    second.reduce((all, plan) => all + of(plan), 0),
  ]
  const [one, two] = [trucksOf(first), trucksOf(second)]
  const ids = [...new Set([...one.keys(), ...two.keys()])].toSorted((a, b) => a - b)
  const other = ids.flatMap((waybillId): WaybillDifference[] => {
    const [was, is] = [one.get(waybillId), two.get(waybillId)]
    return was !== undefined && is !== undefined && was !== is ? [{ waybillId, first: was, second: is }] : []
  })
  const slots = new Map<string, { zoneId: number; code: string; cost: [number, number] }>()
  for (const [which, plans] of [first, second].entries()) {
    for (const { zoneId, code, costAfter } of plans) {
      const slot = slots.get(`${zoneId} ${code}`) ?? { zoneId, code, cost: [0, 0] }
      slot.cost[which as 0 | 1] = costAfter
      slots.set(`${zoneId} ${code}`, slot)
    }
  }
  return {
    routes: sum(({ routes, kept }) => kept + routes.filter(({ path }) => path.length > 0).length),
    cost: sum(({ costAfter }) => costAfter),
    unassigned: sum(({ refused }) => refused.length),
    otherTruck: { count: other.length, examples: other.slice(0, mostExamples) },
    onlyFirst: some(ids.filter((id) => !two.has(id))),
    onlySecond: some(ids.filter((id) => !one.has(id))),
    slots: [...slots.values()]
      .filter(({ cost: [a, b] }) => a !== b)
      .toSorted((a, b) => Math.abs(b.cost[1] - b.cost[0]) - Math.abs(a.cost[1] - a.cost[0]) || a.zoneId - b.zoneId)
      .slice(0, mostExamples),
  }
}
