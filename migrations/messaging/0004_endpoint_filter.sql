-- Lock: access exclusive on messaging.endpoint for an instant: a nullable column without a default, nothing is rewritten.
-- What the events that an endpoint wants are about: by field of the payload the values that it may have. Null: whatever they are about.
alter table messaging.endpoint add column only_about json;
