-- Lock: none that anyone waits for; every table is new.
-- Delivery zones: polygons as GeoJSON MultiPolygon coordinates, checked before they come here; or a list of postcodes; or both.
create table routing.zone (
  id bigint generated always as identity primary key,
  code text not null unique,
  name text not null,
  time_zone text not null,
  postcodes text[] not null,
  polygons json,
  version integer not null default 1
);

-- One row: raised with every change of zones, so that each process knows with one read whether its picture of them is old.
create table routing.zone_set (
  single boolean primary key default true check (single),
  version bigint not null
);
insert into routing.zone_set (version) values (1);

-- What is planned and sold of one day is changed under the lock of its row here: quotas, routes, trucks. Locked in order of date.
create table routing.delivery_day (
  date text primary key check (date ~ '^\d{4}-\d{2}-\d{2}$')
);

-- Dates are the zone's local dates as text, YYYY-MM-DD: they sort as dates do and no driver or session zone can shift them.
create table routing.slot (
  zone_id bigint not null references routing.zone (id),
  date text not null references routing.delivery_day (date),
  code text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  cut_off_at timestamptz not null,
  primary key (zone_id, date, code),
  check (starts_at < ends_at and cut_off_at <= starts_at)
);

create table routing.vehicle (
  id bigint generated always as identity primary key,
  code text not null unique,
  type text not null check (type in ('dry', 'frozen', 'mixed')),
  weight_grams bigint not null check (weight_grams > 0),
  volume_ml bigint not null check (volume_ml > 0),
  pieces integer not null check (pieces > 0),
  active boolean not null
);

-- How many waybills a zone, slot and SKU type may take. `used` is the sum of the ledger; the check makes overselling impossible
-- even for a writer that forgets the lock.
create table routing.quota (
  id bigint generated always as identity primary key,
  zone_id bigint not null,
  date text not null,
  slot_code text not null,
  sku_type text not null check (sku_type in ('dry', 'frozen', 'mixed')),
  capacity integer not null check (capacity >= 0),
  used integer not null default 0,
  foreign key (zone_id, date, slot_code) references routing.slot (zone_id, date, code),
  unique (zone_id, date, slot_code, sku_type),
  constraint quota_not_oversold check (used >= 0 and used <= capacity)
) with (fillfactor = 60);

-- Every effect on a quota, one row for all waybills that a batch moved in or out of one quota at once.
create table routing.quota_ledger (
  id bigint generated always as identity primary key,
  quota_id bigint not null,
  kind text not null check (kind in ('reserve', 'give_back', 'burn')),
  delta integer not null,
  waybill_ids bigint[] not null,
  occurred_at timestamptz not null,
  check (delta = case kind when 'reserve' then cardinality(waybill_ids) when 'give_back' then -cardinality(waybill_ids) else 0 end)
);

-- A truck in one zone and slot, with what it carries. Capacities are the truck's on the day the route was opened.
create table routing.route (
  id bigint generated always as identity primary key,
  zone_id bigint not null,
  date text not null,
  slot_code text not null,
  vehicle_id bigint not null references routing.vehicle (id),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  weight_capacity_grams bigint not null,
  volume_capacity_ml bigint not null,
  pieces_capacity integer not null,
  weight_grams bigint not null,
  volume_ml bigint not null,
  pieces integer not null,
  stops integer not null,
  foreign key (zone_id, date, slot_code) references routing.slot (zone_id, date, code),
  unique (date, zone_id, slot_code, vehicle_id),
  unique (vehicle_id, starts_at),
  constraint route_not_overloaded check (
    weight_grams between 0 and weight_capacity_grams and volume_ml between 0 and volume_capacity_ml
    and pieces between 0 and pieces_capacity and stops >= 0)
) with (fillfactor = 60);

-- One attempt of one waybill. Holds what was asked, so that a waiting one can be tried again without asking fulfilment.
create table routing.assignment (
  waybill_id bigint not null,
  attempt integer not null,
  order_id bigint not null,
  state text not null check (state in ('waiting', 'assigned', 'released')),
  version integer not null default 1,
  sku_type text not null,
  weight_grams bigint not null,
  volume_ml bigint not null,
  pieces integer not null,
  lat double precision,
  lng double precision,
  postcode text not null,
  asked_date text,
  asked_slot text,
  zone_id bigint,
  date text,
  slot_code text,
  quota_id bigint,
  route_id bigint,
  reason_code text,
  reason text,
  primary key (waybill_id, attempt),
  check ((state = 'assigned') <= (zone_id is not null and date is not null and slot_code is not null and quota_id is not null and route_id is not null)),
  check ((state = 'waiting') <= (reason_code is not null and reason is not null))
);
create index assignment_order on routing.assignment (order_id);
create index assignment_route on routing.assignment (route_id);
create index assignment_waiting on routing.assignment (waybill_id) where state = 'waiting';

create table routing.change (
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

create view routing.change_log as
select change.id as sequence, step.position, change.root, step.level, step.entity, step.from_state, step.to_state,
       change.cause, change.command_id, change.actor, change.traffic, change.rehearsal_id, change.occurred_at
from routing.change
cross join lateral unnest(change.levels, change.entities, change.from_states, change.to_states)
  with ordinality as step (level, entity, from_state, to_state, position);

create function routing.note_assignment_changed_by_hand() returns trigger language plpgsql as $$
begin
  insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (new.waybill_id, '{assignment}', array[new.attempt::text], array[old.state], array[new.state], 'by hand', '', session_user,
          coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp());
  return null;
end $$;

create trigger assignment_changed_by_hand after update of state on routing.assignment
  for each row when (old.state is distinct from new.state and new.version = old.version)
  execute function routing.note_assignment_changed_by_hand();
