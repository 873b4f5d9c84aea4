-- Lock: access exclusive on tracking.shipment, a moment.
-- The seconds since 1970 before 90 random bits, in public links: who guesses has as little hope as before, and tokens of the same hour lie together in their
-- index. All random, each new shipment of millions read, logged and wrote back a page of its own.
alter table tracking.shipment alter column token
  set default overlay(gen_random_uuid()::text placing lpad(to_hex(extract(epoch from clock_timestamp())::bigint), 8, '0') from 1 for 8)::uuid;
