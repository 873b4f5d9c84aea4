-- Lock: access exclusive on routing.assignment for an instant. By itself, so that a reader of that moment does not undo the index of 0017.
-- squawk-ignore require-concurrent-index-deletion
drop index routing.assignment_route;
