-- Lock: ACCESS EXCLUSIVE on routing.zone for a moment: a new column with a fixed default.
-- Codes of zones that have agreed to help out with their trucks, the first asked first.
alter table routing.zone add column neighbours text[] not null default '{}';
