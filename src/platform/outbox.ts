import { type ContextName, type Statement, statement } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { currentContext } from '#platform/request-context.ts'

/**
 * Appends events to a context's outbox, in the caller's transaction.
 *
 * `tx` makes the relay gap-safe. The transaction id is taken in a CTE that feeds the insert, so it exists before any
 * outbox id is drawn; a reader that sees id 6 but not 5 then knows that 5's transaction is older than its own snapshot's
 * xmax, waits until that horizon has passed, and only then may call 5 rolled back (relay.ts). A column default would
 * leave this order to the planner.
 */
const appendStatements = new Map<ContextName, Statement<Record<string, never>>>()

function appendStatementOf(context: ContextName): Statement<Record<string, never>> {
  let found = appendStatements.get(context)
  if (found === undefined) {
    found = statement(
      `${context}.append_events`,
      `with writer as materialized (select pg_current_xact_id() as tx)
       insert into ${context}.outbox (tx, key, type, schema_version, payload, trace_id, rehearsal_id, occurred_at)
       select writer.tx, event.key, event.type, event.schema_version, event.payload, $5, $6, $7
       from writer, unnest($1::text[], $2::text[], $3::smallint[], $4::json[])
         with ordinality as event (key, type, schema_version, payload, position)
       order by event.position`,
    )
    appendStatements.set(context, found)
  }
  return found
}

/** The statement and its parameters that append events to a context's outbox. */
export function appendOf(
  context: ContextName,
  events: readonly NewEvent[],
  about: { readonly rehearsalId: string | null; readonly now: Date },
): [Statement<unknown>, unknown[]] {
  return [
    appendStatementOf(context),
    [
      events.map((event) => event.key),
      events.map((event) => event.type),
      events.map((event) => event.schemaVersion ?? 1),
      events.map((event) => JSON.stringify(event.payload)),
      currentContext()?.traceId ?? '',
      about.rehearsalId,
      about.now,
    ],
  ]
}
