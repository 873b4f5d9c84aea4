import type { Consumer } from '#platform/consumer.ts'
import { type ContextName, type Statement, statement } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'

/** A parked event as it is kept in JSON. */
export type StoredEvent = Omit<DeliveredEvent, 'occurredAt'> & { occurredAt: string }

/** The SQL of one consumer: what settles holes in the outbox it follows, its cursor and its parking place. */
export function relayStatementsOf({ name, into }: Consumer) {
  const own = <Row>(verb: string, text: string): Statement<Row> => statement<Row>(`${name}.${verb}`, text)
  return {
    // Every transaction older than this one has ended.
    oldestRunning: own<{ oldest: string }>('oldest_running', `select pg_snapshot_xmin(pg_current_snapshot())::text as oldest`),
    // Newer than every transaction that has an id, because it draws one. The xmax of a snapshot would not do: it is one past the
    // newest that has *ended*, so a transaction that began last and still runs lies at or beyond it, and its events were lost.
    newestBegun: own<{ newest: string }>('newest_begun', `select pg_current_xact_id()::text as newest`),
    cursor: own<{ last_id: number }>(
      'cursor',
      `insert into ${into}.consumer (name) values ($1) on conflict (name) do update set name = excluded.name returning last_id`,
    ),
    move: own<{ name: string }>(
      'move',
      `update ${into}.consumer set last_id = $3, moved_at = $4 where name = $1 and last_id = $2 returning name`,
    ),
    park: own(
      'park',
      `insert into ${into}.parked_event (consumer, source_id, key, event, error)
       select $1, parked.* from unnest($2::bigint[], $3::text[], $4::json[], $5::text[]) as parked
       on conflict (consumer, source_id) do update set attempts = parked_event.attempts + 1, error = excluded.error`,
    ),
    unpark: own<{ source_id: number }>(
      'unpark',
      `delete from ${into}.parked_event where consumer = $1 and source_id = $2 returning source_id`,
    ),
    parkedKeys: own<{ key: string }>('parked_keys', `select distinct key from ${into}.parked_event where consumer = $1`),
    parkedCount: own<{ parked: number }>('parked_count', `select count(*)::int as parked from ${into}.parked_event where consumer = $1`),
    parked: own<{ key: string; event: StoredEvent }>(
      'parked',
      `select key, event from ${into}.parked_event where consumer = $1 order by source_id limit 10000`,
    ),
  }
}

/** Deletes what every reader of this outbox has taken, oldest first, and says how many. */
export const pruneStatement = (from: ContextName) =>
  statement<{ pruned: number }>(
    `${from}.prune_outbox`,
    `with gone as (
       delete from ${from}.outbox where id in (select id from ${from}.outbox where id <= $1 order by id limit $2) returning 1
     ) select count(*)::int as pruned from gone`,
  )
