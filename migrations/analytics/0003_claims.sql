-- Lock: none that anyone waits for; the table is new.
create table analytics.claim_fact (
  claim_id bigint primary key,
  order_id bigint not null,
  order_number text not null,
  store_id text not null,
  customer_id text not null,
  currency text not null,
  kind text not null,
  reason text not null,
  state text not null,
  asked_quantity integer not null,
  accepted_quantity integer not null,
  damaged_quantity integer not null,
  refused_quantity integer not null,
  refunded_minor bigint not null,
  requested_at timestamptz not null,
  approved_at timestamptz,
  rejected_at timestamptz,
  withdrawn_at timestamptz,
  pickup_booked_at timestamptz,
  in_transit_at timestamptz,
  received_at timestamptz,
  inspected_at timestamptz,
  completed_at timestamptz,
  sent_back_at timestamptz,
  steps smallint not null,
  projected_at timestamptz not null
) with (fillfactor = 70);
create index claim_fact_requested on analytics.claim_fact (requested_at, claim_id);
create index claim_fact_order on analytics.claim_fact (order_id);
comment on table analytics.claim_fact is 'One row for each claim: what was asked, what came of it, and when it came into each state. Projected again whenever the claim moves.';
comment on column analytics.claim_fact.claim_id is 'Id of the claim.';
comment on column analytics.claim_fact.order_id is 'Order that it is about.';
comment on column analytics.claim_fact.order_number is 'Number of the order as people say it.';
comment on column analytics.claim_fact.store_id is 'Store of the order.';
comment on column analytics.claim_fact.customer_id is 'Customer of the order.';
comment on column analytics.claim_fact.currency is 'ISO 4217 code of refunded_minor.';
comment on column analytics.claim_fact.kind is 'return (goods for money), exchange (goods for goods), reship (lost or damaged goods are sent again) or refund_only (money, and no goods come back).';
comment on column analytics.claim_fact.reason is 'Why, as it was given with the claim.';
comment on column analytics.claim_fact.state is 'Where it is now; one of the states of a claim in docs/reference/life-cycles.md.';
comment on column analytics.claim_fact.asked_quantity is 'Pieces that it is about.';
comment on column analytics.claim_fact.accepted_quantity is 'Pieces that the inspection accepted.';
comment on column analytics.claim_fact.damaged_quantity is 'Pieces that came back damaged.';
comment on column analytics.claim_fact.refused_quantity is 'Pieces that the inspection refused.';
comment on column analytics.claim_fact.refunded_minor is 'Money that it gave back, shipping and differences of price too, minor units.';
comment on column analytics.claim_fact.requested_at is 'When it was made.';
comment on column analytics.claim_fact.approved_at is 'When it was granted, for the first time; null if never.';
comment on column analytics.claim_fact.rejected_at is 'When it was not granted, for the first time; null if never.';
comment on column analytics.claim_fact.withdrawn_at is 'When the customer withdrew it, for the first time; null if never.';
comment on column analytics.claim_fact.pickup_booked_at is 'When a courier was booked to fetch the goods, for the first time; null if never.';
comment on column analytics.claim_fact.in_transit_at is 'When the goods set off on their way back, for the first time; null if never.';
comment on column analytics.claim_fact.received_at is 'When the goods came into the warehouse, for the first time; null if never.';
comment on column analytics.claim_fact.inspected_at is 'When they were inspected and what was accepted was settled, for the first time; null if never.';
comment on column analytics.claim_fact.completed_at is 'When it was settled whole, for the first time; null if never.';
comment on column analytics.claim_fact.sent_back_at is 'When refused pieces were sent back to the customer, for the first time; null if never.';
comment on column analytics.claim_fact.steps is 'States that it has passed through; a projection with fewer is older and changes nothing.';
comment on column analytics.claim_fact.projected_at is 'When this row of facts was last written.';
