import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { BrokenEvent } from './carrier-adapter.ts'

// In order of the key, so that two batches with the same repeated messages wait for each other instead of deadlocking.
const insertMessages = statement<{ carrier: string; digest: string }>(
  'tracking.insert_carrier_messages',
  `insert into tracking.carrier_message (carrier, digest, body, received_at, rehearsal_id)
   select carrier, decode(digest, 'hex'), body, $4, $5 from unnest($1::text[], $2::text[], $3::text[]) as input (carrier, digest, body)
   order by carrier, digest on conflict do nothing returning carrier, encode(digest, 'hex') as digest`,
)
/** Keeps messages that had not come; gives those, as `carrier digest`. */
export async function keepMessages(
  context: WriteContext,
  messages: readonly { readonly carrier: string; readonly digest: string; readonly body: string }[],
): Promise<Set<string>> {
  if (messages.length === 0) return new Set()
  const rows = await context.query(insertMessages, [
    messages.map(({ carrier }) => carrier),
    messages.map(({ digest }) => digest),
    messages.map(({ body }) => body),
    context.now,
    context.rehearsalId,
  ])
  return new Set(rows.map(({ carrier, digest }) => `${carrier} ${digest}`))
}

export interface UnreadMessage {
  readonly id: number
  readonly carrier: string
  readonly body: string
}
const takeUnread = statement<UnreadMessage>(
  'tracking.unread_carrier_messages',
  `select id, carrier, body from tracking.carrier_message where read_at is null and id > $2
   and rehearsal_id is not distinct from $3 order by id limit $1::integer for update skip locked`,
)
/** Locks the oldest unread ones of a rehearsal (null: of none) after an id; another process takes others. */
export const lockUnread = (context: WriteContext, { most, after, of }: { most: number; after: number; of: string | null }) =>
  context.query(takeUnread, [most, after, of])

const selectWaiting = statement<{ rehearsal_id: string | null }>(
  'tracking.waiting_rehearsals',
  'select distinct rehearsal_id from tracking.carrier_message where read_at is null',
)
/** Rehearsals that have unread messages; null among them: some are of none. */
export const waitingRehearsals = async (context: ReadContext): Promise<(string | null)[]> =>
  (await context.query(selectWaiting)).map((row) => row.rehearsal_id)

export interface ReadMessage {
  readonly id: number
  readonly added: number
  readonly known: number
  readonly broken: readonly BrokenEvent[]
}
const markRead = statement(
  'tracking.mark_carrier_messages',
  `update tracking.carrier_message set read_at = $5, added = input.added, known = input.known, broken = input.broken::json
   from unnest($1::bigint[], $2::integer[], $3::integer[], $4::text[]) as input (id, added, known, broken) where carrier_message.id = input.id`,
)
export function markMessages(context: WriteContext, read: readonly ReadMessage[]): void {
  context.defer(markRead, [
    read.map(({ id }) => id),
    read.map(({ added }) => added),
    read.map(({ known }) => known),
    read.map(({ broken }) => (broken.length === 0 ? null : JSON.stringify(broken))),
    context.now,
  ])
}

const pruneRead = statement<{ id: number }>(
  'tracking.prune_carrier_messages',
  `delete from tracking.carrier_message where id = any(array(
     select id from tracking.carrier_message where received_at < $1 and read_at is not null limit 2000)) returning id`,
)
export const pruneMessages = async (context: WriteContext, before: Date): Promise<number> =>
  (await context.query(pruneRead, [before])).length

export interface MessageRow {
  readonly id: number
  readonly carrier: string
  readonly receivedAt: Date
  readonly readAt: Date | null
  readonly added: number | null
  readonly known: number | null
  /** The first ones of them. */
  readonly broken: readonly BrokenEvent[] | null
  readonly brokenCount: number
  readonly bodyBytes: number
}
const messageColumns = `id, carrier, received_at as "receivedAt", read_at as "readAt", added, known,
   coalesce(json_array_length(broken), 0) as "brokenCount", octet_length(body) as "bodyBytes"`
const selectMessages = statement<MessageRow>(
  'tracking.carrier_messages',
  `select ${messageColumns},
     case when json_array_length(broken) > 10 then (select json_agg(each) from (select each from json_array_elements(broken) as each limit 10) as first)
       else broken end as broken
   from tracking.carrier_message
   where id < coalesce($1::bigint, 9223372036854775807) and ($2::text is null or carrier = $2) and (not $3::boolean or broken is not null)
   order by id desc limit $4::integer`,
)
export const messagesOf = (
  context: ReadContext,
  asked: { readonly before: number | null; readonly carrier: string | null; readonly broken: boolean; readonly limit: number },
) => context.query(selectMessages, [asked.before, asked.carrier, asked.broken, asked.limit])

const selectMessage = statement<MessageRow & { body: string }>(
  'tracking.carrier_messages_whole',
  `select ${messageColumns}, broken, body from tracking.carrier_message where id = any($1::bigint[])`,
)
/** Messages with their bodies and all that is broken; by id. */
export const wholeMessages = async (context: ReadContext, ids: readonly number[]) =>
  new Map((await context.query(selectMessage, [ids])).map((row) => [row.id, row]))
