import { type ReadContext, statement } from '#platform/database.ts'
import { type ContainerKind, containerOf, findContainers, type StoredContainer } from './container-store.ts'
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
   from walk ${containerOf('walk.node')} where walk.second is not null
   order by walk.position, walk.second desc, walk.level, walk.by, walk.place desc`,
)

/** Begun by then and not ended by then. */
const heldAt = (row: string, at: string) => `${row}.from_at <= ${at} and (${row}.until_at is null or ${row}.until_at > ${at})`

const questions = `unnest($1::bigint[], $2::timestamptz[]) with ordinality as asked (root, at, position)`

const selectAbove = statement<{ position: number; containerId: number; code: string; since: Date }>(
  'containers.find_above',
  `with recursive above as (
     select asked.position, asked.at, step.parent_id, step.from_at, 1 as level from ${questions}
     join containers.containment step on step.child_id = asked.root and ${heldAt('step', 'asked.at')}
     union all
     select above.position, above.at, step.parent_id, step.from_at, above.level + 1 from above
     join containers.containment step on step.child_id = above.parent_id and ${heldAt('step', 'above.at')} where above.level < ${deepest}
   )
   select above.position::int, above.parent_id as "containerId", container.code, above.from_at as since
   from above ${containerOf('above.parent_id')} order by above.position, above.level`,
)

const selectBelow = statement<{ position: number; containerId: number; code: string; kind: ContainerKind; into: number }>(
  'containers.find_below',
  `with recursive below as (
     select asked.position, asked.at, step.child_id, step.parent_id, 1 as level from ${questions}
     join containers.containment step on step.parent_id = asked.root and ${heldAt('step', 'asked.at')}
     union all
     select below.position, below.at, step.child_id, step.parent_id, below.level + 1 from below
     join containers.containment step on step.parent_id = below.child_id and ${heldAt('step', 'below.at')} where below.level < ${deepest}
   )
   select below.position::int, below.child_id as "containerId", container.code, container.kind, below.parent_id as into
   from below ${containerOf('below.child_id')} order by below.position, below.level, container.code`,
)

const selectContents = statement<{ position: number } & Content>(
  'containers.find_contents',
  `select asked.position::int, asked.root as "containerId", waybill_id as "waybillId", item_no as "itemNo", quantity
   from ${questions} join containers.content on content.container_id = asked.root and ${heldAt('content', 'asked.at')}
   order by asked.position, waybill_id, item_no`,
)

export interface Question {
  /** A reference code or an EPC. */
  readonly scanned: string
  readonly at: Date
}

/** Containers as they stood, each at its instant; undefined for those that there are not. Five statements for any number. */
export async function viewContainers(context: ReadContext, asked: readonly Question[]): Promise<(ContainerView | undefined)[]> {
  const found = await findContainers(
    context,
    asked.map(({ scanned }) => scanned),
  )
  const known = asked.flatMap(({ scanned, at }) => {
    const container = found.get(scanned)
    return container === undefined ? [] : [{ container, at, second: secondOf(at) }]
  })
  const parameters = [known.map(({ container }) => container.containerId), known.map(({ second }) => second)]
  const [places, above, below] = await Promise.all([
    context.query(selectPlaces, parameters),
    context.query(selectAbove, parameters),
    context.query(selectBelow, parameters),
  ])
  const placeOf = new Map(places.map(({ position, ...place }) => [position, place]))
  const insideOf = Map.groupBy(above, ({ position }) => position)
  const containersOf = Map.groupBy(below, ({ position }) => position)

  // Each container with all that are in it, to ask for their contents at once.
  const holders = known.flatMap(({ container, second }, index) =>
    [container, ...(containersOf.get(index + 1) ?? [])].map(({ containerId }) => ({ index, containerId, second })),
  )
  const contents = Map.groupBy(
    await context.query(selectContents, [holders.map(({ containerId }) => containerId), holders.map(({ second }) => second)]),
    ({ position }) => holders[position - 1]?.index,
  )
  const views = known.map(({ container, at }, index): ContainerView => {
    return {
      container,
      at,
      place: placeOf.get(index + 1) ?? null,
      inside: (insideOf.get(index + 1) ?? []).map(({ position: _, ...row }) => row),
      containers: (containersOf.get(index + 1) ?? []).map(({ position: _, ...row }) => row),
      contents: (contents.get(index) ?? []).map(({ position: _, ...line }) => line),
    }
  })
  const next = views.values()
  return asked.map(({ scanned }) => (found.get(scanned) === undefined ? undefined : next.next().value))
}

/** Waybills of which something is in what was scanned, at any depth, now. undefined: there is no such container. */
export async function waybillsIn(context: ReadContext, scanned: readonly string[]): Promise<(number[] | undefined)[]> {
  const views = await viewContainers(
    context,
    scanned.map((text) => ({ scanned: text, at: context.now })),
  )
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
