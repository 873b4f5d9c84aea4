-- Lock: each alter takes ACCESS EXCLUSIVE for an instant, since a constant default rewrites nothing; the two updates lock the rows of orders that have money or cancelled items.
-- What a payment part asks and what payments told of it: [[part, asked, covered, unknown, given back, goodwill promised, and once told: due,
-- authorized, captured, refunded, goodwill], …] in minor units. Null means: one part, which asks the total, and nothing was told yet.
-- A column and not a table: the usual order has one part and would pay a row and an index entry for it.
alter table orders.orders add column parts json;
-- A hold of the whole order is on; who and why stand in orders.hold.
alter table orders.orders add column held boolean not null default false;
alter table orders.orders add column duplicate_of bigint;

alter table orders.section add column part smallint not null default 0;
alter table orders.section add column money_state text not null default 'none';
alter table orders.section add constraint section_money_state check (money_state in ('none', 'partial', 'authorized', 'captured',
  'partially_refunded', 'refunded', 'over')) not valid;
alter table orders.section add column attention text[] not null default '{}';
alter table orders.section add column held boolean not null default false;
-- A section whose items all went to another one; it stays, so that its number is never another's.
alter table orders.section add column merged_into smallint;

alter table orders.item add column part smallint not null default 0;
-- withheld: paid, but not announced while a hold is on; cancel_requested and too_far_gone call for a person.
alter table orders.item add column flags text[] not null default '{}';
-- How a row with an origin came to be: split off it, or made in exchange or again for it.
alter table orders.item add column origin_kind text;
alter table orders.item add constraint item_origin_kind check (origin_kind in ('split', 'exchange', 'reship')
  and origin_item_no is not null or origin_kind is null) not valid;

create trigger hand_change_money after update of money_state on orders.section for each row
  when (old.money_state is distinct from new.money_state and new.version = old.version)
  execute function orders.record_hand_change('money', 'section_no', 'money_state');

create table orders.hold (
  id bigint generated always as identity primary key,
  order_id bigint not null,
  -- 0: the whole order.
  section_no smallint not null,
  owner text not null,
  reason text not null,
  held_at timestamptz not null,
  held_by text not null,
  released_at timestamptz,
  released_by text
);
-- One open hold for each owner and target: a repeated hold has no effect.
create unique index hold_open on orders.hold (order_id, section_no, owner) where released_at is null;
create index hold_order on orders.hold (order_id);

-- Orders with delivered goods that nobody confirmed yet, for the round that confirms after some days. Not an index on orders: one over
-- a column that changes would cost every change of an order its HOT update.
create table orders.to_confirm (
  order_id bigint primary key,
  delivered_at timestamptz not null
);
create index to_confirm_delivered on orders.to_confirm (delivered_at);

-- Parts by name, for people and checks.
create view orders.part as
  select o.id as order_id, (p ->> 0)::smallint as part, (p ->> 1)::bigint as asked_minor, (p ->> 2)::integer = 1 as covered,
    (p ->> 3)::integer = 1 as unknown, (p ->> 4)::bigint as given_back_minor, (p ->> 5)::bigint as goodwill_promised_minor,
    (p ->> 6)::bigint as due_minor, (p ->> 7)::bigint as authorized_minor, (p ->> 8)::bigint as captured_minor,
    (p ->> 9)::bigint as refunded_minor, (p ->> 10)::bigint as goodwill_minor
  from orders.orders o, json_array_elements(coalesce(o.parts, json_build_array(json_build_array(0, o.total_minor, 0, 0, 0, 0)))) as p;

-- Orders from before parts: what was covered was captured whole; what was given back was what had been cancelled.
with counted as (
  select o.id, o.total_minor, o.money_state,
    coalesce(sum(i.quantity * i.unit_price_minor - i.discount_minor + i.tax_minor) filter (where i.state = 'cancelled'), 0)
      + case when o.state = 'cancelled' then (select sum(s.shipping_minor) from orders.section s where s.order_id = o.id) else 0 end as cancelled_minor
  from orders.orders o join orders.item i on i.order_id = o.id
  where o.money_state <> 'none' or i.state = 'cancelled'
  group by o.id
)
update orders.orders o
set parts = json_build_array(case when c.money_state = 'none'
  then json_build_array(0, o.total_minor - c.cancelled_minor, 0, 0, 0, 0)
  else json_build_array(0, o.total_minor - c.cancelled_minor, 1, 0, 0, 0, o.total_minor - c.cancelled_minor, 0, o.total_minor,
    case c.money_state when 'refunded' then o.total_minor when 'partially_refunded' then c.cancelled_minor else 0 end, 0) end)
from counted c where c.id = o.id;
update orders.section s set money_state = o.money_state, version = s.version + 1
from orders.orders o where o.id = s.order_id and o.money_state <> 'none';
insert into orders.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
select s.order_id, array_agg('money'::text), array_agg(s.section_no::text), array_agg('none'::text), array_agg(s.money_state), 'sections know their money',
  'migration orders/0003', 'system:migration', coalesce(current_setting('throughline.traffic', true), 'unknown'), now()
from orders.section s where s.money_state <> 'none' group by s.order_id;
