import type { CheckResult } from '#kernel/check.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'
import { deepest } from './containment-store.ts'

const breaking = (verb: string, breaks: string): Statement<{ breaks: string[] }> =>
  statement(`containers.check_${verb}`, `select array(select b::text from (${breaks} limit 100) as breaks (b)) as breaks`)

const overlaps = breaking(
  'overlaps',
  `select format('container %s was put into %s at %s, before it had left %s', child_id, parent_id, from_at, former)
   from (
     select child_id, parent_id, from_at, lag(parent_id) over history as former, lag(coalesce(until_at, 'infinity')) over history as left_at
     from containers.containment window history as (partition by child_id order by from_at, id)
   ) as step
   where left_at > from_at`,
)

// A walk up that comes back to where it began, or is longer than any that nesting allows.
const rings = breaking(
  'rings',
  `with recursive up as (
     select child_id as root, parent_id, 1 as level from containers.containment where until_at is null
     union all
     select up.root, above.parent_id, up.level + 1 from up
     join containers.containment above on above.child_id = up.parent_id and above.until_at is null where up.level < ${deepest}
   )
   select distinct format('container %s is inside itself or more than ${deepest} deep', root) from up
   where parent_id = root or level >= ${deepest}`,
)

const hollow = breaking(
  'hollow',
  `select format('container %s is %s and holds something', container.id, container.state) from containers.container
   where state in ('empty', 'retired') and (
     id in (select container_id from containers.content where until_at is null)
     or id in (select parent_id from containers.containment where until_at is null))`,
)

const absent = breaking(
  'absent',
  `select format('container %s is %s and inside of %s', container.id, container.state, containment.parent_id) from containers.container
   join containers.containment on containment.child_id = container.id and containment.until_at is null
   where container.state in ('lost', 'retired')`,
)

const states = breaking(
  'states',
  `select format('container %s is %s, its history ends at %s', container.id, container.state, coalesce(last.state, 'nothing'))
   from containers.container
   left join (
     select distinct on (root) root, to_states[cardinality(to_states)] as state from containers.change order by root, id desc
   ) as last on last.root = container.id
   where last.state is distinct from container.state`,
)

const lines = breaking(
  'lines',
  `select format('item %s of waybill %s is noted twice in container %s', item_no, waybill_id, container_id) from containers.content
   where until_at is null group by container_id, waybill_id, item_no having count(*) > 1`,
)

const tags = breaking(
  'tags',
  `select format('tag %s was read and is not among the tags', epc) from (
     select distinct epc from containers.tag_read except select epc from containers.tag) as strange`,
)

/**
 * Laws of containers, from their own tables. That the place of a container is the fold of its reads needs no law: it is stored nowhere and
 * folded when it is asked.
 */
export async function checkContainers(context: ReadContext): Promise<CheckResult[]> {
  const run = async (check: string, asked: Statement<{ breaks: string[] }>): Promise<CheckResult> => {
    const [row] = await context.query(asked)
    return { check, breaks: row?.breaks ?? [] }
  }
  return [
    await run('a container is inside at most one other at any time', overlaps),
    await run(`no container is inside itself, and none more than ${deepest} deep`, rings),
    await run('what is empty or retired holds nothing', hollow),
    await run('what is lost or retired is inside of nothing', absent),
    await run('the state of a container is the last one in its history', states),
    await run('a line of a waybill is noted once in a container', lines),
    await run('every tag that was read is known as a tag', tags),
  ]
}

const selectPackedWaybills = statement<{ waybillId: number }>(
  'containers.packed_waybills',
  `select distinct waybill_id as "waybillId" from containers.content where until_at is null and waybill_id > $1 order by 1 limit $2`,
)

/** Waybills of which something is packed now, by rising id; for the law that they exist. */
export async function packedWaybills(context: ReadContext, page: { readonly after: number; readonly limit: number }): Promise<number[]> {
  return (await context.query(selectPackedWaybills, [page.after, page.limit])).map(({ waybillId }) => waybillId)
}
