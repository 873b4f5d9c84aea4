-- Lock: none that anyone waits for; both tables are new.
-- A claim: goods that come back, are replaced or sent again, or money without goods. Its id is the order's id × 1000 + its number in the
-- order: it is found with its order, and drawing it costs no call. Written under the lock of its order's head.
create table orders.claim (
  id bigint primary key,
  order_id bigint not null,
  kind text not null check (kind in ('return', 'exchange', 'reship', 'refund_only')),
  state text not null check (state in ('requested', 'approved', 'rejected', 'withdrawn', 'pickup_booked', 'in_transit', 'received', 'inspected',
    'completed', 'sent_back')),
  reason text not null,
  -- The policy that was granted with the approval: shipping goes back with the last of a section.
  refund_shipping boolean not null default false,
  -- Sections whose shipping it gave back, so that no other gives it again.
  shipping_sections smallint[] not null default '{}',
  -- All that it gave back, shipping too.
  refunded_minor bigint not null default 0 check (refunded_minor >= 0),
  -- Every state that it was in, with the time, oldest first; the last is `state`.
  passed text[] not null,
  passed_at timestamptz[] not null,
  version integer not null default 1,
  constraint claim_passed check (cardinality(passed) = cardinality(passed_at) and passed[cardinality(passed)] = state)
);
create index claim_order on orders.claim (order_id);

create table orders.claim_item (
  claim_id bigint not null,
  position smallint not null,
  -- The row that holds the pieces: as it was named, from the approval on the one that was split off for the claim.
  item_no smallint not null,
  quantity integer not null check (quantity > 0),
  accepted integer not null default 0 check (accepted >= 0),
  damaged integer not null default 0 check (damaged >= 0),
  refused integer not null default 0 check (refused >= 0),
  -- The row of the refused pieces, and the row that was made in exchange or again.
  refused_item_no smallint,
  new_item_no smallint,
  -- exchange: what is wanted instead, a piece for a piece; null is the same goods at the same price.
  replacement json,
  primary key (claim_id, position),
  check (accepted + damaged + refused in (0, quantity))
);

-- A state that was changed by hand is told to the log by the order that it belongs to.
create trigger hand_change after update of state on orders.claim for each row
  when (old.state is distinct from new.state and new.version = old.version)
  execute function orders.record_hand_change('claim', 'id', 'state');
