-- Lock: SHARE UPDATE EXCLUSIVE on routing.quota_ledger while its rows are looked through; reading and writing go on.
alter table routing.quota_ledger validate constraint quota_ledger_kind_check;
