-- Lock: ACCESS EXCLUSIVE on routing.assignment for a moment: a new column without a default.
-- When the goods of a waybill are at the depot; null: they are there. Its truck leaves no sooner.
alter table routing.assignment add column ready_at timestamptz;
