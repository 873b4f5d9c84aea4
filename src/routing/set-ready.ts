import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { loadRoutesById, type RouteRow } from './board-store.ts'
import { type CurrentZones, datesAhead, lockZoneDays, type ZoneDay } from './capacity/index.ts'
import { horizonDays } from './assign-waybills.ts'
import { routingEventTypes, type RoutingReadyWeighed } from './events.ts'
import type { Path } from './path.ts'
import { DecidedUnderneath } from './plan-store.ts'
import { pathOf } from './release-assignments.ts'
import { assignmentsByWaybill, type StoredAssignment } from './routing-store.ts'

export interface SetReady {
  readonly waybillId: number
  /** Attempt that it was said of; absent: the one under way. */
  readonly attempt?: number
  /** When its goods are at the depot; null: they are there. */
  readonly readyAt: Date | null
}

export interface ReadyWaybill {
  readonly waybillId: number
  readonly readyAt: Date | null
  /** When the truck that has it leaves now; null: it has none yet. */
  readonly leavesAt: Date | null
}

const selectReady = statement<{ waybill_id: number; ready_at: Date }>(
  'routing.ready_of_routes',
  `select waybill_id, ready_at from routing.assignment where route_id = any($1::bigint[]) and state = 'assigned' and ready_at is not null`,
)

const write = statement<{ routes: number; noted: number }>(
  'routing.set_ready',
  `with retimed as (
     update routing.route set path = change.path::json, version = route.version + 1
     from unnest($1::bigint[], $2::int[], $3::text[]) as change (id, version, path)
     where route.id = change.id and route.version = change.version and route.state = 'open' returning 1
   ), noted as (
     update routing.assignment set ready_at = change.ready_at, late_ready_at = null, version = assignment.version + 1
     from unnest($4::bigint[], $5::int[], $6::timestamptz[], $7::text[]) as change (waybill_id, attempt, ready_at, state)
     where assignment.waybill_id = change.waybill_id and assignment.attempt = change.attempt and assignment.state = change.state returning 1
   )
   select (select count(*)::int from retimed) as routes, (select count(*)::int from noted) as noted`,
)

const noteLate = statement(
  'routing.note_late',
  `update routing.assignment set late_ready_at = late.ready_at, version = assignment.version + 1
   from unnest($1::bigint[], $2::int[], $3::timestamptz[]) as late (waybill_id, attempt, ready_at)
   where assignment.waybill_id = late.waybill_id and assignment.attempt = late.attempt and assignment.state = 'assigned'`,
)

const underWay = async (context: WriteContext, waybillIds: readonly number[]) =>
  new Map((await assignmentsByWaybill(context, waybillIds)).flatMap((one) => (one.state === 'released' ? [] : [[one.waybillId, one]])))

interface Timed {
  readonly row: RouteRow
  path: Path
}

/**
 * Says when goods come to the depot, for waybills that wait or ride on a route that is still open: the truck then leaves no sooner. One that its truck could not serve in
 * time any more is refused in numbers; it is for people to move it, or to put it off. Locks: zone days, in order. Statements: seven.
 */
export async function setReady(
  context: WriteContext,
  commands: readonly SetReady[],
  currentZones: CurrentZones,
): Promise<Outcome<ReadyWaybill>[]> {
  const zones = await currentZones(context)
  const waybillIds = commands.map(({ waybillId }) => waybillId)
  const ahead = datesAhead(context.now, horizonDays)
  // All days on which somebody could place it meanwhile.
  const daysOf = ({ state, zoneId, routeZoneId, date, asked }: StoredAssignment): ZoneDay[] => {
    const dates = state === 'assigned' && date !== null ? [date] : asked === null ? ahead : [asked.date]
    return [zoneId, routeZoneId].flatMap((id) => (id === null ? [] : dates.map((each) => ({ zoneId: id, date: each }))))
  }
  await lockZoneDays(context, [...(await underWay(context, waybillIds)).values()].flatMap(daysOf))
  const current = await underWay(context, waybillIds)
  const routeIds = [...current.values()].flatMap(({ routeId }) => (routeId === null ? [] : [routeId]))
  const routes = new Map<number, Timed>(
    (await loadRoutesById(context, routeIds)).map((row) => [row.id, { row, path: pathOf(row, zones.byId(row.zone_id)?.base ?? null) }]),
  )
  const readyOf = new Map((await context.query(selectReady, [routeIds])).map((row) => [row.waybill_id, secondsOf(row.ready_at)]))
  const done = new Map<number, { one: StoredAssignment; readyAt: Date | null }>()
  const outcomes = commands.map(({ waybillId, attempt, readyAt }): Outcome<ReadyWaybill> => {
    const one = current.get(waybillId)
    if (one === undefined || (attempt ?? one.attempt) !== one.attempt)
      return refused('routing.unknown_waybill', `waybill ${waybillId} neither waits for a truck nor has one`, '/waybillId')
    if (one.routeId === null) {
      done.set(waybillId, { one, readyAt })
      return accepted({ waybillId, readyAt, leavesAt: null })
    }
    const route = routes.get(one.routeId)
    if (route?.row.state !== 'open') {
      // What its truck need not wait for changes nothing.
      if (route !== undefined && (readyAt === null || secondsOf(readyAt) <= route.path.leaves)) {
        done.set(waybillId, { one, readyAt })
        return accepted({ waybillId, readyAt, leavesAt: new Date(route.path.leaves * 1000) })
      }
      return refused('routing.route_not_open', `the route of waybill ${waybillId} is not changed any more`, '/waybillId')
    }
    const after = new Map(readyOf)
    if (readyAt === null) after.delete(waybillId)
    else after.set(waybillId, secondsOf(readyAt))
    const retimed = route.path.withReady(after)
    if ('lateSeconds' in retimed) {
      // A route that does not hold any more for another reason is not later by goods that it need not wait for.
      if (readyAt === null || secondsOf(readyAt) <= route.path.leaves) {
        done.set(waybillId, { one, readyAt })
        return accepted({ waybillId, readyAt, leavesAt: new Date(route.path.leaves * 1000) })
      }
      return refused(
        'routing.too_late',
        `truck ${route.row.vehicle_code} would be ${Math.ceil(retimed.lateSeconds / 60)} min late with goods that are ready then`,
        '/readyAt',
        { lateSeconds: retimed.lateSeconds },
      )
    }
    route.path = retimed
    if (readyAt === null) readyOf.delete(waybillId)
    else readyOf.set(waybillId, secondsOf(readyAt))
    done.set(waybillId, { one, readyAt })
    return accepted({ waybillId, readyAt, leavesAt: new Date(retimed.leaves * 1000) })
  })
  await writeReady(context, routes, [...done.values()])
  return outcomes
}

/**
 * Follows what waybills told of their goods; of several words about one the last holds. Each is answered by an event: where the truck can not wait, its times stay,
 * the word is kept beside them, and it is for people to move the waybill or to put it off. What neither waits nor rides (any more) has no effect.
 */
export async function followReady(
  context: WriteContext,
  told: readonly (SetReady & { readonly attempt: number })[],
  zones: CurrentZones,
): Promise<void> {
  const commands = [...new Map(told.map((command) => [command.waybillId, command])).values()]
  if (commands.length === 0) return
  const outcomes = await setReady(context, commands, zones)
  const late = commands.filter((_, at) => {
    const outcome = outcomes[at]
    return outcome?.ok === false && outcome.error.code !== 'routing.unknown_waybill'
  })
  if (late.length > 0)
    await context.query(noteLate, [
      late.map(({ waybillId }) => waybillId),
      late.map(({ attempt }) => attempt),
      late.map(({ readyAt }) => readyAt),
    ])
  await context.announce(
    commands.flatMap(({ waybillId, attempt, readyAt }, at): NewEvent[] => {
      const outcome = outcomes[at]
      if (outcome === undefined || (!outcome.ok && outcome.error.code === 'routing.unknown_waybill')) return []
      const tooLate = outcome.ok ? null : outcome.error.detail
      const payload: RoutingReadyWeighed = { waybillId, attempt, readyAt: readyAt?.toISOString() ?? null, tooLate }
      return [{ key: String(waybillId), type: routingEventTypes.readyWeighed, payload }]
    }),
  )
}

const secondsOf = (at: Date): number => Math.ceil(at.getTime() / 1000)

async function writeReady(
  context: WriteContext,
  routes: ReadonlyMap<number, Timed>,
  done: readonly { one: StoredAssignment; readyAt: Date | null }[],
): Promise<void> {
  if (done.length === 0) return
  const touched = new Set(done.map(({ one }) => one.routeId))
  const changed = [...routes.values()].filter(({ row }) => row.state === 'open' && touched.has(row.id))
  const [row] = await context.query(write, [
    changed.map(({ row: { id } }) => id),
    changed.map(({ row: { version } }) => version),
    changed.map(({ path }) => JSON.stringify(path.stops)),
    done.map(({ one }) => one.waybillId),
    done.map(({ one }) => one.attempt),
    done.map(({ readyAt }) => readyAt),
    done.map(({ one }) => one.state),
  ])
  if (row?.routes !== changed.length || row.noted !== done.length)
    throw new DecidedUnderneath('routes changed while goods were told to be ready')
}
