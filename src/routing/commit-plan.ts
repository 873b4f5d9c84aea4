import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import type { Held } from './assign.ts'
import { lockZoneDays } from './capacity/index.ts'
import { type CommitFacts, type CommitRoute, loadCommitFacts, type Standing, writeCommit } from './commit-store.ts'
import { routingEventTypes, type RoutingAssigned, type RoutingUnassigned } from './events.ts'
import type { PlannedRoute, SlotPlan } from './plan-zone.ts'

export interface CommittedSlot {
  /** Routes that were written, and those that had changed since the picture was taken and stay as they are. */
  readonly routes: number
  readonly conflicts: number
  /** Waybills that got a place, those that changed trucks, and those that wait on. */
  readonly assigned: number
  readonly moved: number
  readonly waiting: number
}

export interface Committer {
  readonly runId: number
  readonly actor: string
}

/**
 * Makes a plan of one slot true: route by route, by compare-and-set of versions. A route that changed since the picture was taken keeps what it has, and so
 * does each route that gave it a waybill or wanted one from it; all others are written. Waybills that were cancelled meanwhile fall out, places that were
 * sold meanwhile are not sold twice. Locks: the zone's day, then assignments by waybill. Statements: five for a slot of any size.
 */
export async function commitPlan(context: WriteContext, plan: SlotPlan, by: Committer): Promise<CommittedSlot> {
  await lockZoneDays(context, [plan])
  const facts = await loadCommitFacts(context, plan)
  const { routes, conflicts } = compared(plan, facts)
  const { final, quotaOf, full, takes } = trimmed(plan, routes, facts)
  const told = new Map(plan.refused.map(({ waybillId, code, reason }) => [waybillId, { code, reason }]))
  for (const waybillId of full)
    told.set(waybillId, { code: 'quota_full', reason: `all places of slot ${plan.code} on ${plan.date} were taken while it was planned` })
  const refused = [...told].flatMap(([waybillId, why]) => {
    const standing = facts.waybills.get(waybillId)
    return standing?.state === 'waiting' && standing.reason !== why.reason ? [{ standing, ...why }] : []
  })
  const placed = final.flatMap((route) =>
    route.waybills.flatMap((waybillId) => {
      const standing = facts.waybills.get(waybillId)
      return standing?.state === 'waiting'
        ? [{ standing, quotaId: quotaOf.get(waybillId) as number, route, hold: takes.get(waybillId) ?? null }]
        : []
    }),
  )
  const moved = final.flatMap((route) =>
    route.waybills.flatMap((waybillId) => {
      const standing = facts.waybills.get(waybillId)
      return standing?.state === 'assigned' && standing.routeId !== route.planned.routeId ? [{ standing, route }] : []
    }),
  )
  const routeIds = await writeCommit(context, { plan, routes: final, placed, moved, refused, by })
  const place = { zoneId: plan.zoneId, date: plan.date, slotCode: plan.code, cutOffAt: facts.cutOffAt.toISOString() }
  const events: NewEvent[] = []
  for (const { standing, route } of [...placed, ...moved]) {
    const { waybillId, attempt, orderId } = standing
    const { vehicleId } = route.planned
    const payload: RoutingAssigned = { waybillId, orderId, ...place, routeId: routeIds.get(route.planned) as number, vehicleId, attempt }
    events.push({ key: String(waybillId), type: routingEventTypes.assigned, payload })
  }
  for (const { standing, code, reason } of refused) {
    const { waybillId, attempt, orderId } = standing
    const payload: RoutingUnassigned = { waybillId, orderId, reasonCode: code as RoutingUnassigned['reasonCode'], reason, attempt }
    events.push({ key: String(waybillId), type: routingEventTypes.unassigned, payload })
  }
  await context.announce(events)
  return { routes: final.length, conflicts, assigned: placed.length, moved: moved.length, waiting: told.size }
}

/** Routes that are still as the planner saw them, and whose exchanges are all with such ones. */
function compared(plan: SlotPlan, facts: CommitFacts): { routes: PlannedRoute[]; conflicts: number } {
  const isKnown = ({ routeId, version }: PlannedRoute): boolean => {
    if (routeId === null) return true
    const now = facts.routes.get(routeId)
    return now?.state === 'open' && now.version === version
  }
  let good = plan.routes.filter((route) => isKnown(route) && !facts.takenTrucks.has(route.vehicleId))
  for (let before = -1; before !== good.length; ) {
    before = good.length
    const ids = new Set(good.flatMap(({ routeId }) => (routeId === null ? [] : [routeId])))
    const planned = new Set(good.flatMap(({ path }) => path.flatMap(({ waybills }) => waybills)))
    good = good.filter((route) => {
      // It wants nothing from a route that stays as it is …
      const wants = route.path.flatMap(({ waybills }) => waybills).map((id) => facts.waybills.get(id))
      if (wants.some((one) => one?.state === 'assigned' && one.routeId !== route.routeId && !ids.has(one.routeId ?? 0))) return false
      // … and what it gives away finds its place elsewhere.
      const has = route.routeId === null ? [] : (facts.riders.get(route.routeId) ?? [])
      return has.every((id) => planned.has(id))
    })
  }
  return { routes: good, conflicts: plan.routes.length - good.length }
}

/** Takes out who was cancelled or placed elsewhere since, and who comes over a quota that was sold since; quota by quota in the plan's order. */
function trimmed(plan: SlotPlan, routes: readonly PlannedRoute[], facts: CommitFacts) {
  const quotaOf = new Map(plan.placed.flatMap(({ quotaId, waybillIds }) => waybillIds.map((id) => [id, quotaId] as const)))
  const own = new Set(routes.flatMap(({ path }) => path.flatMap(({ waybills }) => waybills)))
  const left = new Map(facts.left)
  const heldLeft = new Map(facts.holds.map((hold) => [hold, hold.places]))
  const full = new Set<number>()
  const takes = new Map<number, Held>()
  for (const [waybillId, quotaId] of [...quotaOf].toSorted(([a], [b]) => a - b)) {
    const standing = facts.waybills.get(waybillId)
    if (!own.has(waybillId) || standing?.state !== 'waiting') continue
    const hold = facts.holds.find((one) => one.orderId === standing.orderId && one.quotaId === quotaId && (heldLeft.get(one) ?? 0) > 0)
    const room = left.get(quotaId) ?? 0
    if (hold !== undefined) {
      heldLeft.set(hold, (heldLeft.get(hold) ?? 0) - 1)
      takes.set(waybillId, hold)
    } else if (room > 0) left.set(quotaId, room - 1)
    else full.add(waybillId)
  }
  const stays = (id: number): Standing | undefined => {
    const standing = facts.waybills.get(id)
    return standing === undefined || full.has(id) ? undefined : standing
  }
  const final = routes.flatMap((planned): CommitRoute[] => {
    const path = planned.path.flatMap((stop) => {
      const waybills = stop.waybills.filter((id) => stays(id) !== undefined)
      return waybills.length === 0 ? [] : [{ ...stop, waybills }]
    })
    const waybills = path.flatMap((stop) => stop.waybills)
    // A truck that is to be opened for waybills that are all gone stays at home.
    if (planned.routeId === null && waybills.length === 0) return []
    const sum = (of: (one: Standing) => number) => waybills.reduce((total, id) => total + of(stays(id) as Standing), 0)
    return [
      {
        planned,
        path,
        waybills,
        weightGrams: sum((one) => one.weightGrams),
        volumeMl: sum((one) => one.volumeMl),
        pieces: sum((one) => one.pieces),
      },
    ]
  })
  return { final, quotaOf, full, takes }
}
