-- Lock: ACCESS EXCLUSIVE on routing.quota and routing.slot for a moment each: a new column with a fixed default, and a trigger.
-- What storefronts see of a zone's date is kept in a cache under the sum of these, so that an older look never replaces a newer one. Raised here and not in each
-- statement: whoever changes a row raises it, by hand as well. Rows of both are never deleted, so that the sum only rises.
alter table routing.quota add column version integer not null default 1;
alter table routing.slot add column version integer not null default 1;

create function routing.raise_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  return new;
end $$;
create trigger quota_version before update on routing.quota
  for each row when (old.* is distinct from new.*) execute function routing.raise_version();
create trigger slot_version before update on routing.slot
  for each row when (old.* is distinct from new.*) execute function routing.raise_version();
