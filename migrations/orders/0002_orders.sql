-- Lock: none that anyone waits for; every table is new.
-- No foreign keys inside an order: head, sections and items are only ever written together by one statement, and the keys
-- cost about a tenth of placing an order; `check` proves that none is missing.

create table orders.store (
  id text primary key,
  name text not null,
  -- Shadow order numbers start with Z, so no live store may.
  prefix text not null unique check (prefix ~ '^[A-Z]{2,4}$' and prefix !~ '^Z'),
  currency text not null check (currency ~ '^[A-Z]{3}$')
);

create table orders.sku (
  sku text primary key,
  name text not null,
  sku_type text not null check (sku_type in ('dry', 'frozen', 'mixed')),
  weight_grams integer not null check (weight_grams >= 0),
  volume_ml integer not null check (volume_ml >= 0)
);

create table orders.orders (
  id bigint primary key,
  number text not null unique,
  store_id text not null,
  customer_id text not null,
  channel text not null,
  currency text not null,
  total_minor bigint not null check (total_minor >= 0),
  state text not null check (state in ('draft', 'pending_payment', 'paid', 'allocated', 'backordered', 'preparing', 'ready',
    'partially_shipped', 'shipped', 'partially_delivered', 'delivered', 'confirmed', 'partially_returned', 'returned', 'lost', 'cancelled')),
  money_state text not null check (money_state in ('none', 'partial', 'authorized', 'captured', 'partially_refunded', 'refunded', 'over')),
  attention text[] not null default '{}',
  version integer not null default 1,
  rehearsal_id text,
  placed_at timestamptz not null,
  changed_at timestamptz not null
) with (fillfactor = 50);
create index orders_customer on orders.orders (customer_id, id);

create table orders.section (
  order_id bigint not null,
  section_no smallint not null,
  state text not null check (state in ('draft', 'pending_payment', 'paid', 'allocated', 'backordered', 'preparing', 'ready',
    'partially_shipped', 'shipped', 'partially_delivered', 'delivered', 'confirmed', 'partially_returned', 'returned', 'lost', 'cancelled')),
  destination json not null,
  slot_date date,
  slot_code text,
  merchant_id text,
  shipping_minor bigint not null check (shipping_minor >= 0),
  version integer not null default 1,
  primary key (order_id, section_no)
) with (fillfactor = 50);

create table orders.item (
  order_id bigint not null,
  item_no smallint not null,
  section_no smallint not null,
  sku text not null,
  sku_type text not null,
  quantity integer not null check (quantity > 0),
  unit_price_minor bigint not null check (unit_price_minor >= 0),
  discount_minor bigint not null check (discount_minor >= 0),
  tax_minor bigint not null check (tax_minor >= 0),
  weight_grams integer not null,
  volume_ml integer not null,
  state text not null check (state in ('draft', 'pending_payment', 'paid', 'allocated', 'backordered', 'preparing', 'ready', 'shipped',
    'out_for_delivery', 'delivery_failed', 'delivered', 'confirmed', 'cancelled', 'returned', 'exchanged', 'lost')),
  origin_item_no smallint,
  version integer not null default 1,
  primary key (order_id, item_no)
) with (fillfactor = 50);

-- The change log: one row for each order and command, its changes as arrays. One row instead of five halves the cost of history.
create table orders.change (
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
create index change_root on orders.change (root);

create view orders.change_log as
  select c.id as sequence, l.position, c.root, l.level, l.entity, nullif(l.from_state, '') as from_state, l.to_state,
         c.cause, c.command_id, c.actor, c.traffic, c.rehearsal_id, c.occurred_at
  from orders.change c,
       unnest(c.levels, c.entities, c.from_states, c.to_states) with ordinality as l (level, entity, from_state, to_state, position);

-- A change made by hand in SQL does not bump the version, so the condition below is met by it alone and costs our own updates nothing.
create function orders.record_hand_change() returns trigger language plpgsql as $$
begin
  insert into orders.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (
    case when tg_table_name = 'orders' then (to_jsonb(new) ->> 'id')::bigint else (to_jsonb(new) ->> 'order_id')::bigint end,
    array[tg_argv[0]],
    array[coalesce(to_jsonb(new) ->> tg_argv[1], '')],
    array[to_jsonb(old) ->> tg_argv[2]], array[to_jsonb(new) ->> tg_argv[2]],
    'by hand', 'txid:' || pg_current_xact_id()::text, session_user,
    coalesce(current_setting('throughline.traffic', true), 'unknown'), now());
  return null;
end $$;

create trigger hand_change after update of state on orders.orders for each row
  when (old.state is distinct from new.state and new.version = old.version)
  execute function orders.record_hand_change('order', '', 'state');
create trigger hand_change_money after update of money_state on orders.orders for each row
  when (old.money_state is distinct from new.money_state and new.version = old.version)
  execute function orders.record_hand_change('money', '', 'money_state');
create trigger hand_change after update of state on orders.section for each row
  when (old.state is distinct from new.state and new.version = old.version)
  execute function orders.record_hand_change('section', 'section_no', 'state');
create trigger hand_change after update of state on orders.item for each row
  when (old.state is distinct from new.state and new.version = old.version)
  execute function orders.record_hand_change('item', 'item_no', 'state');

-- Compare-and-set over many rows: fewer changes than expected means that a row was changed underneath. 40001 makes the caller read
-- and decide again (src/platform/sql-retry.ts).
create function orders.expect_changed(expected bigint, changed bigint) returns void language plpgsql as $$
begin
  if changed <> expected then
    raise exception 'expected to change % rows, found % as they were read', expected, changed using errcode = '40001';
  end if;
end $$;
