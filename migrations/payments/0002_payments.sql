-- Lock: none that anyone waits for; every table is new.
-- Foreign keys are left out on purpose: a key check per row costs more than the row, every row below a request is written in
-- one statement with it, and `checkPayments` looks for orphans.

-- Rows of request and leg are written once and changed once, within milliseconds. Half-full pages give the second version room
-- beside the first: measured, all of 73,472 updates were heap-only (at 85 per cent: a quarter) and the tables smaller by a fifth.

-- A request for money, for one order. `closed` is 0 while the request lives and its own id once it has expired or been
-- cancelled, so that (order_id, closed) lets an order have one living request and any number of ended ones. A partial index
-- on state would say the same, but would make every change of state rewrite every index of the row.
create table payments.request (
  id bigint primary key,
  order_id bigint not null,
  closed bigint not null default 0,
  store_id text not null,
  currency text not null check (length(currency) = 3),
  -- What was asked at first; what has been taken off since (cancelled items, refunds). Due is the difference.
  amount_minor bigint not null check (amount_minor >= 0),
  reduced_minor bigint not null default 0 check (reduced_minor between 0 and amount_minor),
  state text not null check (
    state in ('open', 'requires_action', 'processing', 'partially_covered', 'covered', 'overcovered', 'expired', 'cancelled')
  ),
  version integer not null default 1,
  created_at timestamptz not null,
  constraint request_one_alive unique (order_id, closed),
  constraint request_closed_with_state check ((closed = 0) = (state not in ('expired', 'cancelled')))
) with (fillfactor = 50);

-- One means of payment of a request.
create table payments.leg (
  id bigint primary key,
  request_id bigint not null,
  position smallint not null,
  means text not null check (means in ('card', 'points', 'voucher', 'wallet', 'transfer', 'cash_on_delivery')),
  token text not null,
  amount_minor bigint not null check (amount_minor > 0),
  captured_minor bigint not null default 0,
  -- Refunds under way and done; the limit of a refund is captured minus held, read under the request's row lock.
  refund_held_minor bigint not null default 0,
  refunded_minor bigint not null default 0,
  attempts smallint not null default 0,
  retry_at timestamptz,
  state text not null check (
    state in ('created', 'requires_action', 'authorized', 'partially_captured', 'captured', 'partially_refunded', 'refunded', 'voided',
              'failed', 'charged_back', 'conflict')
  ),
  version integer not null default 1,
  constraint leg_position unique (request_id, position),
  constraint leg_money check (0 <= refunded_minor and refunded_minor <= refund_held_minor and refund_held_minor <= captured_minor
    and captured_minor <= amount_minor)
) with (fillfactor = 50);
create index leg_retry on payments.leg (retry_at) where retry_at is not null;

-- One call of one gateway. `retired` is 0 while the attempt may have taken money (sent, unknown, succeeded) and its own
-- sequence number once it is certain that it has not. The unique constraint is the failover rule as a wall: while one
-- attempt of a leg is unknown or has succeeded there cannot be another.
create table payments.attempt (
  id bigint primary key,
  leg_id bigint not null,
  request_id bigint not null,
  sequence smallint not null check (sequence > 0),
  retired smallint not null default 0 check (retired in (0, sequence)),
  gateway text not null,
  amount_minor bigint not null check (amount_minor > 0),
  state text not null check (
    state in ('created', 'sent', 'succeeded', 'declined_soft', 'declined_hard', 'unreachable', 'unknown')
  ),
  gateway_ref text,
  reason text,
  sent_at timestamptz not null,
  -- When the sweep should next ask the gateway; null once the attempt is final.
  look_at timestamptz,
  looks smallint not null default 0,
  version integer not null default 1,
  constraint attempt_one_at_a_time unique (leg_id, retired),
  constraint attempt_has_result check (state <> 'succeeded' or gateway_ref is not null),
  constraint attempt_is_watched check ((look_at is not null) = (state in ('created', 'sent', 'unknown')))
);
create index attempt_look on payments.attempt (look_at) where look_at is not null;

-- Money on its way back. A stray refund gives back a charge that was found after its attempt had been given up; it is
-- counted apart from the leg, which never counted the charge.
create table payments.refund (
  id bigint primary key,
  request_id bigint not null,
  leg_id bigint not null,
  attempt_id bigint not null,
  gateway text not null,
  charge_ref text not null,
  amount_minor bigint not null check (amount_minor > 0),
  stray boolean not null default false,
  reason text not null,
  state text not null check (
    state in ('requested', 'approved', 'sent', 'pending', 'succeeded', 'failed', 'unknown', 'manual')
  ),
  gateway_ref text,
  failure text,
  created_at timestamptz not null,
  look_at timestamptz,
  looks smallint not null default 0,
  version integer not null default 1,
  constraint refund_is_watched check ((look_at is not null) = (state in ('requested', 'approved', 'sent', 'pending', 'unknown')))
) with (fillfactor = 85);
create index refund_request on payments.refund (request_id);
create index refund_look on payments.refund (look_at) where look_at is not null;
create unique index refund_one_stray on payments.refund (attempt_id) where stray;

-- What gateways told us by webhook, once per event of theirs, kept whether or not we know its subject.
create table payments.webhook (
  gateway text not null,
  event_id text not null,
  kind text not null check (kind in ('charge', 'refund')),
  subject_id bigint not null,
  outcome text not null,
  gateway_ref text,
  reason text,
  payload json not null,
  received_at timestamptz not null,
  processed_at timestamptz,
  -- applied, repeated (we knew), contradicted (we know better or otherwise), unmatched (no such attempt or refund).
  verdict text check (verdict in ('applied', 'repeated', 'contradicted', 'unmatched')),
  primary key (gateway, event_id)
) with (fillfactor = 85);
create index webhook_waiting on payments.webhook (received_at) where processed_at is null;

-- History: one row per request and command; its arrays run in step. No index but the key yet: nothing asks by root.
create table payments.change (
  id bigint generated always as identity primary key,
  root bigint not null,
  levels text[] not null,
  entities text[] not null,
  from_states text[] not null,
  to_states text[] not null,
  cause text not null,
  command_id text not null,
  actor text not null,
  traffic text not null,
  rehearsal_id text,
  occurred_at timestamptz not null
);

create view payments.change_log as
select change.id as sequence, step.position, change.root, step.level, step.entity, step.from_state, step.to_state, change.cause,
  change.command_id, change.actor, change.traffic, change.rehearsal_id, change.occurred_at
from payments.change,
  unnest(change.levels, change.entities, change.from_states, change.to_states)
    with ordinality as step (level, entity, from_state, to_state, position);

-- An UPDATE by hand leaves `version` as it was; the store always raises it, so its own updates never fire this.
create function payments.record_hand_change() returns trigger language plpgsql as $$
declare
  entity jsonb := to_jsonb(new);
begin
  insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (
    coalesce((entity ->> 'request_id')::bigint, new.id), array[tg_argv[0]], array[new.id::text], array[old.state], array[new.state],
    'by hand', '', session_user, coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp()
  );
  return null;
end
$$;

create trigger request_hand_change after update of state on payments.request for each row
  when (old.state is distinct from new.state and new.version = old.version) execute function payments.record_hand_change('request');
create trigger leg_hand_change after update of state on payments.leg for each row
  when (old.state is distinct from new.state and new.version = old.version) execute function payments.record_hand_change('leg');
create trigger attempt_hand_change after update of state on payments.attempt for each row
  when (old.state is distinct from new.state and new.version = old.version) execute function payments.record_hand_change('attempt');
create trigger refund_hand_change after update of state on payments.refund for each row
  when (old.state is distinct from new.state and new.version = old.version) execute function payments.record_hand_change('refund');
