-- Lock: none that anyone waits for; every table is new.
-- Inbox of carriers' webhooks: what came, as it came, once each. It is answered as soon as it is here and read after that.
create table tracking.carrier_message (
  id bigint generated always as identity primary key,
  carrier text not null,
  -- SHA-256 of the body: carriers repeat themselves, and have no names for their messages that all of them keep to.
  digest bytea not null,
  body text not null,
  received_at timestamptz not null,
  read_at timestamptz,
  -- Facts of it that were new, and those that were known.
  added integer,
  known integer,
  -- Events of it that could not be recorded: where in the body, and why.
  broken json,
  unique (carrier, digest)
);
create index carrier_message_unread on tracking.carrier_message (id) where read_at is null;
create index carrier_message_broken on tracking.carrier_message (id) where broken is not null;
create index carrier_message_age on tracking.carrier_message using brin (received_at);

-- Codes that came and are in no table, for whoever keeps the tables.
create table tracking.unknown_code (
  source text not null,
  code text not null,
  times bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  -- A number that had it.
  example text not null,
  primary key (source, code)
);
