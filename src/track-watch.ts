import { setTimeout as delay } from 'node:timers/promises'
import { houseScope } from './check.ts'
import { compareOrders, type GoodsContexts } from './check-goods.ts'
import type { Databases, Scope } from '#platform/database.ts'
import type { Metrics } from '#platform/metrics.ts'
import type { Relay } from '#platform/relay.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import type { Tracking } from '#tracking'

/** Holds tracking against its own facts, and against orders and fulfilment where there are any, a page at a time for ever. */
export interface TrackWatch {
  /** A little of each; a job runs it every few seconds. */
  round(scope: Scope): Promise<void>
}

export interface TrackWatchOptions {
  readonly databases: Databases
  readonly tracking: Tracking
  readonly relay: Pick<Relay, 'backlog'>
  readonly metrics: Metrics
  /** Absent where tracking runs by itself. */
  readonly goods?: GoodsContexts
  readonly nowMs: () => number
  readonly log: { warn(facts: object, message: string): void }
}

/** A round goes by slices, with a pause for callers between them: two hundred orders at once were 50 ms for whoever called meanwhile. */
const slice = { shipments: 50, orders: 50, mostARound: 6, pauseMs: 150 } as const
/** A difference is drift when it is still there after this: before, the event that mends it may be on its way. */
const driftAfterMs = 120_000
/** Orders that differ and are looked at again in each round. */
const suspectsMost = 200

interface Watched {
  shipments: number
  order: number
  readonly unequal: Set<number>
  /** Orders that differ, and since when. */
  readonly suspects: Map<number, number>
}

export function openTrackWatch({ databases, tracking, relay, metrics, goods, nowMs, log }: TrackWatchOptions): TrackWatch {
  const watched = new Map<Traffic, Watched>(
    bothTraffics.map((traffic) => [traffic, { shipments: 0, order: 0, unequal: new Set(), suspects: new Map() }]),
  )
  const checked = metrics.counter('track_checked_total', 'Shipments and orders that the standing checker has looked at.', ['what'])
  metrics.gauge(
    'track_drift',
    'Shipments that are not the fold of their facts, and orders that differ from their shipments for two minutes.',
    ['what'],
    () =>
      bothTraffics.flatMap((traffic) => {
        const { unequal, suspects } = watched.get(traffic) as Watched
        const drifted = [...suspects.values()].filter((since) => nowMs() - since >= driftAfterMs).length
        return [
          { traffic, labels: { what: 'projection' }, value: unequal.size },
          { traffic, labels: { what: 'order' }, value: drifted },
        ]
      }),
  )
  metrics.gauge('track_lag_seconds', 'Age of the oldest event that tracking has still to take.', [], async () =>
    Promise.all(
      bothTraffics.map(async (traffic) => {
        const own = (await relay.backlog(traffic)).filter(({ consumer }) => consumer.startsWith('tracking.'))
        return { traffic, labels: {}, value: Math.max(0, ...own.map(({ oldestAgeMs }) => oldestAgeMs)) / 1000 }
      }),
    ),
  )

  // Counted in the database: the same whichever way the facts came in, whichever process took them, and after a restart.
  metrics.gauge('track_unknown_codes', 'Facts recorded whose code is in no table, by their source.', ['source'], async () => {
    const levels = await Promise.all(
      bothTraffics.map(async (traffic) => {
        const rows = await databases.of('tracking').read(houseScope(traffic), (context) => tracking.unknownBySource(context))
        return rows.map(({ source, times }) => ({ traffic, labels: { source }, value: times }))
      }),
    )
    return levels.flat()
  })

  const projections = async (scope: Scope, state: Watched): Promise<void> => {
    // A survey sees one instant: what differs in it is wrong, not late.
    const page = await databases.of('tracking').survey(scope, (context) => tracking.comparePage(context, state.shipments, slice.shipments))
    for (const id of state.unequal) if (id > state.shipments && id <= (page.next ?? Number.MAX_SAFE_INTEGER)) state.unequal.delete(id)
    const wrong = [...new Set([...page.unequal, ...page.otherState])]
    for (const id of wrong) state.unequal.add(id)
    if (wrong.length > 0) log.warn({ shipments: wrong.slice(0, 10) }, 'shipments are not the fold of their facts')
    checked(scope.traffic, { what: 'shipment' }, page.checked)
    state.shipments = page.next ?? 0
  }
  const orders = async (scope: Scope, state: Watched, contexts: GoodsContexts): Promise<void> => {
    const now = nowMs()
    if (state.suspects.size > 0) {
      const again = await compareOrders(scope, databases, contexts, { orderIds: [...state.suspects.keys()] })
      for (const orderId of state.suspects.keys()) if (!again.differences.has(orderId)) state.suspects.delete(orderId)
    }
    for (let slices = 0; slices < slice.mostARound; slices += 1) {
      if (slices > 0) await delay(slice.pauseMs)
      const page = await compareOrders(scope, databases, contexts, { after: state.order, limit: slice.orders })
      for (const [orderId, found] of page.differences) {
        if (state.suspects.has(orderId) || state.suspects.size >= suspectsMost) continue
        state.suspects.set(orderId, now)
        log.warn({ orderId, found: [...found.items, ...found.shipments].slice(0, 3) }, 'an order and its shipments differ; looked at again')
      }
      checked(scope.traffic, { what: 'order' }, page.checked)
      state.order = page.checked < slice.orders ? 0 : (page.last ?? 0)
      if (state.order === 0) break
    }
  }
  return {
    async round({ traffic }) {
      const scope = houseScope(traffic)
      const state = watched.get(traffic) as Watched
      await projections(scope, state)
      if (goods !== undefined) await orders(scope, state, goods)
    },
  }
}
