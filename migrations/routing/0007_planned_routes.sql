-- Lock: ACCESS EXCLUSIVE on routing.route while the paths of routes that exist are written (thousands of rows: seconds), and on routing.assignment for a moment.
-- A route is a truck's trip in one zone and slot. `path` has its stops in order, with when the truck comes and which waybills it leaves there;
-- `frozen` says how many of them, from the first on, stay as they are. The truck is taken from `leaves_at` to `returns_at`.
alter table routing.route add column version integer not null default 1;
alter table routing.route add column state text not null default 'open';
alter table routing.route add column leaves_at timestamptz;
alter table routing.route add column returns_at timestamptz;
alter table routing.route add column path json not null default '[]';
alter table routing.route add column frozen integer not null default 0;
alter table routing.route add column why text not null default '';
update routing.route set leaves_at = starts_at, returns_at = ends_at, path = coalesce((
  select json_agg(json_build_object('lat', coalesce(lat, 0), 'lng', coalesce(lng, 0), 'service', 105, 'arrives', extract(epoch from route.starts_at)::bigint,
    'waybills', json_build_array(waybill_id)) order by waybill_id)
  from routing.assignment where assignment.route_id = route.id and assignment.state = 'assigned'), '[]');
alter table routing.route add constraint route_state check (state in ('open', 'locked', 'departed', 'ended', 'dropped')) not valid;
-- A dropped route takes no truck; all others do.
alter table routing.route add constraint route_times check (
  frozen >= 0 and leaves_at < returns_at and (state <> 'dropped' or (leaves_at is null and stops = 0))) not valid;
alter table routing.route drop constraint route_date_zone_id_slot_code_vehicle_id_key;
alter table routing.route drop constraint route_vehicle_id_starts_at_key;
-- squawk-ignore require-concurrent-index-creation
create index route_slot on routing.route (date, zone_id, slot_code);
-- squawk-ignore require-concurrent-index-creation
create index route_vehicle on routing.route (vehicle_id, leaves_at);
-- No truck in two places: a box of one truck and its time meets no other. Boxes need no extension, as a range beside an id would.
-- squawk-ignore constraint-missing-not-valid
alter table routing.route add constraint route_truck_once exclude using gist (
  box(point(vehicle_id::float8, extract(epoch from leaves_at at time zone 'UTC')::float8),
      point(vehicle_id::float8, extract(epoch from returns_at at time zone 'UTC')::float8 - 1)) with &&)
  -- Looked at when a statement ends: one may drop a route and give its truck to another.
  where (leaves_at is not null) deferrable initially immediate;

create function routing.note_route_changed_by_hand() returns trigger language plpgsql as $$
begin
  insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (new.id, '{route}', array[new.id::text], array[old.state], array[new.state], 'by hand', '', session_user,
          coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp());
  return null;
end $$;
create trigger route_changed_by_hand after update of state on routing.route
  for each row when (old.state is distinct from new.state and new.version = old.version)
  execute function routing.note_route_changed_by_hand();

-- Put on its truck by hand: a run leaves it there.
alter table routing.assignment add column pinned boolean not null default false;
-- Only those that wait are in it: few.
-- squawk-ignore require-concurrent-index-creation
create index assignment_day on routing.assignment (asked_date, zone_id) where state = 'waiting';

-- How waybills of a zone get their routes: one by one as they come, or all that wait when a run is made.
alter table routing.zone add column planning text not null default 'incremental';
alter table routing.zone add constraint zone_planning check (planning in ('incremental', 'wave')) not valid;

-- A run of the planner over one date: what was asked, what came of it. Its plans, one a zone and slot, are kept as they were made, so
-- that a run can be looked at, compared and committed later.
create table routing.plan_run (
  id bigint generated always as identity primary key,
  date text not null,
  zone_ids bigint[] not null,
  asked json not null,
  totals json not null,
  asked_at timestamptz not null,
  solved_at timestamptz,
  actor text not null,
  worked_until timestamptz,
  attempts integer not null default 0,
  committed_at timestamptz,
  committed json
);
create index plan_run_date on routing.plan_run (date, id);
create index plan_run_open on routing.plan_run (id) where committed_at is null;
create table routing.plan_cell (
  run_id bigint not null references routing.plan_run (id),
  zone_id bigint not null,
  slot_code text not null,
  plan json not null,
  primary key (run_id, zone_id, slot_code)
);
