-- Lock: none that anyone waits for; the table is new.
-- Commands that were accepted to be run later (Prefer: respond-async), and what became of them: the resource that callers watch.
create table platform.command (
  id bigint generated always as identity primary key,
  -- What callers know it by; the id alone would tell how many there are.
  name text not null unique,
  queue text not null check (queue in ('order', 'payment', 'update')),
  operation text not null,
  client text not null,
  scopes text[] not null,
  idempotency_key text not null,
  body_hash bytea not null,
  input json not null,
  trace_id text not null,
  rehearsal_id text,
  state text not null check (state in ('queued', 'done', 'refused')),
  version integer not null default 1,
  attempts smallint not null default 0,
  -- Not to be run before: a lease while a worker has it, a wait after something that should pass.
  run_after timestamptz not null,
  outcome json,
  queued_at timestamptz not null,
  finished_at timestamptz,
  constraint command_once unique (client, idempotency_key),
  constraint command_has_outcome check ((state = 'queued') = (outcome is null))
) with (fillfactor = 50);
create index command_waiting on platform.command (queue, id) where state = 'queued';
create index command_age on platform.command using brin (queued_at);
