import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { inTurns } from '#platform/turns.ts'
import { type Board, type Place, type Plan, planInSteps, type ReasonCode, type Refusal, type Request } from './assign.ts'
import { type CurrentZones, datesAhead, type Load, lockZoneDays, type SkuType, type Zone } from './capacity/index.ts'
import { loadCells, loadFleet, loadHeld, loadRoutesToTry } from './board-store.ts'
import type { Ground } from './fleet.ts'
import { routingEventTypes, type RoutingAssigned, type RoutingUnassigned } from './events.ts'
import { type Decided, writeDecided } from './plan-store.ts'
import { type AskedAssignment, assignmentsByWaybill, type StoredAssignment, waitingAssignments } from './routing-store.ts'

export interface AssignWaybill extends Load {
  readonly waybillId: number
  readonly orderId: number
  /** Attempt that the route is for; 1 unless told. */
  readonly attempt?: number
  readonly destination: { readonly postcode: string; readonly lat?: number; readonly lng?: number }
  /** The slot the customer chose, or null for the first open one. */
  readonly slot: { readonly date: string; readonly code: string } | null
  readonly skuType: SkuType
  /** When its goods are at the depot, where they are not yet: its truck leaves no sooner. */
  readonly readyAt?: Date
  readonly actor: string
  readonly commandId: string
}

export type AssignedWaybill = { readonly waybillId: number; readonly attempt: number } & (
  | {
      readonly state: 'assigned'
      readonly zoneId: number
      readonly date: string
      readonly slotCode: string
      readonly routeId: number
      readonly vehicleId: number
    }
  | { readonly state: 'waiting'; readonly reasonCode: ReasonCode; readonly reason: string }
  | { readonly state: 'released' }
)

/** How far ahead a waybill without a chosen slot may be promised. */
export const horizonDays = 7
/** Free slots looked at for each zone and SKU type; a day has about six. */
const mostSlots = 16
const firstSlots = 3

interface Wanted {
  readonly asked: AskedAssignment
  readonly before: 'waiting' | null
  /** The reason told last; the same one is not told again. */
  readonly toldReason: string | null
  readonly commandId: string
  readonly actor: string
}

/**
 * Gives each waybill a zone, a slot, a place in a quota and a truck, or a reason in numbers why not. A waybill and attempt
 * that has an assignment keeps it. Locks: the zone days that may be used, in order; all else of those days
 * is changed only under them. Statements: nine for any number of waybills, two more when a route must be opened.
 */
export async function assignWaybills(
  context: WriteContext,
  commands: readonly AssignWaybill[],
  zones: CurrentZones,
): Promise<Outcome<AssignedWaybill>[]> {
  if (commands.length === 0) return []
  const wanted = new Map<string, Wanted>()
  for (const command of commands) {
    const { waybillId, orderId, attempt = 1, destination, slot, skuType, weightGrams, volumeMl, pieces, actor, commandId } = command
    const key = `${waybillId} ${attempt}`
    if (wanted.has(key)) continue
    const { lat = null, lng = null, postcode } = destination
    const asked = {
      waybillId,
      attempt,
      orderId,
      skuType,
      weightGrams,
      volumeMl,
      pieces,
      lat,
      lng,
      postcode,
      asked: slot,
      readyAt: command.readyAt ?? null,
    }
    wanted.set(key, { asked, before: null, toldReason: null, commandId, actor })
  }
  const located = await locate(context, [...wanted.values()], zones)
  await lockFor(context, located)
  const known = new Map(
    (await assignmentsByWaybill(context, [...new Set(commands.map((command) => command.waybillId))])).map((one) => [
      `${one.waybillId} ${one.attempt}`,
      one,
    ]),
  )
  const decided = await decide(
    context,
    located.filter(({ want: { asked } }) => !known.has(`${asked.waybillId} ${asked.attempt}`)),
  )
  return commands.map(({ waybillId, attempt = 1 }) => {
    const key = `${waybillId} ${attempt}`
    const stored = known.get(key)
    return accepted(stored === undefined ? (decided.get(key) as AssignedWaybill) : answerOf(stored))
  })
}

export interface RetryUnassigned {
  /** Only these reasons; absent tries all that wait. */
  readonly reasonCodes?: readonly ReasonCode[]
  /** Cursor: waybill ids above this one. */
  readonly after?: number
  readonly limit?: number
  /** Only these zones. */
  readonly zoneIds?: readonly number[]
  readonly actor: string
  readonly commandId: string
}

export interface Retried {
  readonly tried: number
  readonly assigned: number
  /** Cursor of the next page, null at the end. */
  readonly next: number | null
}

/** Tries waiting waybills again, a page at a time; for after a change of zones, slots, quotas or trucks. */
export async function retryUnassigned(context: WriteContext, command: RetryUnassigned, zones: CurrentZones): Promise<Outcome<Retried>> {
  const { reasonCodes = null, after = 0, limit = 500, zoneIds = null, actor, commandId } = command
  const page = await waitingAssignments(context, { after, reasonCodes, limit, zoneIds })
  const want = (one: StoredAssignment): Wanted => ({ asked: one, before: 'waiting', toldReason: one.reason, commandId, actor })
  await lockFor(context, await locate(context, page.map(want), zones))
  // Read again under the lock: another caller may have placed or released some meanwhile.
  const again = await assignmentsByWaybill(
    context,
    page.map((one) => one.waybillId),
  )
  const waiting = again.filter((one) => one.state === 'waiting')
  const decided = await decide(context, await locate(context, waiting.map(want), zones))
  const assigned = [...decided.values()].filter((one) => one.state === 'assigned').length
  return accepted({ tried: waiting.length, assigned, next: page.length === limit ? (page.at(-1)?.waybillId ?? null) : null })
}

interface Located {
  readonly want: Wanted
  readonly zone: Zone | undefined
  /** Zones that may help out, in order. */
  readonly neighbours: readonly Zone[]
}

async function locate(context: WriteContext, wanted: readonly Wanted[], currentZones: CurrentZones): Promise<Located[]> {
  const zones = await currentZones(context)
  return wanted.map((want) => {
    const zone = zones.locate(want.asked)
    return { want, zone, neighbours: (zone?.neighbours ?? []).flatMap((code) => zones.byCode(code) ?? []) }
  })
}

/** Locks the days that may be used: of one without a chosen slot, all of its zone up to the horizon; and those of zones that may help out. */
async function lockFor(context: WriteContext, located: readonly Located[]): Promise<void> {
  const ahead = datesAhead(context.now, horizonDays)
  await lockZoneDays(
    context,
    located.flatMap(({ want: { asked }, zone, neighbours }) => {
      if (zone === undefined) return []
      const dates = asked.asked === null ? ahead : [asked.asked.date]
      return [zone, ...neighbours].flatMap(({ zoneId }) => dates.map((date) => ({ zoneId, date })))
    }),
  )
}

async function decide(context: WriteContext, located: readonly Located[]): Promise<Map<string, AssignedWaybill>> {
  if (located.length === 0) return new Map()
  const { requests, zones, neighbours } = requestsOf(located)
  const demands = new Map(requests.map((one) => [`${one.zoneId} ${one.skuType} ${one.asked?.date} ${one.asked?.code}`, one]))
  const ahead = datesAhead(context.now, horizonDays)
  const held = await loadHeld(
    context,
    requests.map(({ orderId }) => orderId),
  )
  // The same slots of zones that may help out: looked at only when the own routes were not enough.
  const elsewhere = [...demands.values()].flatMap((one) => (neighbours.get(one.zoneId) ?? []).map(({ zoneId }) => ({ ...one, zoneId })))
  const extreme = (of: (...sizes: number[]) => number): Load => ({
    weightGrams: of(...requests.map(({ weightGrams }) => weightGrams)),
    volumeMl: of(...requests.map(({ volumeMl }) => volumeMl)),
    pieces: of(...requests.map(({ pieces }) => pieces)),
  })
  const [least, most] = [extreme(Math.min), extreme(Math.max)]
  const look = async (slots: number, withFleet: boolean): Promise<Plan> => {
    const cells = await loadCells(context, [...demands.values(), ...(withFleet ? elsewhere : [])], {
      from: ahead[0] ?? '',
      to: ahead.at(-1) ?? '',
      mostSlots: slots,
    })
    const routes = await loadRoutesToTry(context, cells, { least, most, all: withFleet })
    const dates = cells.map(({ date }) => date)
    const fleet = withFleet ? await loadFleet(context, { dates, zoneIds: cells.map(({ zoneId }) => zoneId) }) : null
    // A batch of a rush takes a tenth of a second: callers have their turns meanwhile.
    return inTurns(planInSteps(requests, { now: context.now, cells, routes, held, zones, fleet, neighbours }))
  }
  // Most waybills fit on routes that are open in the slot they ask for or the next ones; only for those that do not is all looked at.
  let plan = await look(firstSlots, false)
  if (plan.needsFleet || requests.some(({ asked }, index) => asked === null && 'reason' in (plan.places[index] ?? {})))
    plan = await look(mostSlots, true)

  const places = plan.places.values()
  const decided = located.map(({ want, zone }): Decided & Wanted => {
    const place = zone === undefined ? noZone(want.asked) : waits(want, zone) ? awaitsRun(zone) : (places.next().value as Place | Refusal)
    return { ...want, zoneId: zone?.zoneId ?? null, place }
  })
  const routeIds = await writeDecided(context, decided, plan)
  const events: NewEvent[] = []
  const answers = new Map<string, AssignedWaybill>()
  for (const { asked, place, toldReason } of decided) {
    const { waybillId, orderId, attempt } = asked
    const key = `${waybillId} ${attempt}`
    if ('reason' in place) {
      answers.set(key, { waybillId, attempt, state: 'waiting', reasonCode: place.code, reason: place.reason })
      const payload: RoutingUnassigned = { waybillId, orderId, reasonCode: place.code, reason: place.reason, attempt }
      if (place.reason !== toldReason) events.push({ key: String(waybillId), type: routingEventTypes.unassigned, payload })
      continue
    }
    const { cell, vehicleId } = place
    const at = { zoneId: cell.zoneId, date: cell.date, slotCode: cell.code, routeId: routeIds.get(key) as number, vehicleId }
    answers.set(key, { waybillId, attempt, state: 'assigned', ...at })
    const payload: RoutingAssigned = { waybillId, orderId, ...at, cutOffAt: cell.cutOffAt.toISOString(), attempt }
    events.push({ key: String(waybillId), type: routingEventTypes.assigned, payload })
  }
  await context.announce(events)
  return answers
}

/** In a zone that is planned in waves a waybill waits for the run; a retry by hand is no longer willing to wait. */
const waits = ({ before }: Wanted, { planning }: Zone): boolean => planning === 'wave' && before === null

const awaitsRun = ({ code }: Zone): Refusal => ({
  code: 'awaits_run',
  reason: `zone ${code} is planned in waves: it waits for the next run`,
})

const groundOf = ({ base, centre }: Zone): Ground => ({
  base,
  centre: centre ?? base ?? { lat: 0, lng: 0 },
  depotId: base?.depotId ?? null,
})

function requestsOf(located: readonly Located[]): {
  requests: Request[]
  zones: Board['zones']
  neighbours: NonNullable<Board['neighbours']>
} {
  const zones = new Map<number, Ground>()
  const neighbours = new Map<number, readonly Zone[]>()
  const requests = located.flatMap(({ want, zone, neighbours: own }): Request[] => {
    if (zone === undefined || waits(want, zone)) return []
    const ground = groundOf(zone)
    const { centre } = ground
    zones.set(zone.zoneId, ground)
    neighbours.set(zone.zoneId, own)
    for (const neighbour of own) zones.set(neighbour.zoneId, groundOf(neighbour))
    const { lat, lng } = want.asked
    const at = lat === null || lng === null ? centre : { lat, lng }
    const { readyAt } = want.asked
    return [
      {
        ...want.asked,
        ...(readyAt === null ? {} : { ready: Math.ceil(readyAt.getTime() / 1000) }),
        at,
        zoneId: zone.zoneId,
        zoneCode: zone.code,
      },
    ]
  })
  return { requests, zones, neighbours }
}

function noZone({ lat, lng, postcode }: AskedAssignment): Refusal {
  const where =
    lat !== null && lng !== null
      ? `address ${lat},${lng} lies in no zone`
      : `postcode ${postcode || '(none)'} is in no zone's list and the address has no point`
  return { code: 'no_zone', reason: where }
}

function answerOf(stored: StoredAssignment): AssignedWaybill {
  const { waybillId, attempt, state, zoneId, date, slotCode, routeId, vehicleId, reasonCode, reason } = stored
  if (state === 'assigned' && zoneId !== null && date !== null && slotCode !== null && routeId !== null && vehicleId !== null)
    return { waybillId, attempt, state, zoneId, date, slotCode, routeId, vehicleId }
  if (state === 'waiting' && reasonCode !== null && reason !== null) return { waybillId, attempt, state, reasonCode, reason }
  return { waybillId, attempt, state: 'released' }
}
