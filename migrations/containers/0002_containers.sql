-- Lock: none that anyone waits for; every table is new.
-- Totes, bags and boxes. A reference code is what is printed on them and what people scan.
create table containers.container (
  id bigint generated always as identity primary key,
  code text not null unique,
  kind text not null check (kind in ('tote', 'bag', 'box')),
  colour text not null,
  state text not null check (state in ('empty', 'packed', 'lost', 'retired')),
  version integer not null default 1,
  created_at timestamptz not null
) with (fillfactor = 85);

-- Every tag that was ever read or registered; one without a container is unknown, kept and shown. One row a tag, so that reading and
-- registering it at the same time meet on the row and neither misses the other.
create table containers.tag (
  epc text primary key check (epc ~ '^[0-9A-F]{16,64}$'),
  container_id bigint unique references containers.container (id)
);
create index tag_unknown on containers.tag (epc) where container_id is null;

-- What readers saw: the tag, the second, the reader. The key makes a repeated read the same row, whatever came between. Where a container is
-- is asked of these rows and stored nowhere, so it can not depend on the order in which they came. The key is also the way to the latest
-- one: `epc`, then backwards in time, and of one second the last name. No reference to `tag`: it would cost a lookup for each read, and both
-- rows are written by one transaction.
create table containers.tag_read (
  epc text not null,
  second timestamptz not null,
  reader text collate "C" not null,
  primary key (epc, second, reader)
);

-- Moves told by people, for what has no tag or passed no reader. They are sightings like reads.
create table containers.placing (
  container_id bigint not null references containers.container (id),
  second timestamptz not null,
  place text collate "C" not null,
  actor text not null,
  primary key (container_id, second, place)
);

-- Which container was inside which, from when until when (half open, whole seconds as reads have them). Rows are never taken away.
create table containers.containment (
  id bigint generated always as identity primary key,
  child_id bigint not null references containers.container (id),
  parent_id bigint not null references containers.container (id),
  from_at timestamptz not null,
  until_at timestamptz,
  check (child_id <> parent_id),
  check (until_at >= from_at)
);
create unique index containment_open on containers.containment (child_id) where until_at is null;
create index containment_child on containers.containment (child_id, from_at, id);
create index containment_parent on containers.containment (parent_id, from_at);
create index containment_parent_open on containers.containment (parent_id) where until_at is null;

-- Which pieces of which line of a waybill were in which container.
create table containers.content (
  id bigint generated always as identity primary key,
  container_id bigint not null references containers.container (id),
  waybill_id bigint not null,
  item_no integer not null,
  quantity integer not null check (quantity > 0),
  from_at timestamptz not null,
  until_at timestamptz,
  check (until_at >= from_at)
);
create index content_container on containers.content (container_id, from_at);
create index content_container_open on containers.content (container_id) where until_at is null;
create index content_open on containers.content (waybill_id) where until_at is null;

create table containers.change (
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
create index change_root on containers.change (root);

create view containers.change_log as
select change.id as sequence, step.position, change.root, step.level, step.entity, step.from_state, step.to_state,
       change.cause, change.command_id, change.actor, change.traffic, change.rehearsal_id, change.occurred_at
from containers.change
cross join lateral unnest(change.levels, change.entities, change.from_states, change.to_states)
  with ordinality as step (level, entity, from_state, to_state, position);

create function containers.note_container_changed_by_hand() returns trigger language plpgsql as $$
begin
  insert into containers.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (new.id, '{container}', array[new.id::text], array[old.state], array[new.state], 'by hand', '', session_user,
          coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp());
  return null;
end $$;

create trigger container_changed_by_hand after update of state on containers.container
  for each row when (old.state is distinct from new.state and new.version = old.version)
  execute function containers.note_container_changed_by_hand();
