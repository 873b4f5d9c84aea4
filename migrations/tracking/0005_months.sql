-- Lock: access exclusive on tracking.event for as long as its rows are copied, about a minute for ten million: apply it when little is tracked.
-- Facts by month of occurrence. A query names its shipment and a span of time, so it looks only where that span lies; what is older than
-- all months, or of a month whose table is gone into a file, is in event_rest.
-- squawk-ignore renaming-table
alter table tracking.event rename to event_before;
alter index tracking.event_pkey rename to event_before_pkey;

create table tracking.event (
  shipment_id bigint not null,
  occurred_at timestamptz not null,
  id uuid not null,
  code text not null,
  -- Null when the code says nothing about where the shipment stands, or is not known to us; it is kept and shown all the same.
  milestone text,
  attempt integer,
  zone_known boolean not null,
  place text not null,
  source text not null,
  source_id text,
  voids uuid,
  detail text,
  received_at timestamptz not null,
  primary key (shipment_id, occurred_at, id)
) partition by range (occurred_at);

create table tracking.event_rest partition of tracking.event default;

-- Months that are tables or files. A month that is a file is never a table again: what comes of it later is in event_rest.
create table tracking.month (
  month date primary key,
  kept text not null check (kept in ('open', 'detached', 'filed')),
  -- Name of the file in the folder of archives, and how many facts are in it.
  file text,
  facts bigint,
  changed_at timestamptz not null default now()
);

-- Where a shipment stood by its facts of the months that are files: what its later facts are folded onto.
create table tracking.sealed (
  shipment_id bigint primary key,
  -- Facts from here on are in tables.
  until timestamptz not null,
  standing json not null,
  -- Facts that were taken back by others before they were put away: a void does not lose its effect with its month.
  voided uuid[] not null default '{}'
);
-- Which shipments have facts in the file of a month.
create table tracking.filed_shipment (
  shipment_id bigint not null,
  month date not null,
  primary key (shipment_id, month)
);

-- The program's roles may not make tables; these functions do it for them, and nothing else.
create function tracking.open_month(wanted date) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first date := date_trunc('month', wanted)::date;
  name text := 'event_' || to_char(first, 'YYYY_MM');
begin
  if exists (select from tracking.month where month = first) then return false; end if;
  -- One at a time, and never while a fact of that month is on its way into event_rest.
  lock table tracking.event in access exclusive mode;
  if exists (select from tracking.month where month = first) then return false; end if;
  execute format('create table tracking.%I (like tracking.event including defaults)', name);
  execute format('with moved as (delete from tracking.event_rest where occurred_at >= %L and occurred_at < %L returning *) insert into tracking.%I select * from moved',
    first::timestamptz, (first + interval '1 month')::timestamptz, name);
  execute format('alter table tracking.event attach partition tracking.%I for values from (%L) to (%L)',
    name, first::timestamptz, (first + interval '1 month')::timestamptz);
  insert into tracking.month (month, kept) values (first, 'open');
  return true;
end $$;

-- Takes a month out of the table of facts, in an instant; its rows stay readable under their own name until drop_month.
create function tracking.detach_month(wanted date) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first date := date_trunc('month', wanted)::date;
begin
  if not exists (select from tracking.month where month = first and kept = 'open') then return false; end if;
  execute format('alter table tracking.event detach partition tracking.%I', 'event_' || to_char(first, 'YYYY_MM'));
  update tracking.month set kept = 'detached', changed_at = now() where month = first;
  return true;
end $$;

create function tracking.drop_month(wanted date, into_file text, holding bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first date := date_trunc('month', wanted)::date;
begin
  if not exists (select from tracking.month where month = first and kept = 'detached') then return false; end if;
  execute format('drop table tracking.%I', 'event_' || to_char(first, 'YYYY_MM'));
  update tracking.month set kept = 'filed', file = into_file, facts = holding, changed_at = now() where month = first;
  return true;
end $$;

-- A page of a month that is still a table, by shipment; a table that is made by the program has no name in a statement.
create function tracking.month_page(wanted date, after_shipment bigint, shipments integer)
returns table (shipment_id bigint, occurred_at timestamptz, id uuid, code text, milestone text, attempt integer, zone_known boolean,
  place text, source text, source_id text, voids uuid, detail text, received_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format(
    'select * from tracking.%I as e where e.shipment_id > $1 and e.shipment_id <= (select max(p.shipment_id) from
       (select distinct d.shipment_id from tracking.%I as d where d.shipment_id > $1 order by 1 limit $2) as p) order by 1, 2, 3',
    'event_' || to_char(date_trunc('month', wanted), 'YYYY_MM'), 'event_' || to_char(date_trunc('month', wanted), 'YYYY_MM'))
    using after_shipment, shipments;
end $$;

-- Months of what is there, the one before, this one and three ahead.
select tracking.open_month(month::date) from (
  select distinct date_trunc('month', occurred_at)::date as month from tracking.event_before where occurred_at > now() - interval '13 months'
  union select (date_trunc('month', now()) + n * interval '1 month')::date from generate_series(-1, 3) as n
) as months order by month;

insert into tracking.event select * from tracking.event_before;
-- squawk-ignore ban-drop-table
drop table tracking.event_before;
