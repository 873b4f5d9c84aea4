-- Lock: SHARE UPDATE EXCLUSIVE on routing.quota_rule while its rows are looked through.
alter table routing.quota_rule validate constraint quota_rule_overbook;
