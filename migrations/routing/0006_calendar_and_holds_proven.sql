-- Lock: SHARE UPDATE EXCLUSIVE on the tables whose checks are proven, while their rows are looked through; routing.delivery_day, which nothing refers to any more, goes.
alter table routing.zone validate constraint zone_kind;
alter table routing.vehicle validate constraint vehicle_shift;
alter table routing.slot validate constraint slot_day;
alter table routing.quota_ledger validate constraint quota_ledger_kind;
-- squawk-ignore ban-drop-table
drop table routing.delivery_day;
