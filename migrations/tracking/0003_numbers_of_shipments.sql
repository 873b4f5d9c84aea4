-- Lock: access exclusive on tracking.shipment: nullable columns without a default rewrite nothing; the two indexes are partial and of nobody yet.
-- Shipments that are not ours have no waybill and no order of ours; their order is a text of the system that they come from.
-- squawk-ignore ban-drop-not-null
alter table tracking.shipment alter column waybill_id drop not null;
-- squawk-ignore ban-drop-not-null
alter table tracking.shipment alter column order_id drop not null;
alter table tracking.shipment
  add column order_ref text,
  add column lane_from text,
  add column lane_to text,
  add column promised_at timestamptz,
  -- Null while it is known by facts only, and nobody has said whose it is.
  add column registered_at timestamptz,
  -- Where it went when its numbers turned out to be those of another shipment. It keeps its row, for its id and link are known outside.
  add column merged_into bigint;
-- squawk-ignore require-concurrent-index-creation
create index shipment_order_ref on tracking.shipment (order_ref) where order_ref is not null;
-- squawk-ignore require-concurrent-index-creation
create index shipment_merged on tracking.shipment (merged_into) where merged_into is not null;

-- What a shipment is called by whom. The key decides: a number is one shipment, whoever comes first.
create table tracking.reference (
  carrier text not null,
  number text not null,
  shipment_id bigint not null,
  primary key (carrier, number)
);
create index reference_shipment on tracking.reference (shipment_id);
create index reference_number on tracking.reference (number);

-- Exactly one row per source and source's id (the id is their hash): where its fact is, and which version of it counts. The greater
-- (revision, time, version) wins, whichever came first.
create table tracking.source_fact (
  id uuid primary key,
  shipment_id bigint not null,
  occurred_at timestamptz not null,
  revision bigint not null,
  version uuid not null
);

-- What a source said under an id before it said better, or what came after the better had come.
create table tracking.replaced_fact (
  id uuid not null,
  version uuid not null,
  shipment_id bigint not null,
  occurred_at timestamptz not null,
  revision bigint not null,
  code text not null,
  place text not null,
  source text not null,
  source_id text not null,
  detail text,
  received_at timestamptz not null,
  primary key (id, version)
);
create index replaced_fact_shipment on tracking.replaced_fact (shipment_id);
