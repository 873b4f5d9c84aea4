import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { DeadLetter, ExchangeMessage } from '#platform/exchange.ts'

const insert = statement(
  'messaging.insert_partner_messages',
  `insert into messaging.partner_message (queue, message_id, topic, key, schema_version, body, trace_id, rehearsal_id, occurred_at)
   select queue, message_id, topic, key, schema_version, body, trace_id, rehearsal_id, occurred_at
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::json[], $7::text[], $8::text[], $9::timestamptz[])
     with ordinality as m (queue, message_id, topic, key, schema_version, body, trace_id, rehearsal_id, occurred_at, position)
   order by position on conflict (queue, message_id) do nothing`,
)
/** Puts messages into queues, with the commit; one that is there already stays as it is. */
export function insertMessages(context: WriteContext, messages: readonly (ExchangeMessage & { readonly queue: string })[]): void {
  context.defer(insert, [
    messages.map(({ queue }) => queue),
    messages.map(({ id }) => id),
    messages.map(({ topic }) => topic),
    messages.map(({ key }) => key),
    messages.map(({ schemaVersion }) => schemaVersion),
    messages.map(({ body }) => JSON.stringify(body)),
    messages.map(({ traceId }) => traceId),
    messages.map(({ rehearsalId }) => rehearsalId),
    messages.map(({ occurredAt }) => occurredAt),
  ])
}

const full = statement<{ queue: string }>(
  'messaging.full_partner_queues',
  `select queue from unnest($1::text[]) as asked (queue) where exists (
     select from messaging.partner_message as message where message.queue = asked.queue and message.state = 'waiting' order by message.id offset $2 limit 1)`,
)
/** Those of the queues in which more than `most` messages wait. */
export const fullQueues = (context: ReadContext, queues: readonly string[], most: number) => context.query(full, [queues, most])

const hold = statement<{ name: string }>(
  'messaging.hold_partner_queue',
  `insert into messaging.partner_queue as held (name, holder, held_until) values ($1, $2, $3::timestamptz + $4::integer * interval '1 millisecond')
   on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until
     where held.holder = excluded.holder or held.held_until < $3 returning name`,
)
/** Becomes, or stays, the one who takes from a queue; false while somebody else is. */
export const holdQueue = async (context: WriteContext, queue: string, holder: string, forMs: number): Promise<boolean> =>
  (await context.query(hold, [queue, holder, context.now, forMs])).length > 0

const letGo = statement('messaging.let_go_partner_queue', `delete from messaging.partner_queue where name = $1 and holder = $2`)
export const letGoQueue = (context: WriteContext, queue: string, holder: string) => context.query(letGo, [queue, holder])

export interface StoredMessage extends ExchangeMessage {
  readonly rowId: number
}
const columns = `id as "rowId", message_id as "id", topic, key, schema_version as "schemaVersion", body, trace_id as "traceId",
  rehearsal_id as "rehearsalId", occurred_at as "occurredAt"`

const oldest = statement<StoredMessage>(
  'messaging.oldest_partner_messages',
  `select ${columns} from messaging.partner_message where queue = $1 and state = 'waiting' order by partner_message.id limit $2`,
)
export const oldestMessages = (context: ReadContext, queue: string, most: number) => context.query(oldest, [queue, most])

const finish = statement(
  'messaging.finish_partner_messages',
  `delete from messaging.partner_message where id = any($1::bigint[]) and state = 'waiting'`,
)
export const finishMessages = (context: WriteContext, rowIds: readonly number[]): void => context.defer(finish, [rowIds])

const bury = statement(
  'messaging.bury_partner_messages',
  `update messaging.partner_message as message set state = 'dead', version = message.version + 1, reason = input.reason
   from unnest($1::bigint[], $2::text[]) as input (id, reason) where message.id = input.id and message.state = 'waiting'`,
)
export const buryMessages = (context: WriteContext, dead: readonly { readonly rowId: number; readonly reason: string }[]): void =>
  context.defer(bury, [dead.map(({ rowId }) => rowId), dead.map(({ reason }) => reason)])

const listDead = statement<DeadLetter>(
  'messaging.dead_partner_messages',
  `select ${columns}, reason from messaging.partner_message where queue = $1 and state = 'dead' order by partner_message.id limit $2`,
)
export const deadMessages = (context: ReadContext, queue: string, most: number) => context.query(listDead, [queue, most])

// A new id for the row puts it at the end of its queue.
const revive = statement<{ id: number }>(
  'messaging.revive_partner_messages',
  `update messaging.partner_message set state = 'waiting', version = version + 1, reason = null, id = default
   where id = any(array(select id from messaging.partner_message where queue = $1 and state = 'dead' order by id limit $2)) and state = 'dead'
   returning id`,
)
export const reviveMessages = (context: WriteContext, queue: string, most: number) => context.query(revive, [queue, most])

const count = statement<{ queue: string; waiting: number; dead: number }>(
  'messaging.count_partner_messages',
  `select asked.queue,
     (select count(*)::int from messaging.partner_message as message where message.queue = asked.queue and message.state = 'waiting') as waiting,
     (select count(*)::int from messaging.partner_message as message where message.queue = asked.queue and message.state = 'dead') as dead
   from unnest($1::text[]) as asked (queue)`,
)
export const countMessages = (context: ReadContext, queues: readonly string[]) => context.query(count, [queues])
