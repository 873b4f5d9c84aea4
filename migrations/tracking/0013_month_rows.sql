-- Lock: none; a new function.
-- Facts of some shipments of a month that is between table and file. Gone meanwhile: the caller begins again, and finds the file.
create function tracking.month_rows(wanted date, shipments bigint[])
returns table (shipment_id bigint, occurred_at timestamptz, id uuid, code text, milestone text, attempt integer, zone_known boolean,
  place text, source text, source_id text, voids uuid, detail text, received_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('select * from tracking.%I as e where e.shipment_id = any($1) order by 1, 2, 3',
    'event_' || to_char(date_trunc('month', wanted), 'YYYY_MM')) using shipments;
exception when undefined_table then
  raise exception 'the month % has just become a file', wanted using errcode = 'serialization_failure';
end $$;
