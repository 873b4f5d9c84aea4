-- Lock: SHARE on orders.orders while three indexes are built (about a second for a million orders): reading goes on, writing waits. Order_search is new.
-- A file is one transaction, and that can not build concurrently.
-- Lists, newest first: by store, by customer, of all. Placed_at, store and customer never change, so no change of an order has
-- to touch these indexes; states do change, and stay out of them (docs/decisions/0012-the-list-reads-the-head.md).
-- squawk-ignore require-concurrent-index-creation
create index orders_placed on orders.orders (placed_at, id);
-- squawk-ignore require-concurrent-index-creation
create index orders_store_placed on orders.orders (store_id, placed_at, id);
-- squawk-ignore require-concurrent-index-creation
create index orders_customer_placed on orders.orders (customer_id, placed_at, id);
-- Replaced by the one before.
-- squawk-ignore require-concurrent-index-deletion
drop index orders.orders_customer;
-- Orders that call for a person: few, and whoever sets or clears a flag pays for the index.
-- squawk-ignore require-concurrent-index-creation
create index orders_attention on orders.orders (placed_at, id) where attention <> '{}';

-- Words to find an order by, put together when it is placed or edited (src/orders/search-words.ts): number, customer, receivers, postcodes,
-- cities, SKUs; `@store`, and `#n` for the stretch of 16,384 ids that it is in, so that a search can go from new to old by stretches.
create table orders.order_search (
  order_id bigint primary key,
  words tsvector not null
);
create index order_search_words on orders.order_search using gin (words);
