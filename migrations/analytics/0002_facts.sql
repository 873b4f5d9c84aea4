-- Lock: none that anyone waits for; every table is new.
-- Tables that analysts read as they are. Comments on columns are the one source of docs/reference/facts.md.
-- Facts of orders are projected again when something changes: room for new versions in the page, and no index on what changes.

create table analytics.item_fact (
  order_id bigint not null,
  item_no smallint not null,
  order_number text not null,
  store_id text not null,
  customer_id text not null,
  channel text not null,
  currency text not null,
  section_no smallint not null,
  merchant_id text,
  part smallint not null,
  sku text not null,
  sku_type text not null,
  quantity integer not null,
  unit_price_minor bigint not null,
  discount_minor bigint not null,
  tax_minor bigint not null,
  line_total_minor bigint not null,
  origin_item_no smallint,
  origin_kind text,
  state text not null,
  placed_at timestamptz not null,
  paid_at timestamptz,
  backordered_at timestamptz,
  allocated_at timestamptz,
  preparing_at timestamptz,
  ready_at timestamptz,
  shipped_at timestamptz,
  delivery_failed_at timestamptz,
  out_for_delivery_at timestamptz,
  delivered_at timestamptz,
  confirmed_at timestamptz,
  cancelled_at timestamptz,
  returned_at timestamptz,
  exchanged_at timestamptz,
  lost_at timestamptz,
  order_version integer not null,
  projected_at timestamptz not null,
  primary key (order_id, item_no)
) with (fillfactor = 70);
comment on table analytics.item_fact is 'One row for each item row of an order: what was ordered, and when it came into each state. Projected again from orders whenever the order changes.';
comment on column analytics.item_fact.order_id is 'Id of the order, a number that rises with time.';
comment on column analytics.item_fact.item_no is 'Number of the row within its order, from 1. With order_id it is the key.';
comment on column analytics.item_fact.order_number is 'Number of the order as people say it.';
comment on column analytics.item_fact.store_id is 'Store that the order was placed in.';
comment on column analytics.item_fact.customer_id is 'Customer who placed it, as the storefront names them.';
comment on column analytics.item_fact.channel is 'Way the order came in by, such as web.';
comment on column analytics.item_fact.currency is 'ISO 4217 code; all amounts of the row are in its minor unit.';
comment on column analytics.item_fact.section_no is 'Section (destination) of the order that the row belongs to now.';
comment on column analytics.item_fact.merchant_id is 'Merchant who fulfils the section; null where it is the house itself.';
comment on column analytics.item_fact.part is 'Payment part that pays for it: 0 the order as a whole, 1 to 999 the section of that number, from 1000 a later difference.';
comment on column analytics.item_fact.sku is 'What was ordered.';
comment on column analytics.item_fact.sku_type is 'dry, frozen or mixed.';
comment on column analytics.item_fact.quantity is 'Pieces in this row. When some of them go another way, the row is split and this falls.';
comment on column analytics.item_fact.unit_price_minor is 'Price of one piece, minor units.';
comment on column analytics.item_fact.discount_minor is 'Discount on the whole row, minor units.';
comment on column analytics.item_fact.tax_minor is 'Tax on top for the whole row, minor units.';
comment on column analytics.item_fact.line_total_minor is 'quantity * unit_price_minor - discount_minor + tax_minor. Cancelled and returned rows keep theirs.';
comment on column analytics.item_fact.origin_item_no is 'Row that this one was made from; null for a row as it was ordered.';
comment on column analytics.item_fact.origin_kind is 'How: split (part of the pieces went another way), exchange or reship (sent for goods that came back or were lost).';
comment on column analytics.item_fact.state is 'Where the goods are now; one of the states of an item in docs/reference/life-cycles.md.';
comment on column analytics.item_fact.placed_at is 'When it was ordered; a later time than its order if the row was added later. A split row has the times of the row it was cut from.';
comment on column analytics.item_fact.paid_at is 'When its money was covered, for the first time; null if never.';
comment on column analytics.item_fact.backordered_at is 'When it was paid, but the goods were not there, for the first time; null if never.';
comment on column analytics.item_fact.allocated_at is 'When it was put on a waybill that has a route, for the first time; null if never.';
comment on column analytics.item_fact.preparing_at is 'When the warehouse or merchant began to pick it, for the first time; null if never.';
comment on column analytics.item_fact.ready_at is 'When it was packed and staged for the truck, for the first time; null if never.';
comment on column analytics.item_fact.shipped_at is 'When it left the warehouse, for the first time; null if never.';
comment on column analytics.item_fact.delivery_failed_at is 'When an attempt to deliver it failed, for the first time; null if never.';
comment on column analytics.item_fact.out_for_delivery_at is 'When it went on its last leg, for the first time; null if never.';
comment on column analytics.item_fact.delivered_at is 'When it was handed over, for the first time; null if never.';
comment on column analytics.item_fact.confirmed_at is 'When the time to object was over, or the customer confirmed it, for the first time; null if never.';
comment on column analytics.item_fact.cancelled_at is 'When it was cancelled, for the first time; null if never.';
comment on column analytics.item_fact.returned_at is 'When it came back, for the first time; null if never.';
comment on column analytics.item_fact.exchanged_at is 'When it came back and was replaced, for the first time; null if never.';
comment on column analytics.item_fact.lost_at is 'When it was lost or destroyed on the way, for the first time; null if never.';
comment on column analytics.item_fact.order_version is 'Version of the order that the row was projected from; it rises with each change.';
comment on column analytics.item_fact.projected_at is 'When this row of facts was last written.';
create index item_fact_placed on analytics.item_fact (placed_at, order_id, item_no);

create table analytics.order_fact (
  order_id bigint not null,
  order_number text not null,
  store_id text not null,
  customer_id text not null,
  channel text not null,
  currency text not null,
  sections smallint not null,
  items smallint not null,
  pieces integer not null,
  total_minor bigint not null,
  shipping_minor bigint not null,
  duplicate_of bigint,
  state text not null,
  placed_at timestamptz not null,
  paid_at timestamptz,
  allocated_at timestamptz,
  backordered_at timestamptz,
  preparing_at timestamptz,
  ready_at timestamptz,
  partially_shipped_at timestamptz,
  shipped_at timestamptz,
  partially_delivered_at timestamptz,
  delivered_at timestamptz,
  confirmed_at timestamptz,
  partially_returned_at timestamptz,
  returned_at timestamptz,
  lost_at timestamptz,
  cancelled_at timestamptz,
  order_version integer not null,
  projected_at timestamptz not null,
  primary key (order_id)
) with (fillfactor = 70);
comment on table analytics.order_fact is 'One row for each order: its head, sums over its rows, and when it as a whole came into each state.';
comment on column analytics.order_fact.order_id is 'Id of the order, a number that rises with time.';
comment on column analytics.order_fact.order_number is 'Number of the order as people say it.';
comment on column analytics.order_fact.store_id is 'Store that the order was placed in.';
comment on column analytics.order_fact.customer_id is 'Customer who placed it, as the storefront names them.';
comment on column analytics.order_fact.channel is 'Way the order came in by, such as web.';
comment on column analytics.order_fact.currency is 'ISO 4217 code; all amounts of the row are in its minor unit.';
comment on column analytics.order_fact.sections is 'Sections (destinations) that the order has now.';
comment on column analytics.order_fact.items is 'Item rows, cancelled ones included.';
comment on column analytics.order_fact.pieces is 'Pieces in all item rows, cancelled ones included.';
comment on column analytics.order_fact.total_minor is 'All that was ever ordered, shipping included, minor units; what was cancelled is still in it. What was paid is in order_money.';
comment on column analytics.order_fact.shipping_minor is 'Shipping of all sections, minor units; part of total_minor.';
comment on column analytics.order_fact.duplicate_of is 'Order that this one was found to be a duplicate of.';
comment on column analytics.order_fact.state is 'Folded from the items; one of the states of an order in docs/reference/life-cycles.md.';
comment on column analytics.order_fact.placed_at is 'When the order was placed.';
comment on column analytics.order_fact.paid_at is 'When the order as a whole first was paid; null if never.';
comment on column analytics.order_fact.allocated_at is 'When the order as a whole first was allocated; null if never.';
comment on column analytics.order_fact.backordered_at is 'When the order as a whole first was backordered; null if never.';
comment on column analytics.order_fact.preparing_at is 'When the order as a whole first was preparing; null if never.';
comment on column analytics.order_fact.ready_at is 'When the order as a whole first was ready; null if never.';
comment on column analytics.order_fact.partially_shipped_at is 'When the order as a whole first was partially shipped; null if never.';
comment on column analytics.order_fact.shipped_at is 'When the order as a whole first was shipped; null if never.';
comment on column analytics.order_fact.partially_delivered_at is 'When the order as a whole first was partially delivered; null if never.';
comment on column analytics.order_fact.delivered_at is 'When the order as a whole first was delivered; null if never.';
comment on column analytics.order_fact.confirmed_at is 'When the order as a whole first was confirmed; null if never.';
comment on column analytics.order_fact.partially_returned_at is 'When the order as a whole first was partially returned; null if never.';
comment on column analytics.order_fact.returned_at is 'When the order as a whole first was returned; null if never.';
comment on column analytics.order_fact.lost_at is 'When the order as a whole first was lost; null if never.';
comment on column analytics.order_fact.cancelled_at is 'When the order as a whole first was cancelled; null if never.';
comment on column analytics.order_fact.order_version is 'Version of the order that the row was projected from; it rises with each change.';
comment on column analytics.order_fact.projected_at is 'When this row of facts was last written.';
create index order_fact_placed on analytics.order_fact (placed_at, order_id);

create table analytics.payment_fact (
  kind text not null,
  subject_id bigint not null,
  order_id bigint not null,
  request_id bigint not null,
  part smallint not null,
  leg_id bigint not null,
  store_id text not null,
  customer_id text not null,
  gateway text not null,
  gateway_ref text not null,
  means text not null,
  amount_minor bigint not null,
  currency text not null,
  reason text not null,
  stray boolean not null,
  moved_at timestamptz not null,
  primary key (kind, subject_id)
);
comment on table analytics.payment_fact is 'One row for each movement of money at a gateway, or of a promise of it. Rows are never changed.';
comment on column analytics.payment_fact.kind is 'authorized (set aside), captured (taken), voided (let go), refunded (given back), charged_back (taken back by the bank) or dispute_won (returned by it).';
comment on column analytics.payment_fact.subject_id is 'Id of the attempt, capture, void or refund that moved it. With kind it is the key.';
comment on column analytics.payment_fact.order_id is 'Order that was paid for.';
comment on column analytics.payment_fact.request_id is 'Payment request of the order.';
comment on column analytics.payment_fact.part is 'Part of the order that the request asks for, as in item_fact.';
comment on column analytics.payment_fact.leg_id is 'Leg: one means of payment of the request.';
comment on column analytics.payment_fact.store_id is 'Store of the order.';
comment on column analytics.payment_fact.customer_id is 'Customer of the order.';
comment on column analytics.payment_fact.gateway is 'Payment gateway (PG) by its name; wallet, points and voucher are accounts of the house.';
comment on column analytics.payment_fact.gateway_ref is 'Name of the charge at the gateway, to find it in its own reports.';
comment on column analytics.payment_fact.means is 'card, wallet, points, voucher, transfer or cash_on_delivery.';
comment on column analytics.payment_fact.amount_minor is 'How much, in minor units; always positive, kind says in which direction.';
comment on column analytics.payment_fact.currency is 'ISO 4217 code.';
comment on column analytics.payment_fact.reason is 'Why, such as cancelled, claim 12 or goodwill: late; empty for a plain payment.';
comment on column analytics.payment_fact.stray is 'Money of a charge that was found after it had been given up, and its way back. It never counts as paid.';
comment on column analytics.payment_fact.moved_at is 'When payments noted the movement.';
create index payment_fact_moved on analytics.payment_fact (moved_at, kind, subject_id);
create index payment_fact_order on analytics.payment_fact (order_id);

create table analytics.payment_failure_fact (
  event_id bigint primary key,
  order_id bigint not null,
  request_id bigint not null,
  part smallint not null,
  means text not null,
  reason text not null,
  failed_at timestamptz not null
);
comment on table analytics.payment_failure_fact is 'One row for each means of payment that failed for good. Rows are never changed.';
comment on column analytics.payment_failure_fact.event_id is 'Position of the event that told it; each is here once.';
comment on column analytics.payment_failure_fact.order_id is 'Order that was to be paid for.';
comment on column analytics.payment_failure_fact.request_id is 'Payment request of the order.';
comment on column analytics.payment_failure_fact.part is 'Part of the order that the request asks for, as in item_fact.';
comment on column analytics.payment_failure_fact.means is 'Means of payment that failed.';
comment on column analytics.payment_failure_fact.reason is 'What the gateway said, or why we gave up.';
comment on column analytics.payment_failure_fact.failed_at is 'When it failed for good.';
create index payment_failure_fact_failed on analytics.payment_failure_fact (failed_at, event_id);
create index payment_failure_fact_order on analytics.payment_failure_fact (order_id);

create view analytics.order_money as
  select order_id, currency,
    coalesce(sum(amount_minor) filter (where kind = 'authorized'), 0)::bigint as authorized_minor,
    coalesce(sum(amount_minor) filter (where kind = 'captured'), 0)::bigint as captured_minor,
    coalesce(sum(amount_minor) filter (where kind = 'refunded'), 0)::bigint as refunded_minor,
    coalesce(sum(case kind when 'charged_back' then amount_minor when 'dispute_won' then -amount_minor end), 0)::bigint as charged_back_minor,
    coalesce(sum(case kind when 'captured' then amount_minor when 'dispute_won' then amount_minor
      when 'refunded' then -amount_minor when 'charged_back' then -amount_minor end), 0)::bigint as kept_minor,
    min(moved_at) filter (where kind = 'captured') as first_captured_at, max(moved_at) as last_moved_at
  from analytics.payment_fact where not stray group by order_id, currency;
comment on view analytics.order_money is 'Money of each order, summed from payment_fact without strays; an order without a movement has no row.';
comment on column analytics.order_money.order_id is 'Order that was paid for.';
comment on column analytics.order_money.currency is 'ISO 4217 code.';
comment on column analytics.order_money.authorized_minor is 'Set aside at gateways by authorisations, whatever became of it later.';
comment on column analytics.order_money.captured_minor is 'Taken.';
comment on column analytics.order_money.refunded_minor is 'Given back.';
comment on column analytics.order_money.charged_back_minor is 'Taken back by banks, less what disputes returned.';
comment on column analytics.order_money.kept_minor is 'captured_minor - refunded_minor - charged_back_minor.';
comment on column analytics.order_money.first_captured_at is 'When money was first taken.';
comment on column analytics.order_money.last_moved_at is 'When money last moved.';
