-- Lock: none that anyone waits for; every table is new.
-- A log in partitions, for those who have no Kafka. Offsets are given under the lock of the partition's row, so they have no holes and
-- are committed in their order: who reads 6 has seen 5.
create table tracking.stream_partition (
  topic text not null,
  partition integer not null,
  next_offset bigint not null default 0,
  primary key (topic, partition)
);

create table tracking.stream_record (
  topic text not null,
  partition integer not null,
  position bigint not null,
  key text not null,
  value text not null,
  appended_at timestamptz not null,
  primary key (topic, partition, position)
);
create index stream_record_age on tracking.stream_record using brin (appended_at);

-- How far each group has read each partition, and which member reads it now.
create table tracking.stream_cursor (
  topic text not null,
  consumer_group text not null,
  partition integer not null,
  next_offset bigint not null default 0,
  holder text,
  held_until timestamptz,
  primary key (topic, consumer_group, partition)
);

create table tracking.stream_member (
  topic text not null,
  consumer_group text not null,
  member text not null,
  seen_until timestamptz not null,
  primary key (topic, consumer_group, member)
);

-- Facts from streams and queues that could not be taken: nobody waits there for an answer, so it is kept.
create table tracking.refused_fact (
  id bigint generated always as identity primary key,
  feed text not null,
  -- Where in the feed it stands: the same one again is not a second row.
  position text not null,
  body text not null,
  code text not null,
  field text not null,
  detail text not null,
  received_at timestamptz not null,
  unique (feed, position)
);
