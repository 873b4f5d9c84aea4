-- Lock: ACCESS EXCLUSIVE on routing.quota_ledger and routing.assignment for a moment each: the new checks are proven later, without that lock.
-- A place is reserved when a waybill is routed and committed when its goods are released to be prepared. Committing moves no number, but
-- it is an effect, and every effect has its row.
alter table routing.quota_ledger drop constraint quota_ledger_kind_check;
alter table routing.quota_ledger add constraint quota_ledger_kind_check check (kind in ('reserve', 'commit', 'give_back', 'burn')) not valid;
alter table routing.assignment add column committed boolean not null default false;
