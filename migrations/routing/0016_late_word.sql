-- Lock: access exclusive on routing.assignment, a moment: a nullable column without a default rewrites nothing.
-- When goods will be ready that are too late for the truck: its route keeps `ready_at`, and whoever moves the waybill is told by this.
alter table routing.assignment add column late_ready_at timestamptz;
