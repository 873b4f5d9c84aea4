-- Lock: none that anyone waits for; every table is new.
create function ledger.sum_of(amounts bigint[]) returns bigint language sql immutable parallel safe
  return (select coalesce(sum(amount), 0)::bigint from unnest(amounts) as amount);

-- The journal: one row for each movement of money, its lines in two arrays. Debit is positive, credit negative, and the sum is
-- nothing, or the row is not taken. Rows are never changed; the role may only add and read.
create table ledger.entry (
  id bigint generated always as identity primary key,
  -- What moved, by the one who moved it: a second booking of the same movement is refused here.
  key text not null unique,
  kind text not null,
  order_id bigint,
  currency text not null check (length(currency) = 3),
  accounts text[] not null,
  amounts bigint[] not null,
  reason text not null,
  actor text not null,
  command_id text not null,
  rehearsal_id text,
  occurred_at timestamptz not null,
  constraint entry_balances check (cardinality(accounts) = cardinality(amounts) and cardinality(amounts) >= 2 and ledger.sum_of(amounts) = 0)
);
create index entry_order on ledger.entry (order_id) where order_id is not null;
create index entry_age on ledger.entry using brin (occurred_at);

-- Accounts of customers, which are promises of ours: wallet, points, vouchers. The balance is what we owe, so a credit raises it.
-- Accounts of the house (gateways, orders, fees) have no row here: one would be changed by every payment, and nothing limits them.
create table ledger.account (
  id text primary key,
  means text not null check (means in ('wallet', 'points', 'voucher')),
  holder text not null,
  currency text not null check (length(currency) = 3),
  balance_minor bigint not null constraint account_not_below_zero check (balance_minor >= 0),
  version integer not null default 1,
  opened_at timestamptz not null
) with (fillfactor = 70);

-- One use of an account to pay: what was set aside, and what became of it.
create table ledger.account_use (
  key text primary key,
  account text not null references ledger.account (id),
  order_id bigint,
  amount_minor bigint not null check (amount_minor > 0),
  captured_minor bigint not null,
  released_minor bigint not null,
  refunded_minor bigint not null,
  used_at timestamptz not null,
  constraint account_use_adds_up check (captured_minor >= 0 and released_minor >= 0 and captured_minor + released_minor <= amount_minor
    and refunded_minor between 0 and captured_minor)
) with (fillfactor = 70);
create index account_use_account on ledger.account_use (account);
