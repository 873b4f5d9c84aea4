import { accepted, type Outcome } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'

export interface CommitAssignment {
  readonly waybillId: number
  readonly attempt: number
}

export interface CommittedAssignment {
  readonly waybillId: number
  /** False where the place was committed before, or is given back. */
  readonly committed: boolean
}

const commit = statement<{ waybill_id: number; attempt: number }>(
  'routing.commit_assignments',
  `with locked as materialized (
     select assignment.waybill_id, assignment.attempt, assignment.quota_id
     from routing.assignment join unnest($1::bigint[], $2::int[]) as asked (waybill_id, attempt) using (waybill_id, attempt)
     where assignment.state = 'assigned' and not assignment.committed
     order by waybill_id, attempt for update of assignment
   ), committed as (
     update routing.assignment set committed = true, version = version + 1 from locked
     where assignment.waybill_id = locked.waybill_id and assignment.attempt = locked.attempt
   ), noted as (
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, occurred_at)
     select quota_id, 'commit', 0, array_agg(waybill_id order by waybill_id), $3 from locked group by quota_id order by quota_id
   )
   select waybill_id, attempt from locked`,
)

/**
 * Notes that places are used for good: their goods are being prepared. It moves no number of a quota and needs no lock of a day; it is
 * a row of the ledger, as every effect is. Locks: assignments by waybill and attempt.
 */
export async function commitAssignments(
  context: WriteContext,
  commands: readonly CommitAssignment[],
): Promise<Outcome<CommittedAssignment>[]> {
  if (commands.length === 0) return []
  // Each once: a place that is named twice would stand twice in the ledger.
  const asked = [...new Map(commands.map((command) => [`${command.waybillId} ${command.attempt}`, command])).values()]
  const rows = await context.query(commit, [asked.map(({ waybillId }) => waybillId), asked.map(({ attempt }) => attempt), context.now])
  const fresh = new Set(rows.map((row) => `${row.waybill_id} ${row.attempt}`))
  // Of two copies in one batch the first one committed it.
  return commands.map(({ waybillId, attempt }) => accepted({ waybillId, committed: fresh.delete(`${waybillId} ${attempt}`) }))
}
