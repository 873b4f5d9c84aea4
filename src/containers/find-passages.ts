import { type ReadContext, statement } from '#platform/database.ts'
import { containerOf } from './container-store.ts'
import { deepest } from './containment-store.ts'

/** A container was seen while something of a waybill was in it. */
export interface Passage {
  readonly place: string
  readonly seenAt: Date
  /** Code of the container that was seen: the one that it was in, or one that that was in. */
  readonly code: string
}

/** Sightings that are looked at in each interval, the latest, and those that are told of each waybill. */
const lookedAtMost = 200
const toldMost = 50

const seenIn = (columns: string, table: string, owner: string): string => `
  (select second, ${columns} from containers.${table}
   where ${owner} and second >= inside.from_at and second < coalesce(inside.until_at, 'infinity') order by second desc limit ${lookedAtMost})`

// The walk goes up with a window of time, cut at each step to the interval inside the parent. least() passes over null, which is an interval
// that is still open. A reader says the same each second, so of sightings in a row at one place by one container the first is told.
const selectPassages = statement<Passage & { waybillId: number }>(
  'containers.find_passages',
  `with recursive inside as (
     select distinct waybill_id, container_id as node, from_at, until_at, 0 as level from containers.content
     where waybill_id = any($1::bigint[]) and (until_at is null or until_at > from_at)
     union
     select inside.waybill_id, step.parent_id, greatest(inside.from_at, step.from_at), least(inside.until_at, step.until_at), inside.level + 1
     from inside join containers.containment step on step.child_id = inside.node
       and (inside.until_at is null or step.from_at < inside.until_at) and (step.until_at is null or step.until_at > greatest(inside.from_at, step.from_at))
     where inside.level < ${deepest}
   ), seen as (
     select distinct inside.waybill_id, inside.node, sighting.second, sighting.place from inside cross join lateral (
       ${seenIn('place', 'placing', 'container_id = inside.node')}
       union all
       ${seenIn('reader', 'tag_read', 'epc = (select epc from containers.tag where container_id = inside.node)')}
     ) as sighting
   ), arrived as (
     select *, lag(place) over (partition by waybill_id, node order by second, place) is distinct from place as is_first from seen
   ), latest as (
     select *, row_number() over (partition by waybill_id order by second desc, node, place) as nth from arrived where is_first
   )
   select latest.waybill_id as "waybillId", latest.place, latest.second as "seenAt", container.code
   from latest ${containerOf('latest.node')} where nth <= ${toldMost}
   order by latest.waybill_id, latest.second, container.code, latest.place`,
)

/**
 * Where waybills were, by what they were in at that time: each container's sightings count for all that was in it, at any depth, and
 * no row is copied. By waybill, in order of time, the latest 50 of each. One statement for any number.
 */
export async function findPassages(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, Passage[]>> {
  const found = new Map<number, Passage[]>()
  if (waybillIds.length === 0) return found
  for (const { waybillId, ...passage } of await context.query(selectPassages, [waybillIds])) {
    const passages = found.get(waybillId)
    if (passages === undefined) found.set(waybillId, [passage])
    else passages.push(passage)
  }
  return found
}
