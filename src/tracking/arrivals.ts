import type { ReadContext, WriteContext } from '#platform/database.ts'
import { estimateArrival } from './arrival/estimate.ts'
import {
  type ArrivalModel,
  casesOf,
  fitArrivals,
  keysOf,
  type Setting,
  type Stage,
  stages,
  type Trip,
  weekdayKeyOf,
} from './arrival/model.ts'
import { cellsOf, keepModel, lanesOf, modelsOf, type PastShipment, sampleShipments } from './arrival-store.ts'
import type { Standing } from './fold.ts'
import type { Shipment } from './shipment-store.ts'

/** When a parcel is expected; four of five come within the window. */
export interface ArrivalView {
  readonly at: string
  readonly from: string
  readonly to: string
  /** Cases like this one that stand behind it. */
  readonly cases: number
  readonly basis: string
  /** Version of the model that told it. */
  readonly model: number
}

const dayMs = 86_400_000
/** Older ways say little of today's; see the half-life in arrival/model.ts. */
const historyMs = 365 * dayMs
/**
 * Shipments that a model is fitted on. Fitting 20,000 takes the process half a second, and more cases would only sharpen cells that are sharp: a lane
 * with 20 cases is believed half, one with 200 nine parts of ten.
 */
const mostShipments = 20_000

/** Fits a new model on what is known now. Null while nothing has been delivered. */
export async function fitArrivalModel(
  context: WriteContext,
  { utcOffsetMinutes = 0 }: { readonly utcOffsetMinutes?: number } = {},
): Promise<{ model: number; shipments: number; cases: number; cells: number } | null> {
  const past = await sampleShipments(context, new Date(context.now.getTime() - historyMs), mostShipments)
  const model = fitArrivals(past.map(tripOf).flatMap(casesOf), { until: context.now.getTime(), utcOffsetMinutes })
  const cells = Object.keys(model.cells).length
  if (cells === 0) return null
  return { model: await keepModel(context, model, past.length), shipments: past.length, cases: model.cases, cells }
}

/** The first way out of a shipment, from what it has reached. A return tells nothing of how long a delivery takes. */
function tripOf({ standing, from, to, distanceKm }: PastShipment): Trip {
  const reached: Partial<Record<Stage, number>> = {}
  let deliveredAt: number | null = null
  for (const [key, time] of Object.entries(standing.reached)) {
    const [leg, , milestone] = key.split('.')
    if (leg !== '1') continue
    if (milestone === 'delivered') deliveredAt = Math.min(deliveredAt ?? Infinity, time)
    const stage = stages.find((each) => each === milestone)
    if (stage !== undefined) reached[stage] = Math.min(reached[stage] ?? Infinity, time)
  }
  const over = deliveredAt === null && ['returning', 'returned', 'cancelled'].includes(standing.state)
  return { origin: from ?? '', destination: to ?? '', distanceKm, reached, deliveredAt, watchedUntil: over ? standing.since : Infinity }
}

/** Undefined where no arrival is to be told: it has come, goes back, or has met a problem whose length history does not know. */
function stageOf({ state, leg, attempt, returnLeg, reached, since, facts }: Standing): { stage: Stage; at: number } | undefined {
  const stage = stages.find((each) => each === state)
  if (stage === undefined || returnLeg || facts === 0) return undefined
  return { stage, at: reached[`${leg}.${attempt}.${state}`] ?? since }
}

/** When each of some shipments is expected, by the newest model: three reads for any number of them, none when all have come. */
export async function arrivalsOf(context: ReadContext, shipments: readonly Shipment[]): Promise<Map<number, ArrivalView>> {
  const under = shipments.flatMap((shipment) => {
    const stage = stageOf(shipment.standing)
    return stage === undefined ? [] : [{ shipment, ...stage }]
  })
  if (under.length === 0) return new Map()
  const pairs = new Map<string, { from: string; to: string }>()
  for (const { shipment } of under)
    if (shipment.from !== null && shipment.to !== null)
      pairs.set(`${shipment.from}\n${shipment.to}`, { from: shipment.from, to: shipment.to })
  const [[newest], lanes] = await Promise.all([modelsOf(context, 1), pairs.size === 0 ? [] : lanesOf(context, [...pairs.values()])])
  if (newest === undefined) return new Map()
  const distances = new Map(lanes.map(({ from, to, distanceKm }) => [`${from}\n${to}`, distanceKm]))
  const settings = under.map(({ shipment: { shipmentId, from, to }, stage, at }) => {
    const setting: Setting = {
      stage,
      at,
      origin: from ?? '',
      destination: to ?? '',
      distanceKm: distances.get(`${from}\n${to}`) ?? null,
    }
    return { shipmentId, setting }
  })
  const keys = settings.flatMap(({ setting }) => [...keysOf(setting), weekdayKeyOf(setting, newest.utcOffsetMinutes)])
  const rows = await cellsOf(context, newest.id, [...new Set(keys)])
  const part = (of: typeof rows): ArrivalModel => ({
    until: newest.untilAt.getTime(),
    cases: newest.cases,
    utcOffsetMinutes: newest.utcOffsetMinutes,
    weekdayShifts: Object.fromEntries(of.flatMap(({ key, days }) => (days.length === 1 ? [[key, days[0] ?? 0]] : []))),
    cells: Object.fromEntries(of.flatMap(({ key, worth, days }) => (days.length === 1 ? [] : [[key, { worth, quantiles: days }]]))),
  })
  const model = part(rows)
  const instant = (ms: number): string => new Date(Math.round(ms / 60_000) * 60_000).toISOString()
  return new Map(
    settings.flatMap(({ shipmentId, setting }) => {
      const arrival = estimateArrival(model, setting, context.now.getTime())
      if (arrival === undefined) return []
      const { at, from, to, cases, basis } = arrival
      return [[shipmentId, { at: instant(at), from: instant(from), to: instant(to), cases, basis, model: newest.id }]]
    }),
  )
}
