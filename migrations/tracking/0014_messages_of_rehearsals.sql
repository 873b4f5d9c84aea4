-- Lock: access exclusive on tracking.carrier_message, a moment: a nullable column without a default rewrites nothing.
-- Whose rehearsal a message came in, so that whoever reads it later does so in its name. Null in live.
alter table tracking.carrier_message add column rehearsal_id text;
