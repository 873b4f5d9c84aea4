-- Lock: routing.route against writing while the index is built, milliseconds for a year of routes.
-- Every batch of waybills asks for the routes of its slots that have a way. With the condition in the index the planner no longer reads the
-- index of the exclusion constraint beside it, which holds the same rows: that was half of the question's time.
-- squawk-ignore require-concurrent-index-creation
create index route_of_slot on routing.route (date, zone_id, slot_code) where leaves_at is not null;
