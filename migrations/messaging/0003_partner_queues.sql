-- Lock: none that anyone waits for; every table is new.
-- Queues to and from partners where no broker is given. A message that is done is gone; one that can not be done is dead and stays.
create table messaging.partner_message (
  id bigint generated always as identity primary key,
  queue text not null,
  message_id text not null,
  topic text not null,
  key text not null,
  schema_version smallint not null,
  body json not null,
  trace_id text not null,
  rehearsal_id text,
  occurred_at timestamptz not null,
  state text not null default 'waiting' check (state in ('waiting', 'dead')),
  version integer not null default 1,
  -- Why it is dead.
  reason text,
  constraint partner_message_once unique (queue, message_id),
  constraint partner_message_reason check ((reason is not null) = (state = 'dead'))
) with (fillfactor = 80);
create index partner_message_waiting on messaging.partner_message (queue, id) where state = 'waiting';
create index partner_message_dead on messaging.partner_message (queue, id) where state = 'dead';

-- Who takes from a queue: one at a time, so that order holds. A holder that dies leaves a hold that runs out.
create table messaging.partner_queue (
  name text primary key,
  holder text not null,
  held_until timestamptz not null
);
