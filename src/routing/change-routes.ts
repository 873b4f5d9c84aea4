import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { lockZoneDays } from './capacity/index.ts'
import { routeLifeCycle, type RouteState } from './lifecycle.ts'

export interface ChangeRoute {
  readonly routeId: number
  readonly to: 'open' | 'locked' | 'departed' | 'ended'
  /** How many of its first stops stay where they are when it is planned anew; only of one that is open. */
  readonly frozen?: number
  readonly actor: string
  readonly commandId: string
}

export interface ChangedRouteState {
  readonly routeId: number
  readonly state: RouteState
  readonly frozen: number
}

interface RouteRow {
  id: number
  zone_id: number
  date: string
  state: RouteState
  frozen: number
  doors: number
}

const selectRoutes = statement<RouteRow>(
  'routing.routes_to_change',
  `select id, zone_id, date, state, frozen, json_array_length(path) as doors from routing.route where id = any($1::bigint[]) order by id`,
)

const write = statement(
  'routing.change_routes',
  `with moved as (
     update routing.route set state = change.to_state, frozen = change.frozen, version = route.version + 1
     from unnest($1::bigint[], $2::text[], $3::text[], $4::int[]) as change (id, from_state, to_state, frozen)
     where route.id = change.id and route.state = change.from_state returning route.id
   )
   insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
   select id, '{route}', array[id::text], array[from_state], array[to_state], 'routes.update', command_id, actor, $7, $8, $9
   from unnest($1::bigint[], $2::text[], $3::text[], $5::text[], $6::text[]) as change (id, from_state, to_state, command_id, actor)
   where from_state <> to_state`,
)

/** Locks, unlocks, sends off and ends routes, and freezes their first stops. Locks: zone days, in order. Statements: four. */
export async function changeRoutes(context: WriteContext, commands: readonly ChangeRoute[]): Promise<Outcome<ChangedRouteState>[]> {
  const routeIds = [...new Set(commands.map(({ routeId }) => routeId))]
  const before = await context.query(selectRoutes, [routeIds])
  await lockZoneDays(
    context,
    before.map(({ zone_id, date }) => ({ zoneId: zone_id, date })),
  )
  const routes = new Map((await context.query(selectRoutes, [routeIds])).map((row) => [row.id, row]))
  const changes = new Map<number, { from: RouteState; to: RouteState; frozen: number; command: ChangeRoute }>()
  const outcomes = commands.map((command): Outcome<ChangedRouteState> => {
    const { routeId, to } = command
    const route = routes.get(routeId)
    if (route === undefined) return refused('routing.unknown_route', `there is no route ${routeId}`, '/routeId')
    const state = changes.get(routeId)?.to ?? route.state
    if (state !== to && !routeLifeCycle.canMove(state, to))
      return refused('routing.route_not_movable', `route ${routeId} is ${state} and cannot become ${to}`, '/to', { state })
    const frozen = command.frozen ?? changes.get(routeId)?.frozen ?? route.frozen
    if (frozen > route.doors)
      return refused('routing.bad_frozen', `route ${routeId} has ${route.doors} stops, not ${frozen}`, '/frozen', { stops: route.doors })
    changes.set(routeId, { from: route.state, to, frozen, command })
    return accepted({ routeId, state: to, frozen })
  })
  const done = [...changes].filter(([id, { from, to, frozen }]) => from !== to || frozen !== routes.get(id)?.frozen)
  if (done.length > 0) {
    await context.query(write, [
      done.map(([id]) => id),
      done.map(([, { from }]) => from),
      done.map(([, { to }]) => to),
      done.map(([, { frozen }]) => frozen),
      done.map(([, { command }]) => command.commandId),
      done.map(([, { command }]) => command.actor),
      context.traffic,
      context.rehearsalId,
      context.now,
    ])
  }
  return outcomes
}
