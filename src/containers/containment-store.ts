import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'

/** Reads come to the second, so intervals do as well: what was read in the second of the packing was packed. */
export const secondOf = (instant: Date): Date => new Date(Math.floor(instant.getTime() / 1000) * 1000)

/** More than this in each other is no way of packing but a mistake; it also bounds every walk up and down. */
export const deepest = 8

export interface Inside {
  readonly childId: number
  readonly parentId: number
}

const selectEdges = statement<Inside>(
  'containers.find_edges',
  `with recursive up as (
     select child_id, parent_id, 1 as level from containers.containment where child_id = any($1::bigint[]) and until_at is null
     union all
     select above.child_id, above.parent_id, up.level + 1 from up
     join containers.containment above on above.child_id = up.parent_id and above.until_at is null where up.level <= ${deepest}
   ), down as (
     select child_id, parent_id, 1 as level from containers.containment where parent_id = any($1::bigint[]) and until_at is null
     union all
     select below.child_id, below.parent_id, down.level + 1 from down
     join containers.containment below on below.parent_id = down.child_id and below.until_at is null where down.level <= ${deepest}
   )
   select child_id as "childId", parent_id as "parentId" from up union select child_id, parent_id from down`,
)

/** Everything that the containers are in, and everything in them, now. The caller holds the lock `nesting`. */
export const findEdges = (context: WriteContext, containerIds: readonly number[]): Promise<Inside[]> =>
  context.query(selectEdges, [containerIds])

const takeOut = statement(
  'containers.end_containments',
  `update containers.containment set until_at = greatest($2, from_at)
   where until_at is null and id = any(array(
     select id from containers.containment where until_at is null and child_id = any($1::bigint[])
     union select id from containers.containment where until_at is null and parent_id = any($3::bigint[])))`,
)

/** Ends the intervals in which the children are inside of anything, and those of all that is directly inside the parents. */
export async function endContainments(
  context: WriteContext,
  { childIds = [], insideOf = [] }: { childIds?: readonly number[]; insideOf?: readonly number[] },
): Promise<void> {
  if (childIds.length + insideOf.length > 0) await context.query(takeOut, [childIds, secondOf(context.now), insideOf])
}

// From the end of the last interval at the earliest: clocks of two processes may differ, intervals of one child never overlap.
const putInside = statement(
  'containers.begin_containments',
  `insert into containers.containment (child_id, parent_id, from_at)
   select asked.child_id, asked.parent_id, greatest($3, (
     select last.until_at from containers.containment last where last.child_id = asked.child_id order by last.from_at desc, last.id desc limit 1))
   from unnest($1::bigint[], $2::bigint[]) as asked (child_id, parent_id)`,
)

/** Begins intervals; those of before were ended by an earlier statement of this transaction. */
export async function beginContainments(context: WriteContext, edges: readonly Inside[]): Promise<void> {
  if (edges.length === 0) return
  await context.query(putInside, [edges.map(({ childId }) => childId), edges.map(({ parentId }) => parentId), secondOf(context.now)])
}

export interface Content {
  readonly containerId: number
  readonly waybillId: number
  readonly itemNo: number
  readonly quantity: number
}

const selectPacked = statement<Content>(
  'containers.find_packed',
  `select container_id as "containerId", waybill_id as "waybillId", item_no as "itemNo", quantity
   from containers.content where waybill_id = any($1::bigint[]) and until_at is null`,
)

/** What is packed of waybills now, in whatever container. */
export const findPacked = (context: ReadContext, waybillIds: readonly number[]): Promise<Content[]> =>
  context.query(selectPacked, [waybillIds])

const endLines = statement(
  'containers.end_contents',
  `update containers.content set until_at = greatest($4, from_at)
   from unnest($1::bigint[], $2::bigint[], $3::integer[]) as line (container_id, waybill_id, item_no)
   where content.container_id = line.container_id and content.waybill_id = line.waybill_id and content.item_no = line.item_no
     and content.until_at is null`,
)
const beginLines = statement(
  'containers.begin_contents',
  `insert into containers.content (container_id, waybill_id, item_no, quantity, from_at)
   select container_id, waybill_id, item_no, quantity, $5
   from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[]) as line (container_id, waybill_id, item_no, quantity)
   where quantity > 0`,
)

/** Sets how many pieces of a line are in a container: what was said before ends, and what is said now begins. */
export async function setContents(context: WriteContext, lines: readonly Content[]): Promise<void> {
  if (lines.length === 0) return
  const keys = [lines.map((line) => line.containerId), lines.map((line) => line.waybillId), lines.map((line) => line.itemNo)]
  await context.query(endLines, [...keys, secondOf(context.now)])
  await context.query(beginLines, [...keys, lines.map((line) => line.quantity), secondOf(context.now)])
}

const endAll = statement(
  'containers.end_contents_of',
  `update containers.content set until_at = greatest($2, from_at) where container_id = any($1::bigint[]) and until_at is null`,
)
export async function endContentsOf(context: WriteContext, containerIds: readonly number[]): Promise<void> {
  if (containerIds.length > 0) await context.query(endAll, [containerIds, secondOf(context.now)])
}
