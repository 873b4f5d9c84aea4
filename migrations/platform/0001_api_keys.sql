-- Lock: none that anyone waits for; the table is new.
-- Keys are kept as SHA-256 only: 32 random bytes need no slow hash, and whoever reads this table can not use it.
create table platform.api_key (
  id text primary key,
  secret_hash bytea not null unique,
  client text not null,
  scopes text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz
);
