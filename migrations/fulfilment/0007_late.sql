-- Lock: none; the table is new.
-- Waybills that waited longer with their warehouse or merchant than was promised: noticed once for each state and stay in it. A row says what
-- was seen, and stays when the waybill has gone on.
create table fulfilment.late (
  waybill_id bigint not null,
  state text not null,
  since timestamptz not null,
  promised_at timestamptz not null,
  noticed_at timestamptz not null,
  primary key (waybill_id, state, since)
);
