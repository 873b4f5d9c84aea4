-- Lock: the table is new; attempts and follow-ups are locked against writes while their two indexes are made, which read the tables once.
-- What gateways settled, line by line, with what it is of ours. One row a line of a file, so that the same file again is the same rows.
create table payments.settlement_line (
  id bigint generated always as identity primary key,
  gateway text not null,
  file_hash text not null,
  line integer not null,
  batch text not null,
  kind text not null check (kind in ('charge', 'refund', 'chargeback', 'fee')),
  key text,
  gateway_ref text not null,
  gross_minor bigint not null,
  fee_minor bigint not null,
  net_minor bigint not null,
  currency text not null,
  booked_on date not null,
  outcome text not null check (outcome in ('matched', 'amount_differs', 'not_done', 'doubled', 'unknown', 'fee')),
  subject_kind text check (subject_kind in ('charge', 'capture', 'refund', 'chargeback')),
  subject_id bigint,
  recorded_at timestamptz not null,
  unique (gateway, file_hash, line)
);
-- What moved once is settled once.
create unique index settlement_line_subject on payments.settlement_line (subject_kind, subject_id)
  where outcome in ('matched', 'amount_differs') and subject_kind <> 'chargeback';
create index settlement_line_breaks on payments.settlement_line (gateway, id) where outcome not in ('matched', 'fee');

-- A gateway that does not send our key is matched by its reference among what was asked in those days. Both cost next to nothing to keep.
-- squawk-ignore require-concurrent-index-creation
create index attempt_age on payments.attempt using brin (sent_at);
-- squawk-ignore require-concurrent-index-creation
create index follow_up_age on payments.follow_up using brin (created_at);
