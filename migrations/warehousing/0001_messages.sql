-- Lock: none that anyone waits for; every table is new.
-- Outbox: events of this context, written in the transaction that made them true. `tx` is drawn before `id` (src/platform/outbox.ts).
create table warehousing.outbox (
  tx xid8 not null,
  id bigint generated always as identity primary key,
  key text not null,
  type text not null,
  schema_version smallint not null,
  payload json not null,
  trace_id text not null,
  rehearsal_id text,
  occurred_at timestamptz not null
);

-- Inbox: how far each consumer that writes into this context has read, moved in the transaction of its effect.
create table warehousing.consumer (
  name text primary key,
  last_id bigint not null default 0,
  moved_at timestamptz not null default now()
);

-- Events that failed alone, and later ones of the same key, waiting for a person or a replay.
create table warehousing.parked_event (
  consumer text not null,
  source_id bigint not null,
  key text not null,
  event json not null,
  error text not null,
  attempts integer not null default 1,
  parked_at timestamptz not null default now(),
  primary key (consumer, source_id)
);
create index parked_event_key on warehousing.parked_event (consumer, key);

-- Idempotency: first answers by client and key, kept for at least a day. The hash is that of the first body.
create table warehousing.idempotency (
  client text not null,
  key text not null,
  operation text not null,
  body_hash bytea not null,
  outcome json not null,
  created_at timestamptz not null,
  primary key (client, key)
);
create index idempotency_age on warehousing.idempotency using brin (created_at);

-- Leased blocks of ids: a process takes a block in one update and then needs no call per id.
create table warehousing.id_block (
  name text primary key,
  next_block bigint not null default 1
);
