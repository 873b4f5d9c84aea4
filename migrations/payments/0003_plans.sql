-- Lock: ACCESS EXCLUSIVE on request, leg, attempt, refund and webhook; instants, but for the new unique index of request: seconds for a few million rows. Deploy it in a quiet hour.
-- A request is for one part of an order: 0 the order as a whole, 1 to 999 a section, from 1000 a later difference.
alter table payments.request add column part smallint not null default 0;
alter table payments.request add column customer_id text not null default '';
-- together: all legs are authorised before any is captured; apart: each is taken as it comes.
alter table payments.request add column settle text not null default 'together';
alter table payments.request add column capture text not null default 'now';
-- apart: how much must be in hand for the goods to be prepared; null: all that is due.
alter table payments.request add column release_minor bigint;
-- Set while nobody has paid; null once what must be secured is secured.
alter table payments.request add column expires_at timestamptz;
-- Given as goodwill, which leaves what is due as it is: under way and done, and done.
alter table payments.request add column goodwill_held_minor bigint not null default 0;
alter table payments.request add column goodwill_minor bigint not null default 0;
alter table payments.request add constraint request_plan check (settle in ('together', 'apart') and capture in ('now', 'on_shipment')
  and release_minor >= 0 and goodwill_minor between 0 and goodwill_held_minor) not valid;
alter table payments.request drop constraint request_one_alive;
-- Migrations run in one transaction each, so the index can not be built concurrently beforehand.
-- squawk-ignore require-concurrent-index-creation
create unique index request_one_alive on payments.request (order_id, part, closed);
-- squawk-ignore require-concurrent-index-creation
create index request_expiry on payments.request (expires_at) where expires_at is not null;

-- Legs that were brought by one command are one round: settled together, they fail together.
alter table payments.leg add column round smallint not null default 1;
-- charge: one call takes the money; authorize: it is set aside first, captures and voids follow.
alter table payments.leg add column mode text not null default 'charge';
alter table payments.leg add column gateway text;
alter table payments.leg add column payer text;
alter table payments.leg add column instalments smallint not null default 1;
alter table payments.leg add column due_at timestamptz;
-- Where the card is from, as far as its gateway told when it was stored.
alter table payments.leg add column country text;
-- Set aside and not yet taken; of that: being captured, being voided, and not needed any more (it goes with the last capture or by a void).
alter table payments.leg add column authorized_minor bigint not null default 0;
alter table payments.leg add column capture_held_minor bigint not null default 0;
alter table payments.leg add column void_held_minor bigint not null default 0;
alter table payments.leg add column unneeded_minor bigint not null default 0;
-- Taken back by the bank and not won back.
alter table payments.leg add column disputed_minor bigint not null default 0;
alter table payments.leg add constraint leg_mode check (mode in ('charge', 'authorize')) not valid;
alter table payments.leg drop constraint leg_money;
alter table payments.leg add constraint leg_money check (0 <= refunded_minor and refunded_minor <= refund_held_minor
  and refund_held_minor <= captured_minor and authorized_minor >= 0 and authorized_minor + captured_minor <= amount_minor
  and disputed_minor between 0 and captured_minor) not valid;
alter table payments.leg add constraint leg_promise check (capture_held_minor >= 0 and 0 <= void_held_minor
  and void_held_minor <= unneeded_minor and unneeded_minor + capture_held_minor <= authorized_minor) not valid;

-- Which version of the store's mix chose the gateway; null: there was no choice.
alter table payments.attempt add column mix_version integer;
-- What the customer has to do, while the gateway waits for it.
alter table payments.attempt add column action json;
alter table payments.attempt drop constraint attempt_state_check;
alter table payments.attempt add constraint attempt_state_check check (
  state in ('created', 'sent', 'requires_action', 'succeeded', 'declined_soft', 'declined_hard', 'unreachable', 'unknown')) not valid;
alter table payments.attempt drop constraint attempt_is_watched;
alter table payments.attempt add constraint attempt_is_watched
  check ((look_at is not null) = (state in ('created', 'sent', 'requires_action', 'unknown'))) not valid;

-- Refunds become one kind of follow-up of a charge, beside captures, voids and credits: one table, one life cycle, one sweep.
-- Nothing has been released yet that reads it by its old name.
-- squawk-ignore renaming-table
alter table payments.refund rename to follow_up;
alter table payments.follow_up add column kind text not null default 'refund';
-- Of a capture: no further one will come, what is left of the authorisation is released with it.
alter table payments.follow_up add column last boolean not null default false;
alter table payments.follow_up add column goodwill boolean not null default false;
-- The credit to the customer's wallet that pays out a refund which its gateway would not do.
alter table payments.follow_up add column replaced_by bigint;
alter table payments.follow_up add constraint follow_up_kind check (kind in ('capture', 'void', 'refund', 'credit')) not valid;
alter table payments.follow_up drop constraint refund_state_check;
alter table payments.follow_up add constraint follow_up_state check (
  state in ('requested', 'approved', 'sent', 'pending', 'succeeded', 'failed', 'unknown', 'manual', 'wallet')) not valid;
alter table payments.follow_up add constraint follow_up_replaced check ((replaced_by is not null) = (state = 'wallet')) not valid;
-- squawk-ignore require-concurrent-index-deletion
drop index payments.refund_one_stray;
-- squawk-ignore require-concurrent-index-creation
create unique index follow_up_one_stray on payments.follow_up (attempt_id) where stray and state <> 'wallet';
drop trigger refund_hand_change on payments.follow_up;
create function payments.record_hand_change_of_follow_up() returns trigger language plpgsql as $$
begin
  insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
  values (
    new.request_id, array[new.kind], array[new.id::text], array[old.state], array[new.state], 'by hand', '', session_user,
    coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp()
  );
  return null;
end
$$;
create trigger follow_up_hand_change after update of state on payments.follow_up for each row
  when (old.state is distinct from new.state and new.version = old.version) execute function payments.record_hand_change_of_follow_up();

-- Money of a charge that the bank took back, or gave back.
create table payments.dispute (
  id bigint primary key,
  request_id bigint not null,
  leg_id bigint not null,
  attempt_id bigint not null,
  gateway text not null,
  event_id text not null,
  amount_minor bigint not null check (amount_minor > 0),
  won boolean not null,
  created_at timestamptz not null,
  constraint dispute_once unique (gateway, event_id)
);
create index dispute_leg on payments.dispute (leg_id);

-- What a webhook says, in our words; null while its gateway has still to be asked about it.
alter table payments.webhook add column notice json;
-- Whoever reads these three reads them of webhooks that were understood, where they are set as before.
-- squawk-ignore ban-drop-not-null
alter table payments.webhook alter column kind drop not null;
-- squawk-ignore ban-drop-not-null
alter table payments.webhook alter column subject_id drop not null;
-- squawk-ignore ban-drop-not-null
alter table payments.webhook alter column outcome drop not null;
alter table payments.webhook drop constraint webhook_kind_check;
alter table payments.webhook add constraint webhook_kind
  check (kind in ('charge', 'capture', 'void', 'refund', 'credit', 'dispute')) not valid;

-- Which gateways a store pays by. Rows are added, never changed: the highest version counts, and an attempt names the one that chose.
create table payments.gateway_mix (
  id bigint generated always as identity primary key,
  store_id text not null,
  version integer not null check (version > 0),
  mix json not null,
  actor text not null,
  command_id text not null,
  created_at timestamptz not null,
  constraint gateway_mix_version unique (store_id, version)
);

-- Cards that customers keep at a gateway: its token and what may be shown of the card.
create table payments.card (
  id bigint primary key,
  customer_id text not null,
  gateway text not null,
  token text not null,
  brand text not null,
  last_four text not null,
  expires text not null,
  country text not null,
  created_at timestamptz not null,
  removed_at timestamptz,
  constraint card_once unique (customer_id, gateway, token)
);

-- A card on its way to be kept; the customer may have to act, as in 3-D Secure.
create table payments.binding (
  id bigint primary key,
  customer_id text not null,
  gateway text not null,
  token text not null,
  return_url text not null,
  state text not null check (state in ('sent', 'requires_action', 'bound', 'refused', 'unknown')),
  gateway_ref text,
  action json,
  reason text,
  card_id bigint,
  created_at timestamptz not null,
  version integer not null default 1
);
create index binding_customer on payments.binding (customer_id);
create trigger binding_hand_change after update of state on payments.binding for each row
  when (old.state is distinct from new.state and new.version = old.version) execute function payments.record_hand_change('binding');
