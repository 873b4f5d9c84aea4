-- Lock: none that anyone waits for; every table is new.
-- Where goods are prepared, how, and what becomes of pieces that are not there.
create table warehousing.warehouse (
  code text primary key,
  name text not null,
  pick_flow text not null check (pick_flow in ('by_piece', 'by_zone', 'wave', 'cross_dock')),
  short_policy text not null check (short_policy in ('cancel', 'backorder')),
  -- Kinds of goods that it prepares; a waybill goes to the first one by code that prepares its kind.
  sku_types text[] not null check (sku_types <@ '{dry,frozen,mixed}'),
  changed_at timestamptz not null
);
insert into warehousing.warehouse (code, name, pick_flow, short_policy, sku_types, changed_at)
values ('main', 'our warehouse', 'by_piece', 'cancel', '{dry,frozen,mixed}', now());

-- The instruction to a warehouse. What a waybill told of itself at its release is copied, for a waybill that is to go elsewhere or at another
-- time is planned again and gets another sales order.
create table warehousing.sales_order (
  id bigint generated always as identity primary key,
  warehouse text not null references warehousing.warehouse (code),
  waybill_id bigint,
  -- Number of the request for a route that the waybill was released with.
  ask integer,
  order_id bigint,
  order_number text,
  pick_flow text not null check (pick_flow in ('by_piece', 'by_zone', 'wave', 'cross_dock')),
  wave text,
  short_policy text not null check (short_policy in ('cancel', 'backorder')),
  sku_type text not null check (sku_type in ('dry', 'frozen', 'mixed')),
  slot_date text,
  slot_code text,
  destination json,
  lines json not null,
  state text not null check (state in ('created', 'accepted', 'picking', 'picked', 'packed', 'cancelled', 'transferred')),
  version integer not null default 1,
  transferred_from bigint unique references warehousing.sales_order (id),
  made_by text,
  reference text,
  created_at timestamptz not null,
  moved_at timestamptz not null
) with (fillfactor = 80);

-- Two callers can not both instruct a warehouse to prepare a waybill, whatever they have read. One that is taken to the door again is
-- prepared again, by another request for a route.
create unique index sales_order_current on warehousing.sales_order (waybill_id, ask) where state not in ('cancelled', 'transferred');
create unique index sales_order_reference on warehousing.sales_order (made_by, reference) where reference is not null;
create index sales_order_waybill on warehousing.sales_order (waybill_id, id);
-- Work lists: only what a warehouse has still to do.
create index sales_order_work on warehousing.sales_order (warehouse, id) where state in ('created', 'accepted', 'picking', 'picked');

create table warehousing.change (
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
create index change_root on warehousing.change (root);

create view warehousing.change_log as
select change.id as sequence, step.position, change.root, step.level, step.entity, step.from_state, step.to_state,
       change.cause, change.command_id, change.actor, change.traffic, change.rehearsal_id, change.occurred_at
from warehousing.change
cross join lateral unnest(change.levels, change.entities, change.from_states, change.to_states)
  with ordinality as step (level, entity, from_state, to_state, position);

create function warehousing.note_sales_order_changed_by_hand() returns trigger language plpgsql as $$
begin
  insert into warehousing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (new.id, '{sales_order}', array[new.id::text], array[old.state], array[new.state], 'by hand', '', session_user,
          coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp());
  return null;
end $$;

create trigger sales_order_changed_by_hand after update of state on warehousing.sales_order
  for each row when (old.state is distinct from new.state and new.version = old.version)
  execute function warehousing.note_sales_order_changed_by_hand();
