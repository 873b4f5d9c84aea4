-- Lock: none; settings of functions.
-- Behind a lock that waits for a long survey every read and write of facts queues: a month waits a second, and its round comes again.
alter function tracking.open_month(date) set lock_timeout = '1s';
alter function tracking.detach_month(date) set lock_timeout = '1s';
