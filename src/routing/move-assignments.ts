import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { loadRoutesById, type RouteRow } from './board-store.ts'
import { type CurrentZones, fitsType, type Load, lockZoneDays } from './capacity/index.ts'
import { routingEventTypes, type RoutingAssigned, type RoutingReadyWeighed } from './events.ts'
import type { Path } from './path.ts'
import { DecidedUnderneath } from './plan-store.ts'
import { pathOf } from './release-assignments.ts'
import { assignmentsByWaybill, type StoredAssignment } from './routing-store.ts'
import { overBy } from './why.ts'

export interface MoveAssignment {
  readonly waybillId: number
  readonly routeId: number
  /** Number (from 1) of the stop that it becomes; absent: where the way gets longest by least. */
  readonly position?: number
  readonly actor: string
  readonly commandId: string
}

export interface MovedAssignment {
  readonly waybillId: number
  readonly routeId: number
  readonly position: number
}

const write = statement<{ routes: number; moved: number }>(
  'routing.move_assignments',
  `with filled as (
     update routing.route set version = route.version + 1, path = load.path::json, weight_grams = route.weight_grams + load.weight_grams,
       volume_ml = route.volume_ml + load.volume_ml, pieces = route.pieces + load.pieces, stops = route.stops + load.stops,
       state = case when route.stops + load.stops = 0 then 'dropped' else route.state end,
       leaves_at = case when route.stops + load.stops = 0 then null else route.leaves_at end,
       returns_at = case when route.stops + load.stops = 0 then null else route.returns_at end
     from unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[], $5::bigint[], $6::int[], $7::int[])
       as load (id, version, path, weight_grams, volume_ml, pieces, stops)
     where route.id = load.id and route.version = load.version and route.state = 'open' returning 1
   ), moved as (
     update routing.assignment set route_id = move.route_id, pinned = true, ready_at = coalesce(late_ready_at, ready_at), late_ready_at = null,
       version = assignment.version + 1
     from unnest($8::bigint[], $9::int[], $10::bigint[]) as move (waybill_id, attempt, route_id)
     where assignment.waybill_id = move.waybill_id and assignment.attempt = move.attempt and assignment.state = 'assigned' returning 1
   ), logged as (
     insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select waybill_id, '{route}', array[attempt::text], array[from_route::text], array[route_id::text], 'assignments.move', command_id, actor, $14, $15, $16
     from unnest($8::bigint[], $9::int[], $10::bigint[], $11::bigint[], $12::text[], $13::text[])
       as move (waybill_id, attempt, route_id, from_route, command_id, actor)
   )
   select (select count(*)::int from filled) as routes, (select count(*)::int from moved) as moved`,
)

interface Open {
  readonly row: RouteRow
  readonly path: Path
  readonly more: { weightGrams: number; volumeMl: number; pieces: number; stops: number }
}

/**
 * Puts waybills on another truck of the same hours by hand, of their zone or a neighbour's. They stay there when routes are planned anew. What breaks a hard rule
 * is refused in numbers. Locks: zone days, in order. Statements: seven.
 */
export async function moveAssignments(
  context: WriteContext,
  commands: readonly MoveAssignment[],
  currentZones: CurrentZones,
): Promise<Outcome<MovedAssignment>[]> {
  const zones = await currentZones(context)
  const waybillIds = commands.map(({ waybillId }) => waybillId)
  const current = async () =>
    new Map((await assignmentsByWaybill(context, waybillIds)).flatMap((one) => (one.state === 'assigned' ? [[one.waybillId, one]] : [])))
  const before = await current()
  const routeIdsOf = (assigned: ReadonlyMap<number, StoredAssignment>) => [
    ...commands.map(({ routeId }) => routeId),
    ...[...assigned.values()].flatMap(({ routeId }) => (routeId === null ? [] : [routeId])),
  ]
  const seen = await loadRoutesById(context, routeIdsOf(before))
  await lockZoneDays(
    context,
    seen.map(({ zone_id, date }) => ({ zoneId: zone_id, date })),
  )
  const assigned = await current()
  const routes = new Map<number, Open>(
    (await loadRoutesById(context, routeIdsOf(assigned))).map((row) => [
      row.id,
      { row, path: pathOf(row, zones.byId(row.zone_id)?.base ?? null), more: { weightGrams: 0, volumeMl: 0, pieces: 0, stops: 0 } },
    ]),
  )
  const done = new Map<number, { command: MoveAssignment; one: StoredAssignment; from: number }>()
  const outcomes = commands.map((command): Outcome<MovedAssignment> => {
    const one = assigned.get(command.waybillId)
    if (one === undefined || one.routeId === null)
      return refused('routing.not_assigned', `waybill ${command.waybillId} rides on no route`, '/waybillId')
    const from = routes.get(done.get(command.waybillId)?.command.routeId ?? one.routeId)
    const to = routes.get(command.routeId)
    if (to === undefined) return refused('routing.unknown_route', `there is no route ${command.routeId} that drives`, '/routeId')
    if (from === undefined || from === to)
      return from === to
        ? place(to, command)
        : refused('routing.route_not_open', `the route of waybill ${one.waybillId} is over`, '/waybillId')
    const problem = problemOf(command, { one, from, to })
    if (problem !== undefined) return problem
    const at =
      one.lat === null || one.lng === null ? (zones.byId(from.row.zone_id)?.centre ?? { lat: 0, lng: 0 }) : { lat: one.lat, lng: one.lng }
    const ready = Math.ceil(((one.lateReadyAt ?? one.readyAt)?.getTime() ?? 0) / 1000)
    const insertion = to.path.insertionAt(at, command.position, ready)
    if ('lateSeconds' in insertion)
      return refused(
        'routing.too_late',
        `truck ${to.row.vehicle_code} would be ${Math.ceil(insertion.lateSeconds / 60)} min late`,
        '/routeId',
        {
          lateSeconds: insertion.lateSeconds,
        },
      )
    from.path.remove(new Set([one.waybillId]))
    to.path.insert(insertion, at, { waybillId: one.waybillId, ready })
    addTo(from.more, one, -1)
    addTo(to.more, one, 1)
    done.set(one.waybillId, { command, one, from: one.routeId })
    return place(to, command)
  })
  await writeMoves(context, routes, [...done.values()])
  return outcomes
}

const place = ({ path, row }: Open, { waybillId }: MoveAssignment) =>
  accepted({ waybillId, routeId: row.id, position: path.stops.findIndex(({ waybills }) => waybills.includes(waybillId)) + 1 })

function addTo(more: Open['more'], load: Load, times: 1 | -1): void {
  more.weightGrams += times * load.weightGrams
  more.volumeMl += times * load.volumeMl
  more.pieces += times * load.pieces
  more.stops += times
}

function problemOf(
  { waybillId }: MoveAssignment,
  { one, from, to }: { one: StoredAssignment; from: Open; to: Open },
): Outcome<never> | undefined {
  for (const [{ row }, field] of [
    [from, '/waybillId'],
    [to, '/routeId'],
  ] as const)
    if (row.state !== 'open')
      return refused('routing.route_not_open', `route ${row.id} is ${row.state}: it is not changed any more`, field, { state: row.state })
  if (from.row.starts_at.getTime() !== to.row.starts_at.getTime() || from.row.ends_at.getTime() !== to.row.ends_at.getTime())
    return refused('routing.other_slot', `route ${to.row.id} drives in another slot than waybill ${waybillId} was promised`, '/routeId')
  if (!fitsType(to.row.type, one.skuType))
    return refused(
      'routing.wrong_temperature',
      `${one.skuType} goods do not ride on truck ${to.row.vehicle_code} (${to.row.type})`,
      '/routeId',
    )
  const room = {
    weightGrams: to.row.weight_capacity_grams - to.row.weight_grams - to.more.weightGrams,
    volumeMl: to.row.volume_capacity_ml - to.row.volume_ml - to.more.volumeMl,
    pieces: to.row.pieces_capacity - to.row.pieces - to.more.pieces,
  }
  const over = overBy(room, one)
  return over === undefined ? undefined : refused('routing.truck_full', `${over.text} over on truck ${to.row.vehicle_code}`, '/routeId')
}

async function writeMoves(
  context: WriteContext,
  routes: ReadonlyMap<number, Open>,
  done: readonly { command: MoveAssignment; one: StoredAssignment; from: number }[],
): Promise<void> {
  if (done.length === 0) return
  const touched = new Set(done.flatMap(({ command, from }) => [command.routeId, from]))
  const changed = [...routes.values()].filter(({ row }) => touched.has(row.id))
  const [row] = await context.query(write, [
    changed.map(({ row: { id } }) => id),
    changed.map(({ row: { version } }) => version),
    changed.map(({ path }) => JSON.stringify(path.stops)),
    changed.map(({ more }) => more.weightGrams),
    changed.map(({ more }) => more.volumeMl),
    changed.map(({ more }) => more.pieces),
    changed.map(({ more }) => more.stops),
    done.map(({ one }) => one.waybillId),
    done.map(({ one }) => one.attempt),
    done.map(({ command }) => command.routeId),
    done.map(({ from }) => from),
    done.map(({ command }) => command.commandId),
    done.map(({ command }) => command.actor),
    context.traffic,
    context.rehearsalId,
    context.now,
  ])
  if (row?.routes !== changed.length || row.moved !== done.length) throw new DecidedUnderneath('routes changed while a waybill was moved')
  await context.announce(
    done.flatMap(({ one: { waybillId, attempt, lateReadyAt } }): NewEvent[] => {
      if (lateReadyAt === null) return []
      const payload: RoutingReadyWeighed = { waybillId, attempt, readyAt: lateReadyAt.toISOString(), tooLate: null }
      return [{ key: String(waybillId), type: routingEventTypes.readyWeighed, payload }]
    }),
  )
  await context.announce(
    done.map(({ command, one }): NewEvent => {
      const { waybillId, orderId, zoneId, date, slotCode, attempt } = one
      const { row: to } = routes.get(command.routeId) as Open
      const payload: RoutingAssigned = {
        waybillId,
        orderId,
        zoneId: zoneId as number,
        date: date as string,
        slotCode: slotCode as string,
        attempt,
        routeId: to.id,
        vehicleId: to.vehicle_id,
        cutOffAt: (one.cutOffAt ?? to.starts_at).toISOString(),
      }
      return { key: String(waybillId), type: routingEventTypes.assigned, payload }
    }),
  )
}
