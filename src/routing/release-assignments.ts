import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { loadRoutesById, routeOf, type RouteRow } from './board-store.ts'
import { type CurrentZones, lockZoneDays, type ZoneDay, type ZoneMap } from './capacity/index.ts'
import { frameOf } from './fleet.ts'
import { Path, type PathStop } from './path.ts'
import { lockAssignments, type Released, writeReleases, writeTombstones } from './plan-store.ts'
import { assignmentsByWaybill, type StoredAssignment } from './routing-store.ts'
import type { Point } from './travel.ts'

export interface ReleaseAssignment {
  readonly waybillId: number
  /** The attempt that is over; those before it are released too, later ones are not. */
  readonly attempt: number
  readonly actor: string
  readonly commandId: string
}

export interface ReleasedAssignment {
  readonly waybillId: number
  /** Places that were given back by this command: 0 when nothing was held, or all was released before. */
  readonly places: number
}

/**
 * Gives back the truck's room and the quota of waybills that are cancelled or rescheduled. Before the slot's cut-off the quota
 * returns; after it nobody could use it any more, so it burns, and the ledger says so. A release that comes before its
 * assignment is kept, and the assignment then takes nothing.
 * Locks: zone days in order, then assignments by waybill and attempt.
 */
export async function releaseAssignments(
  context: WriteContext,
  commands: readonly ReleaseAssignment[],
  currentZones: CurrentZones,
): Promise<Outcome<ReleasedAssignment>[]> {
  if (commands.length === 0) return []
  const waybillIds = [...new Set(commands.map((command) => command.waybillId))]
  const before = await assignmentsByWaybill(context, waybillIds)
  await lockZoneDays(context, before.flatMap(dayOf))
  const locked = await lockAssignments(context, waybillIds)
  // One that was placed between the read and the lock holds places of a day that is not locked yet: read and lock again.
  const isMoved = (one: StoredAssignment) => {
    const now = locked.get(`${one.waybillId} ${one.attempt}`)
    return now?.state !== one.state || now.routeId !== one.routeId
  }
  const moved = before.some(isMoved) || locked.size > before.length
  const current = moved ? await assignmentsByWaybill(context, waybillIds) : before
  if (moved) await lockZoneDays(context, current.flatMap(dayOf))

  const done = new Set<string>()
  const released: Released[] = []
  const tombstones: ReleaseAssignment[] = []
  const outcomes = commands.map((command): Outcome<ReleasedAssignment> => {
    let places = 0
    let seen = false
    for (const assignment of current) {
      if (assignment.waybillId !== command.waybillId || assignment.attempt > command.attempt) continue
      seen ||= assignment.attempt === command.attempt
      const key = `${assignment.waybillId} ${assignment.attempt}`
      if (assignment.state === 'released' || done.has(key)) continue
      done.add(key)
      places += assignment.state === 'assigned' ? 1 : 0
      const beforeCutOff = locked.get(key)?.beforeCutOff ?? false
      released.push({ assignment, beforeCutOff, commandId: command.commandId, actor: command.actor })
    }
    if (!seen && !done.has(`t ${command.waybillId} ${command.attempt}`)) {
      done.add(`t ${command.waybillId} ${command.attempt}`)
      tombstones.push(command)
    }
    return accepted({ waybillId: command.waybillId, places })
  })
  await writeReleases(context, released, await pathsWithout(context, released, await currentZones(context)))
  const noted = await writeTombstones(context, tombstones)
  // An assignment that committed while its tombstone waited for it is there now, and is released as any other.
  const overtaken = tombstones.filter(({ waybillId, attempt }) => !noted.has(`${waybillId} ${attempt}`))
  if (overtaken.length > 0) await releaseAssignments(context, overtaken, currentZones)
  return outcomes
}

/** Doors of the routes that lose waybills, with their times as they come out then: no other route is touched. */
async function pathsWithout(context: WriteContext, released: readonly Released[], zones: ZoneMap) {
  const gone = new Set<number>()
  const routeIds = new Set<number>()
  for (const { assignment } of released) {
    if (assignment.state !== 'assigned' || assignment.routeId === null) continue
    gone.add(assignment.waybillId)
    routeIds.add(assignment.routeId)
  }
  const rows = routeIds.size === 0 ? [] : await loadRoutesById(context, [...routeIds])
  return new Map(
    rows.map((row) => {
      const path = pathOf(row, zones.byId(row.zone_id)?.base ?? null)
      path.remove(gone)
      return [row.id, { path: JSON.stringify(path.stops), state: row.state }]
    }),
  )
}

export function pathOf(row: RouteRow, zoneBase: Point | null): Path {
  const { startsAt, endsAt, vehicle, times, frozen, path } = routeOf(row)
  return new Path(
    frameOf({ startsAt, endsAt }, { vehicle, ground: { base: zoneBase, centre: nowhere }, times, frozen }),
    JSON.parse(path) as PathStop[],
  )
}

const nowhere = { lat: 0, lng: 0 }

/** The day whose quota it has, and the one of its route, where another zone's truck carries it. */
const dayOf = ({ state, zoneId, routeZoneId, date }: StoredAssignment): ZoneDay[] =>
  state === 'assigned' && date !== null ? [zoneId, routeZoneId].flatMap((id) => (id === null ? [] : [{ zoneId: id, date }])) : []
