import type { Scope } from '#platform/database.ts'
import type { Milestone } from './fold.ts'
import type { ShipmentView, TimelineEntry } from './shipment-view.ts'

/** A container was seen while something of a waybill was in it. */
export interface InheritedSighting {
  readonly place: string
  readonly seenAt: Date
  /** Code of the container that was seen. */
  readonly code: string
}

/** Asks whoever knows what waybills were in; by waybill, in order of time, a bounded number each. */
export type FindInherited = (scope: Scope, waybillIds: readonly number[]) => Promise<ReadonlyMap<number, readonly InheritedSighting[]>>

/** From here on a shipment is in no container of ours, whether or not somebody has said so. */
const ended: readonly Milestone[] = ['delivered', 'returned', 'cancelled']

/** Views with the places that their shipments inherit, in order of time. They are asked, and stored nowhere; where a shipment stands does not depend on them. */
export async function withInherited(scope: Scope, found: readonly ShipmentView[][], inherited?: FindInherited): Promise<ShipmentView[][]> {
  const waybillIds = [...new Set(found.flatMap((views) => views.flatMap(({ waybillId }) => waybillId ?? [])))]
  if (inherited === undefined || waybillIds.length === 0) return found.map((views) => [...views])
  const { traffic, rehearsalId } = scope
  const sightings = await inherited({ traffic, rehearsalId }, waybillIds)
  return found.map((views) => views.map((view) => ({ ...view, timeline: merge(view, sightings.get(view.waybillId ?? 0) ?? []) })))
}

function merge({ timeline, state }: ShipmentView, sightings: readonly InheritedSighting[]): readonly TimelineEntry[] {
  if (sightings.length === 0) return timeline
  const end = ended.includes(state) ? timeline.findLast(({ voided, milestone }) => !voided && milestone === state)?.occurredAt : undefined
  const entries = sightings
    .map(
      ({ place, seenAt, code }): TimelineEntry => ({
        factId: null,
        occurredAt: seenAt.toISOString(),
        code: 'seen',
        milestone: null,
        place,
        source: 'containers',
        detail: null,
        voided: false,
        inheritedFrom: code,
      }),
    )
    .filter(({ occurredAt }) => end === undefined || occurredAt <= end)
  // The sort is stable: facts keep their own order, and what was seen in their second stands before them, since an end ends what it was in.
  return [...entries, ...timeline].toSorted((a, b) => (a.occurredAt < b.occurredAt ? -1 : a.occurredAt > b.occurredAt ? 1 : 0))
}
