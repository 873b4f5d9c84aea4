-- Lock: access exclusive on fulfilment.change for an instant. By itself, so that a reader of that moment costs no index that was minutes in the making.
-- squawk-ignore require-concurrent-index-deletion
drop index fulfilment.change_root;
