import { type ReadContext, statement } from '#platform/database.ts'
import { type ContainerKind, findContainers, type StoredContainer } from './container-store.ts'
import { type Content, deepest, secondOf } from './containment-store.ts'

/** A container as it stood at an instant. */
export interface ContainerView {
  readonly container: StoredContainer
  readonly at: Date
  /** Where it was seen last, itself or by what it was in at that time. null: nowhere yet. */
  readonly place: Place | null
  /** What it was in: the nearest first. */
  readonly inside: readonly { readonly containerId: number; readonly code: string; readonly since: Date }[]
  /** Containers in it, at any depth. */
  readonly containers: readonly {
    readonly containerId: number
    readonly code: string
    readonly kind: ContainerKind
    readonly into: number
  }[]
  /** Pieces of waybills in it, at any depth. */
  readonly contents: readonly Content[]
}

export interface Place {
  readonly place: string
  readonly seenAt: Date
  /** Whether a reader saw it or a person said so. */
  readonly by: 'reader' | 'person'
  /** Code of the container that was seen there: its own, or that of one that it was in. */
  readonly code: string
}

/**
 * The latest sighting of a container in a window of time. Ties have a fixed order, so that the answer is a function of the set of sightings:
 * of one second a person before a reader, of those the last name.
 */
const latestIn = (node: string, from: string, until: string) => `
  select seen.second, seen.place, seen.by from (
    (select second, place, 'person' as by from containers.placing
     where container_id = ${node} and second >= ${from} and second < ${until} order by second desc, place desc limit 1)
    union all
    (select second, reader, 'reader' from containers.tag_read
     where epc = (select epc from containers.tag where container_id = ${node}) and second >= ${from} and second < ${until}
     order by second desc, reader desc limit 1)
  ) as seen order by seen.second desc, seen.by limit 1`

// A container inherits what its parents were seen at while it was in them. So the walk goes up with a window of time: the one asked, cut to
// the interval inside the parent, and to what is later than the latest sighting found below, since nothing earlier can win.
const selectPlaces = statement<{ position: number } & Place>(
  'containers.find_places',
  `with recursive asked as (
     select container_id, second + interval '1 second' as until, position::int from unnest($1::bigint[], $2::timestamptz[])
       with ordinality as asked (container_id, second, position)
   ), walk as (
     select asked.position, asked.container_id as node, 0 as level, asked.until, coalesce(latest.second, '-infinity') as best,
       latest.place, latest.by, latest.second
     from asked left join lateral (${latestIn('asked.container_id', `'-infinity'`, 'asked.until')}) as latest on true
     union all
     select walk.position, above.parent_id, walk.level + 1, least(walk.until, above.until_at),
       coalesce(latest.second, greatest(walk.best, above.from_at)), latest.place, latest.by, latest.second
     from walk
     join containers.containment above on above.child_id = walk.node and above.from_at < walk.until
       and (above.until_at is null or above.until_at > walk.best)
     left join lateral (
       ${latestIn('above.parent_id', 'greatest(walk.best, above.from_at)', 'least(walk.until, above.until_at)')}
     ) as latest on true
     where walk.level < ${deepest}
   )
   select distinct on (walk.position) walk.position, walk.place, walk.second as "seenAt", walk.by, container.code
   from walk join containers.container on container.id = walk.node where walk.second is not null
   order by walk.position, walk.second desc, walk.level, walk.by, walk.place desc`,
)

// Inside at an instant: begun by then and not ended by then.
const heldAt = (row: string) => `${row}.from_at <= $2 and (${row}.until_at is null or ${row}.until_at > $2)`

const selectAbove = statement<{ root: number; containerId: number; code: string; since: Date }>(
  'containers.find_above',
  `with recursive above as (
     select asked.root, step.parent_id, step.from_at, 1 as level from unnest($1::bigint[]) as asked (root)
     join containers.containment step on step.child_id = asked.root and ${heldAt('step')}
     union all
     select above.root, step.parent_id, step.from_at, above.level + 1 from above
     join containers.containment step on step.child_id = above.parent_id and ${heldAt('step')} where above.level < ${deepest}
   )
   select above.root, above.parent_id as "containerId", container.code, above.from_at as since
   from above join containers.container on container.id = above.parent_id order by above.root, above.level`,
)

const selectBelow = statement<{ root: number; containerId: number; code: string; kind: ContainerKind; into: number }>(
  'containers.find_below',
  `with recursive below as (
     select asked.root, step.child_id, step.parent_id, 1 as level from unnest($1::bigint[]) as asked (root)
     join containers.containment step on step.parent_id = asked.root and ${heldAt('step')}
     union all
     select below.root, step.child_id, step.parent_id, below.level + 1 from below
     join containers.containment step on step.parent_id = below.child_id and ${heldAt('step')} where below.level < ${deepest}
   )
   select below.root, below.child_id as "containerId", container.code, container.kind, below.parent_id as into
   from below join containers.container on container.id = below.child_id order by below.root, below.level, container.code`,
)

const selectContents = statement<Content>(
  'containers.find_contents',
  `select container_id as "containerId", waybill_id as "waybillId", item_no as "itemNo", quantity from containers.content
   where container_id = any($1::bigint[]) and ${heldAt('content')} order by container_id, waybill_id, item_no`,
)

const groupBy = <Row extends { root: number }>(rows: readonly Row[]): Map<number, Row[]> => Map.groupBy(rows, (row) => row.root)

/** Containers by what was scanned, as they stood at an instant; undefined for those that there are not. Five statements for any number. */
export async function viewContainers(context: ReadContext, scanned: readonly string[], at: Date): Promise<(ContainerView | undefined)[]> {
  const found = await findContainers(context, scanned)
  const second = secondOf(at)
  const ids = [...new Set(scanned.flatMap((text) => found.get(text)?.containerId ?? []))]
  if (ids.length === 0) return scanned.map(() => undefined)
  const [places, above, below] = await Promise.all([
    context.query(selectPlaces, [ids, ids.map(() => second)]),
    context.query(selectAbove, [ids, second]).then(groupBy),
    context.query(selectBelow, [ids, second]).then(groupBy),
  ])
  const inner = [...below.values()].flat().map(({ containerId }) => containerId)
  const contents = Map.groupBy(await context.query(selectContents, [[...new Set([...ids, ...inner])], second]), (row) => row.containerId)
  const placeOf = new Map(places.map(({ position, ...place }) => [ids[position - 1], place]))
  return scanned.map((text): ContainerView | undefined => {
    const container = found.get(text)
    if (container === undefined) return undefined
    const { containerId } = container
    const containers = (below.get(containerId) ?? []).map(({ root: _, ...row }) => row)
    return {
      container,
      at,
      place: placeOf.get(containerId) ?? null,
      inside: (above.get(containerId) ?? []).map(({ root: _, ...row }) => row),
      containers,
      contents: [containerId, ...containers.map((row) => row.containerId)].flatMap((id) => contents.get(id) ?? []),
    }
  })
}

/** Waybills of which something is in what was scanned, at any depth, now. undefined: there is no such container. */
export async function waybillsIn(context: ReadContext, scanned: readonly string[]): Promise<(number[] | undefined)[]> {
  const views = await viewContainers(context, scanned, context.now)
  return views.map((view) => view && [...new Set(view.contents.map(({ waybillId }) => waybillId))].toSorted((a, b) => a - b))
}

export interface UnknownTag {
  readonly epc: string
  readonly place: string
  readonly seenAt: Date
}

const selectUnknown = statement<UnknownTag>(
  'containers.find_unknown_tags',
  `select tag.epc, latest.reader as place, latest.second as "seenAt" from (
     select epc from containers.tag where container_id is null and epc > $1 order by epc limit $2
   ) as tag cross join lateral (
     select reader, second from containers.tag_read where tag_read.epc = tag.epc order by second desc, reader desc limit 1
   ) as latest order by tag.epc`,
)

/** Tags that were read and are on no container, by their code, with the latest read of each. */
export const findUnknownTags = (context: ReadContext, page: { readonly after: string; readonly limit: number }): Promise<UnknownTag[]> =>
  context.query(selectUnknown, [page.after, page.limit])
