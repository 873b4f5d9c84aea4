-- Lock: event_rest against writing while its index is built, a moment; it holds what is older than all months.
-- Shipments of a month that are not sealed, page by page: from its start each time, the sealed ones were looked through again for every page.
create function tracking.unsealed_of_month(wanted date, after_shipment bigint, most integer) returns table (shipment_id bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first date := date_trunc('month', wanted)::date;
begin
  if not exists (select from tracking.month where month = first and kept = 'open') then return; end if;
  return query execute format(
    'select distinct e.shipment_id from tracking.%I as e where e.shipment_id > $1 and not exists (
       select from tracking.sealed as s where s.shipment_id = e.shipment_id and s.until >= $2) order by 1 limit $3', 'event_' || to_char(first, 'YYYY_MM'))
    using after_shipment, (first + interval '1 month')::timestamptz, most;
end $$;
drop function tracking.unsealed_of_month(date, integer);
-- A month that is opened takes its facts out of event_rest, under a lock that nobody passes.
-- squawk-ignore require-concurrent-index-creation
create index event_rest_time on tracking.event_rest using brin (occurred_at);
