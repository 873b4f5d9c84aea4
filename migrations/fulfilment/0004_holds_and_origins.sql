-- Lock: ACCESS EXCLUSIVE on fulfilment.waybill for a moment (columns that need no rewrite), then SHARE while an index is built that no row is in
-- yet: one look at each row, about a second for a million. Rows of later attempts are updated. Fulfilment.hold is new.
-- `ask` numbers the requests for a route: routing answers to a number, and an answer to an older one comes too late. `holds` are the kinds
-- of holds that are open, beside the state, so that moving a waybill needs no look into the other table. `origin_id` is the waybill that
-- this one brings back or replaces; `claim_id` the claim of the order that asked for it. `reference` is the name that `made_by` gave it.
alter table fulfilment.waybill
  add column ask integer not null default 1 check (ask >= 1),
  add column holds text[] not null default '{}',
  add column origin_id bigint,
  add column claim_id bigint,
  add column made_by text,
  add column reference text,
  add column cut_off_at timestamptz;
update fulfilment.waybill set ask = attempt + case when state = 'rescheduled' then 1 else 0 end
where attempt > 1 or state = 'rescheduled';
-- A file is one transaction, and that can not build concurrently.
-- squawk-ignore require-concurrent-index-creation
create unique index waybill_reference on fulfilment.waybill (made_by, reference) where reference is not null;

-- What must not go on, by whom and why. A row for each kind and owner; who holds twice holds once.
create table fulfilment.hold (
  id bigint generated always as identity primary key,
  waybill_id bigint not null,
  kind text not null,
  owner text not null,
  reason text not null,
  expires_at timestamptz,
  held_at timestamptz not null,
  -- When its time was over and the slot went to others; the hold itself stays until it is released.
  expired_at timestamptz,
  released_at timestamptz,
  released_by text
);
create unique index hold_open on fulfilment.hold (waybill_id, kind, owner) where released_at is null;
create index hold_due on fulfilment.hold (expires_at) where released_at is null and expired_at is null and expires_at is not null;
