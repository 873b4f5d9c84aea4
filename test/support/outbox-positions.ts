import type pg from 'pg'

/**
 * Where the sequences of all outboxes stand, as one text. Consumers are asked one beside the other what waits for them, and
 * an event may pass from one to the next between two of those questions; what was announced meanwhile has moved a sequence.
 */
export async function outboxPositions(admin: pg.Client): Promise<string> {
  const { rows } = await admin.query<{ at: string }>(
    `select string_agg(schemaname || ' ' || coalesce(last_value, 0), ', ' order by schemaname) as at
     from pg_sequences where sequencename = 'outbox_id_seq'`,
  )
  return rows[0]?.at ?? ''
}
