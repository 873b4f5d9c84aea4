-- Lock: none that anyone waits for; a new function.
-- Compare-and-set over many rows: fewer changes than expected means that a row was changed underneath. 40001 makes the caller read
-- and decide again (src/platform/sql-retry.ts).
create function payments.expect_changed(expected bigint, changed bigint) returns void language plpgsql as $$
begin
  if changed <> expected then
    raise exception 'expected to change % rows, found % as they were read', expected, changed using errcode = '40001';
  end if;
end $$;
