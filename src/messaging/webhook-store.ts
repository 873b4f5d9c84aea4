import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'

/** By field of a payload, the values that an endpoint wants to hear about. Each field that is named must fit. */
export type OnlyAbout = Readonly<Record<string, readonly (string | number)[]>>

export interface Endpoint {
  readonly id: string
  readonly url: string
  readonly description: string
  readonly eventTypes: readonly string[]
  readonly only: OnlyAbout | null
  readonly active: boolean
  readonly problem: string | null
  readonly createdAt: Date
}

const endpointColumns = `id, url, description, event_types as "eventTypes", only_about as only, active, problem, created_at as "createdAt"`

const putEndpoint = statement<Endpoint & { isNew: boolean; secret: string }>(
  'messaging.put_endpoints',
  `insert into messaging.endpoint (id, url, description, event_types, secret, active, only_about, created_at, changed_at)
   select id, url, description, event_types::text[], secret, active, only_about::json, $7, $7
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $8::text[])
     as e (id, url, description, event_types, secret, active, only_about)
   on conflict (id) do update set url = excluded.url, description = excluded.description, event_types = excluded.event_types,
     active = excluded.active, only_about = excluded.only_about, problem = null, changed_at = excluded.changed_at
   returning ${endpointColumns}, secret, created_at = changed_at as "isNew"`,
)

export interface PutEndpoint {
  readonly endpointId: string
  readonly url: string
  readonly description: string
  readonly eventTypes: readonly string[]
  readonly only: OnlyAbout | null
  readonly active: boolean
}

/** Registers endpoints or changes them. A new one gets the secret given; a known one keeps its own. */
export function putEndpoints(context: WriteContext, asked: readonly (PutEndpoint & { secret: string })[]) {
  return context.query(putEndpoint, [
    asked.map((endpoint) => endpoint.endpointId),
    asked.map((endpoint) => endpoint.url),
    asked.map((endpoint) => endpoint.description),
    asked.map((endpoint) => `{${endpoint.eventTypes.map((type) => JSON.stringify(type)).join(',')}}`),
    asked.map((endpoint) => endpoint.secret),
    asked.map((endpoint) => endpoint.active),
    context.now,
    asked.map((endpoint) => (endpoint.only === null ? null : JSON.stringify(endpoint.only))),
  ])
}

const rotate = statement<{ id: string; secret: string }>(
  'messaging.rotate_secrets',
  `update messaging.endpoint set former_secret = endpoint.secret, former_until = $3::timestamptz + interval '1 day', secret = input.secret, changed_at = $3
   from unnest($1::text[], $2::text[]) as input (id, secret) where endpoint.id = input.id returning endpoint.id, endpoint.secret`,
)
export const rotateSecrets = (context: WriteContext, ids: readonly string[], secrets: readonly string[]) =>
  context.query(rotate, [ids, secrets, context.now])

const list = statement<Endpoint & { pending: number; dead: number }>(
  'messaging.list_endpoints',
  `select ${endpointColumns},
     (select count(*) from messaging.delivery where endpoint_id = endpoint.id and state = 'pending') as pending,
     (select count(*) from messaging.delivery where endpoint_id = endpoint.id and state = 'dead') as dead
   from messaging.endpoint order by id`,
)
export const listEndpoints = (context: ReadContext) => context.query(list)

const active = statement<{ id: string; eventTypes: string[]; only: OnlyAbout | null }>(
  'messaging.active_endpoints',
  `select id, event_types as "eventTypes", only_about as only from messaging.endpoint where active`,
)
export const activeEndpoints = (context: ReadContext) => context.query(active)

export interface NewDelivery {
  readonly messageId: string
  readonly endpointId: string
  readonly eventType: string
  readonly eventKey: string
  readonly body: string
}

const insert = statement(
  'messaging.insert_deliveries',
  `insert into messaging.delivery (message_id, endpoint_id, event_type, event_key, body, state, due_at, rehearsal_id, created_at)
   select message_id, endpoint_id, event_type, event_key, body, 'pending', $6, $7, $6
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
     with ordinality as d (message_id, endpoint_id, event_type, event_key, body, position)
   order by position on conflict (endpoint_id, message_id) do nothing`,
)
export function insertDeliveries(context: WriteContext, deliveries: readonly NewDelivery[]): void {
  if (deliveries.length === 0) return
  context.defer(insert, [
    deliveries.map((delivery) => delivery.messageId),
    deliveries.map((delivery) => delivery.endpointId),
    deliveries.map((delivery) => delivery.eventType),
    deliveries.map((delivery) => delivery.eventKey),
    deliveries.map((delivery) => delivery.body),
    context.now,
    context.rehearsalId,
  ])
}

export interface DueDelivery {
  readonly id: number
  readonly messageId: string
  readonly endpointId: string
  readonly url: string
  readonly body: string
  readonly attempts: number
  readonly secrets: readonly string[]
}

// A lease: nothing is locked while a partner's server is called. Whoever dies meanwhile leaves a delivery that is due again.
const claim = statement<DueDelivery>(
  'messaging.claim_deliveries',
  `with due as materialized (
     select delivery.id from messaging.endpoint cross join lateral (
       select id from messaging.delivery where endpoint_id = endpoint.id and due_at <= $1 order by due_at limit $2 for update skip locked
     ) as delivery where endpoint.active
   ), claimed as (
     update messaging.delivery set attempts = least(attempts + 1, 32767), due_at = $1::timestamptz + $3::integer * interval '1 millisecond'
     where id in (select id from due) returning id, message_id, endpoint_id, body, attempts
   )
   select claimed.id, message_id as "messageId", endpoint_id as "endpointId", endpoint.url, body, attempts,
     array_remove(array[secret, case when former_until > $1 then former_secret end], null) as secrets
   from claimed join messaging.endpoint on endpoint.id = claimed.endpoint_id where endpoint.active order by claimed.id`,
)
/** Takes what is due, the oldest `most` of each endpoint. */
export const claimDeliveries = (context: WriteContext, most: number, leaseMs: number) => context.query(claim, [context.now, most, leaseMs])

/** What became of a delivery: `retryMs` null where it has ended. */
export interface Delivered {
  readonly id: number
  readonly state: 'delivered' | 'dead' | 'pending'
  readonly retryMs: number | null
  readonly status: number | null
  readonly error: string | null
}

const record = statement(
  'messaging.record_deliveries',
  `update messaging.delivery set state = input.state, version = delivery.version + 1, due_at = $6::timestamptz + input.retry_ms * interval '1 millisecond',
     last_status = input.status, last_error = input.error, ended_at = case when input.state = 'pending' then null else $6::timestamptz end
   from unnest($1::bigint[], $2::text[], $3::integer[], $4::smallint[], $5::text[]) as input (id, state, retry_ms, status, error)
   where delivery.id = input.id and delivery.state = 'pending'`,
)
export function recordDeliveries(context: WriteContext, ended: readonly Delivered[]): void {
  if (ended.length === 0) return
  context.defer(record, [
    ended.map((delivery) => delivery.id),
    ended.map((delivery) => delivery.state),
    ended.map((delivery) => delivery.retryMs),
    ended.map((delivery) => delivery.status),
    ended.map((delivery) => delivery.error),
    context.now,
  ])
}

const switchOff = statement(
  'messaging.switch_off_endpoints',
  `update messaging.endpoint set active = false, problem = $2, changed_at = $3 where id = any($1::text[])`,
)
export const switchOffEndpoints = (context: WriteContext, ids: readonly string[], problem: string) =>
  context.query(switchOff, [ids, problem, context.now])

/** In one call. */
export const mostReplayed = 10_000
const replay = statement<{ id: number }>(
  'messaging.replay_deliveries',
  `update messaging.delivery set state = 'pending', version = version + 1, attempts = 0, due_at = $4, ended_at = null
   where id = any(array(
     select id from messaging.delivery where endpoint_id = $1 and state <> 'pending'
       and ($2::bigint[] is null or id = any($2))
       and ($2::bigint[] is not null or $3::timestamptz is null and $5::bigint is null and state = 'dead' or created_at >= $3 or id >= $5)
     order by id limit ${mostReplayed}))
   returning id`,
)
export interface Replayed {
  readonly ids: readonly number[] | null
  readonly since: Date | null
  readonly from: number | null
}
/** Sends ended deliveries of an endpoint again: those named, those since an instant or from a position, or, with none, the dead ones. At most 10,000. */
export const replayDeliveries = (context: WriteContext, endpointId: string, { ids, since, from }: Replayed) =>
  context.query(replay, [endpointId, ids, since, context.now, from])

export interface DeliveryView {
  readonly deliveryId: number
  readonly messageId: string
  readonly eventType: string
  readonly eventKey: string
  readonly state: string
  readonly attempts: number
  readonly lastStatus: number | null
  readonly lastError: string | null
  readonly createdAt: Date
}
const listDelivered = statement<DeliveryView>(
  'messaging.list_deliveries',
  `select id as "deliveryId", message_id as "messageId", event_type as "eventType", event_key as "eventKey", state, attempts,
     last_status as "lastStatus", last_error as "lastError", created_at as "createdAt"
   from messaging.delivery where endpoint_id = $1 and ($2::text is null or state = $2) and id < coalesce($3::bigint, 9223372036854775807)
   order by id desc limit $4`,
)
export const listDeliveries = (
  context: ReadContext,
  question: { endpointId: string; state: string | null; before: number | null; limit: number },
) => context.query(listDelivered, [question.endpointId, question.state, question.before, question.limit])
