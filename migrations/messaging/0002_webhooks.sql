-- Lock: none that anyone waits for; every table is new.
-- Addresses of partners that want to be told. The secret signs what is sent (Standard Webhooks); the one before it still does
-- for a day after a change, so that receivers can follow.
create table messaging.endpoint (
  id text primary key,
  url text not null,
  description text not null,
  event_types text[] not null check (cardinality(event_types) > 0),
  secret text not null,
  former_secret text,
  former_until timestamptz,
  active boolean not null,
  -- Why it was switched off, where we did it.
  problem text,
  created_at timestamptz not null,
  changed_at timestamptz not null
);

-- One event on its way to one endpoint. A message keeps its name through retries and replays, so that receivers can tell repeats.
create table messaging.delivery (
  id bigint generated always as identity primary key,
  message_id text not null,
  endpoint_id text not null references messaging.endpoint (id),
  event_type text not null,
  event_key text not null,
  body text not null,
  state text not null check (state in ('pending', 'delivered', 'dead')),
  version integer not null default 1,
  attempts smallint not null default 0,
  -- When it is due; while a sender has it, the end of its lease.
  due_at timestamptz,
  last_status smallint,
  last_error text,
  rehearsal_id text,
  created_at timestamptz not null,
  ended_at timestamptz,
  constraint delivery_once unique (endpoint_id, message_id),
  constraint delivery_is_due check ((due_at is not null) = (state = 'pending'))
) with (fillfactor = 70);
create index delivery_due on messaging.delivery (endpoint_id, due_at) where due_at is not null;
create index delivery_dead on messaging.delivery (endpoint_id, id) where state = 'dead';
create index delivery_age on messaging.delivery using brin (created_at);
