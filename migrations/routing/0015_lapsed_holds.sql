-- Lock: SHARE on routing.quota_ledger while the index is built: bookings wait for a scan of it, seconds where there are some millions of rows. Deploy it in a quiet hour.
-- Places that a checkout let go, by quota: those that it kept past the cut-off are lost as burnt ones are, and overbooking learns from both.
-- squawk-ignore require-concurrent-index-creation
create index quota_ledger_let_go on routing.quota_ledger (quota_id, occurred_at) where kind = 'let_go';
