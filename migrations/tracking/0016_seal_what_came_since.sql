-- Lock: share row exclusive on tracking.sealed for its trigger, a moment.
-- Shipments that something came for while their month was being sealed, and those that were opened again. A month can be taken out only while
-- nobody writes; to look all of it through again then took longer than anybody may wait.
create table tracking.seal_again (shipment_id bigint not null);

create function tracking.note_seal_again() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into tracking.seal_again (shipment_id) values (coalesce(new.shipment_id, old.shipment_id));
  return null;
end $$;
create trigger seal_again after delete on tracking.sealed for each row execute function tracking.note_seal_again();

-- From here on what comes of a month is noted. Who writes into it is waited for: what they write is seen by the sealing that follows.
create function tracking.begin_seal(wanted date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
  first date := date_trunc('month', wanted)::date;
  name text := 'event_' || to_char(first, 'YYYY_MM');
begin
  if not exists (select from tracking.month where month = first and kept = 'open') then return; end if;
  if exists (select from pg_trigger where tgrelid = format('tracking.%I', name)::regclass and tgname = 'seal_again') then return; end if;
  execute format('create or replace trigger seal_again after insert or update on tracking.%I for each row execute function tracking.note_seal_again()', name);
end $$;

-- The same page as before; sealed shipments before it are not walked over again.
create or replace function tracking.unsealed_of_month(wanted date, after_shipment bigint, most integer) returns table (shipment_id bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first date := date_trunc('month', wanted)::date;
begin
  if not exists (select from tracking.month where month = first and kept = 'open') then return; end if;
  return query execute format(
    'select distinct e.shipment_id from tracking.%I as e where e.shipment_id > $1 and not exists (
       select from tracking.sealed as s where s.shipment_id = e.shipment_id and s.shipment_id > $1 and s.until >= $2) order by 1 limit $3',
    'event_' || to_char(first, 'YYYY_MM'))
    using after_shipment, (first + interval '1 month')::timestamptz, most;
end $$;

-- Those of them that were noted.
create function tracking.seal_again_of_month(wanted date, after_shipment bigint, most integer) returns table (shipment_id bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first date := date_trunc('month', wanted)::date;
  name text := 'event_' || to_char(first, 'YYYY_MM');
begin
  if not exists (select from tracking.month where month = first and kept = 'open') then return; end if;
  if not exists (select from pg_trigger where tgrelid = format('tracking.%I', name)::regclass and tgname = 'seal_again') then
    raise exception 'month % can not be taken out: its sealing has not begun', first;
  end if;
  return query execute format(
    'select distinct n.shipment_id from tracking.seal_again as n where n.shipment_id > $1
       and exists (select from tracking.%I as e where e.shipment_id = n.shipment_id)
       and not exists (select from tracking.sealed as s where s.shipment_id = n.shipment_id and s.until >= $2) order by 1 limit $3', name)
    using after_shipment, (first + interval '1 month')::timestamptz, most;
end $$;

-- Months are put away one after the other, so with one of them go all notes.
create or replace function tracking.detach_month(wanted date) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
  first date := date_trunc('month', wanted)::date;
begin
  if not exists (select from tracking.month where month = first and kept = 'open') then return false; end if;
  execute format('alter table tracking.event detach partition tracking.%I', 'event_' || to_char(first, 'YYYY_MM'));
  update tracking.month set kept = 'detached', changed_at = now() where month = first;
  delete from tracking.seal_again;
  return true;
end $$;
