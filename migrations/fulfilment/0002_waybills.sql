-- Lock: none that anyone waits for; every table is new.
-- One row per consignment. Its items live in one json column: they are written once, read with the row, and a row per item would
-- double the rows of every order. `merchant` is '' for our own warehouse, so that the unique key has no null in it.
create table fulfilment.waybill (
  id bigint generated always as identity primary key,
  order_id bigint not null,
  order_number text not null,
  section_no integer not null,
  sku_type text not null check (sku_type in ('dry', 'frozen', 'mixed')),
  merchant text not null,
  purpose text not null check (purpose in ('delivery', 'return', 'replacement')),
  state text not null check (state in (
    'created', 'routed', 'released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded', 'out_for_delivery', 'arrived',
    'delivered', 'partially_delivered', 'attempt_failed', 'rescheduled', 'returning', 'returned_to_depot', 'restocked',
    'written_off', 'cancelled', 'lost', 'damaged')),
  attempt integer not null default 1 check (attempt >= 1),
  version integer not null default 1,
  destination json not null,
  -- Text: a date that no calendar has is refused by routing with a reason, not by a cast that would fail the whole batch.
  slot_date text,
  slot_code text,
  route_id bigint,
  items json not null,
  weight_grams bigint not null check (weight_grams >= 0),
  volume_ml bigint not null check (volume_ml >= 0),
  pieces integer not null check (pieces >= 0),
  created_at timestamptz not null,
  moved_at timestamptz not null,
  check ((slot_date is null) = (slot_code is null)),
  -- Repeating the command that made a waybill finds it here and makes no second one. Also the way from an order to its waybills.
  unique (order_id, section_no, sku_type, merchant, purpose)
) with (fillfactor = 85);

-- Work lists by state. Ended waybills are the mass of the table and nobody works on them, so they are left out.
create index waybill_open on fulfilment.waybill (state, id)
  where state not in ('delivered', 'restocked', 'written_off', 'cancelled');

create table fulfilment.change (
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
create index change_root on fulfilment.change (root);

create view fulfilment.change_log as
select change.id as sequence, step.position, change.root, step.level, step.entity, step.from_state, step.to_state,
       change.cause, change.command_id, change.actor, change.traffic, change.rehearsal_id, change.occurred_at
from fulfilment.change
cross join lateral unnest(change.levels, change.entities, change.from_states, change.to_states)
  with ordinality as step (level, entity, from_state, to_state, position);

-- The store's own updates raise the version; one that changes the state and not the version was made by hand.
create function fulfilment.note_waybill_changed_by_hand() returns trigger language plpgsql as $$
begin
  insert into fulfilment.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (new.id, '{waybill}', array[new.id::text], array[old.state], array[new.state], 'by hand', '', session_user,
          coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp());
  return null;
end $$;

create trigger waybill_changed_by_hand after update of state on fulfilment.waybill
  for each row when (old.state is distinct from new.state and new.version = old.version)
  execute function fulfilment.note_waybill_changed_by_hand();
