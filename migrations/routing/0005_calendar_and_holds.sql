-- Lock: ACCESS EXCLUSIVE on routing.zone, slot, vehicle, quota and quota_ledger for a moment each: new columns with fixed defaults, checks that are proven later.
-- Where trucks start and end.
create table routing.depot (
  id bigint generated always as identity primary key,
  code text not null unique,
  name text not null,
  time_zone text not null,
  lat double precision not null check (lat between -90 and 90),
  lng double precision not null check (lng between -180 and 180)
);

-- A district groups zones and may say for all of them which depot serves them; addresses are looked up in zones only.
alter table routing.zone add column kind text not null default 'zone';
alter table routing.zone add constraint zone_kind check (kind in ('zone', 'district')) not valid;
alter table routing.zone add column district_id bigint;
alter table routing.zone add column depot_id bigint;

-- Shift: the depot's local times; ends before it starts: on the next day. Costs: any one unit, for weighing a larger truck against one more.
alter table routing.vehicle add column depot_id bigint;
alter table routing.vehicle add column shift_starts_at text;
alter table routing.vehicle add column shift_ends_at text;
alter table routing.vehicle add column trip_cost integer not null default 5000;
alter table routing.vehicle add column km_cost integer not null default 60;
alter table routing.vehicle add constraint vehicle_shift check (
  (shift_starts_at is null) = (shift_ends_at is null) and shift_starts_at <> shift_ends_at and trip_cost >= 0 and km_cost >= 0) not valid;

-- What is planned and sold in one zone on one local date is changed under the lock of its row here: quotas, holds, routes. Locked in order
-- of date and zone. A run of the planner claims it besides, for longer than a transaction: until `run_until`, so that a run that died does not block for ever.
create table routing.zone_day (
  zone_id bigint not null references routing.zone (id),
  date text not null check (date ~ '^\d{4}-\d{2}-\d{2}$'),
  run_id bigint,
  run_until timestamptz,
  primary key (date, zone_id),
  check ((run_id is null) = (run_until is null))
) with (fillfactor = 60);
insert into routing.zone_day (zone_id, date) select distinct zone_id, date from routing.slot;
alter table routing.slot drop constraint slot_date_fkey;
alter table routing.slot add constraint slot_day foreign key (date, zone_id) references routing.zone_day (date, zone_id) not valid;

-- What a week looks like; 1 is Monday. Slots and quotas of dates are made from it ahead of time and follow it until one is set for its date.
create table routing.slot_rule (
  zone_id bigint not null references routing.zone (id),
  weekday smallint not null check (weekday between 1 and 7),
  code text not null,
  starts_at text not null,
  ends_at text not null,
  cut_off_minutes integer not null check (cut_off_minutes >= 0),
  primary key (zone_id, weekday, code)
);
create table routing.quota_rule (
  zone_id bigint not null,
  weekday smallint not null,
  slot_code text not null,
  sku_type text not null check (sku_type in ('dry', 'frozen', 'mixed')),
  capacity integer not null check (capacity >= 0),
  trucks integer check (trucks >= 0),
  primary key (zone_id, weekday, slot_code, sku_type),
  foreign key (zone_id, weekday, slot_code) references routing.slot_rule (zone_id, weekday, code)
);
alter table routing.slot add column by_rule boolean not null default false;
alter table routing.quota add column by_rule boolean not null default false;
-- Truck resources: how many trucks of this type may drive in this zone and slot; null: as many as there are.
alter table routing.quota add column trucks integer;

-- Places that a checkout keeps for a while. Only those that still hold are here; the ledger tells of all that were.
create table routing.place_hold (
  reference text not null,
  quota_id bigint not null references routing.quota (id),
  zone_id bigint not null,
  date text not null,
  places integer not null check (places > 0),
  order_id bigint,
  expires_at timestamptz not null,
  primary key (reference, quota_id)
);
create index place_hold_expiry on routing.place_hold (expires_at);
create index place_hold_order on routing.place_hold (order_id) where order_id is not null;
create index place_hold_quota on routing.place_hold (quota_id);

-- `hold` takes places for a reference, `let_go` gives them back, `take` hands one to the waybill that reserves it.
alter table routing.quota_ledger add column reference text;
alter table routing.quota_ledger drop constraint quota_ledger_kind_check;
alter table routing.quota_ledger drop constraint quota_ledger_check;
alter table routing.quota_ledger add constraint quota_ledger_kind check (case kind
  when 'reserve' then delta = cardinality(waybill_ids)
  when 'give_back' then delta = -cardinality(waybill_ids)
  when 'commit' then delta = 0
  when 'burn' then delta = 0
  when 'hold' then delta <> 0 and reference is not null
  when 'let_go' then delta < 0 and reference is not null
  when 'take' then delta < 0 and reference is not null
  else false end) not valid;
