import { hash } from 'node:crypto'
import { type ContextDatabase, type Scope, type Statement, statement, type WriteContext } from '#platform/database.ts'
import {
  largestTake,
  type NewRecord,
  restAfterFailureMs,
  type StreamRecord,
  type Streams,
  type StreamsLog,
  type TakeRecords,
} from '#platform/streams.ts'

export interface PostgresStreamsOptions {
  /** The context whose schema has the tables `stream_…`. */
  readonly database: ContextDatabase
  readonly scope: Scope
  /** Partitions of a topic that is new, 8 unless told; a topic keeps what it has. */
  readonly partitions?: number
  /** Longest wait between looks, ms; 200 unless told. What this process itself appends is seen at once. */
  readonly pollMs?: number
  /** How long a member that is killed keeps its partitions, ms; 10,000 unless told. */
  readonly holdMs?: number
  readonly log: StreamsLog
}

/** A lease is renewed, and the share looked at anew, this often while it runs: between that a round is one read. */
const renewalsALease = 5

interface RecordRow {
  partition: number
  position: number
  key: string
  value: string
}

/** Streams without a broker: a log table, a cursor for each group and partition, and leases that share the partitions out. */
export function openPostgresStreams(options: PostgresStreamsOptions): Streams {
  const { database, scope, partitions = 8 } = options
  const sql = statementsOf(database.context)
  const readers = new Set<PartitionReader>()
  const counts = new Map<string, number>()
  const countOf = async (topic: string): Promise<number> => {
    const known = counts.get(topic)
    if (known !== undefined) return known
    const found = await database.write(
      scope,
      async (context) => {
        await context.query(sql.openTopic, [topic, partitions])
        return (await context.query(sql.countPartitions, [topic]))[0]?.n ?? partitions
      },
      { repeatable: true },
    )
    counts.set(topic, found)
    return found
  }
  return {
    async append(topic, records) {
      if (records.length === 0) return
      const count = await countOf(topic)
      await database.write(scope, (context) => append(context, { sql, topic, count }, records))
      for (const reader of readers) if (reader.topic === topic) reader.wake()
    },
    read(topic, group, take, { largest = largestTake } = {}) {
      const reader = new PartitionReader({ ...options, sql, topic, group, take, largest, opened: () => countOf(topic) })
      readers.add(reader)
      return {
        async close() {
          readers.delete(reader)
          await reader.close()
        },
      }
    },
    async waiting(topic, group) {
      await countOf(topic)
      const rows = await database.read(scope, (context) => context.query(sql.waiting, [topic, group]))
      return rows[0]?.n ?? 0
    },
    close: async () => void (await Promise.all([...readers].map((reader) => reader.close()))),
  }
}

/** Records of each partition in one slice of pruning. */
const prunedAtOnce = 1000

/**
 * Drops records that every group has read and that are older than an instant, in slices; says how many. A topic that no group reads keeps
 * all it has, and a group that reads no more holds it back until its cursors are deleted.
 */
export async function pruneStreams(database: ContextDatabase, scope: Scope, before: Date): Promise<number> {
  const { prune } = statementsOf(database.context)
  for (let gone = 0; ; ) {
    const slice = await database.write(scope, async (context) => (await context.query(prune, [before, prunedAtOnce]))[0]?.n ?? 0, {
      repeatable: true,
    })
    gone += slice
    if (slice === 0) return gone
  }
}

async function append(
  context: WriteContext,
  { sql, topic, count }: { sql: Statements; topic: string; count: number },
  records: readonly NewRecord[],
): Promise<void> {
  const placed = records.map((record) => ({ ...record, partition: hash('md5', record.key, 'buffer').readUInt32BE(0) % count }))
  // By partition, which is the order of the locks; within one, as they were given.
  placed.sort((a, b) => a.partition - b.partition)
  const sizes = new Map<number, number>()
  const nth = placed.map(({ partition }) => {
    const before = sizes.get(partition) ?? 0
    sizes.set(partition, before + 1)
    return before
  })
  await context.query(sql.append, [
    topic,
    [...sizes.keys()],
    [...sizes.values()],
    placed.map(({ partition }) => partition),
    nth,
    placed.map(({ key }) => key),
    placed.map(({ value }) => value),
    context.now,
  ])
}

interface ReaderOptions extends PostgresStreamsOptions {
  readonly sql: Statements
  readonly topic: string
  readonly group: string
  readonly take: TakeRecords
  readonly largest: number
  opened(): Promise<number>
}

/** One member of a group. */
class PartitionReader {
  readonly topic: string
  readonly #options: ReaderOptions
  readonly #member = crypto.randomUUID()
  #closed = false
  #wake: () => void = () => undefined
  #woken = false
  /** Partitions that are ours by lease, and where each is read on. */
  #held = new Map<number, number>()
  #renewAt = 0
  readonly #ended: Promise<void>

  constructor(options: ReaderOptions) {
    this.#options = options
    this.topic = options.topic
    this.#ended = this.#run()
  }

  wake(): void {
    this.#woken = true
    this.#wake()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.wake()
    await this.#ended
  }

  async #run(): Promise<void> {
    const { pollMs = 200, log, topic, group } = this.#options
    let isOpen = false
    while (!this.#closed) {
      let rest = pollMs
      try {
        if (!isOpen) await this.#options.opened()
        isOpen = true
        if (await this.#round()) rest = 0
      } catch (error) {
        log.warn({ err: error, topic, group }, 'records of a stream were not taken; they come again')
        this.#renewAt = 0
        rest = restAfterFailureMs
      }
      if (rest > 0) await this.#pause(rest)
    }
    await this.#leave().catch((error: unknown) =>
      log.warn({ err: error, topic, group }, 'partitions were not given back; their lease ends'),
    )
  }

  async #pause(ms: number): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#woken = false
  }

  async #renew(): Promise<void> {
    const { database, scope, sql, topic, group, holdMs = 10_000 } = this.#options
    const now = Date.now()
    const rows = await database.write(
      scope,
      async (context) => {
        await context.query(sql.meet, [topic, group, this.#member, new Date(now + holdMs), new Date(now)])
        return context.query(sql.hold, [topic, group, this.#member, new Date(now + holdMs), new Date(now)])
      },
      { repeatable: true },
    )
    this.#held = new Map(rows.flatMap(({ partition, next_offset: from }) => (partition === null ? [] : [[partition, from]])))
    this.#renewAt = now + holdMs / renewalsALease
  }

  /** One look at the partitions that are ours; true when one of them had a full take. */
  async #round(): Promise<boolean> {
    const { database, scope, sql, topic, group, take, largest } = this.#options
    if (Date.now() >= this.#renewAt) await this.#renew()
    if (this.#held.size === 0) return false
    const columns = [[...this.#held.keys()], [...this.#held.values()]]
    const found = await database.read(scope, (context) => context.query(sql.records, [topic, ...columns, largest]))
    let isFull = false
    for (const [partition, rows] of Map.groupBy(found, (row) => row.partition)) {
      if (this.#closed) break
      // Takes may be long: a lease must not end among them, and what another has taken over meanwhile is not ours to take.
      if (Date.now() >= this.#renewAt) await this.#renew()
      const from = this.#held.get(partition)
      const first = rows[0]?.position
      if (from === undefined || first === undefined || from > first) continue
      await take(rows.map(({ position, key, value }): StreamRecord => ({ partition, offset: position, key, value })))
      const next = (rows.at(-1)?.position ?? 0) + 1
      const moved = await database.write(scope, (context) => context.query(sql.move, [topic, group, partition, from, next, this.#member]))
      // Another member may have taken over meanwhile; then it is its cursor, and these records come to it again.
      if (moved.length === 0) this.#renewAt = 0
      this.#held.set(partition, next)
      if (rows.length === largest) isFull = true
    }
    return isFull
  }

  async #leave(): Promise<void> {
    const { database, scope, sql, topic, group } = this.#options
    await database.write(scope, (context) => context.query(sql.leave, [topic, group, this.#member]))
  }
}

interface Statements {
  readonly openTopic: Statement<unknown>
  readonly countPartitions: Statement<{ n: number }>
  readonly append: Statement<unknown>
  readonly meet: Statement<unknown>
  readonly hold: Statement<{ partition: number | null; next_offset: number }>
  readonly records: Statement<RecordRow>
  readonly move: Statement<{ partition: number }>
  readonly leave: Statement<unknown>
  readonly waiting: Statement<{ n: number }>
  readonly prune: Statement<{ n: number }>
}

function statementsOf(schema: string): Statements {
  const named = <Row>(name: string, text: string) => statement<Row>(`${schema}.stream_${name}`, text)
  return {
    openTopic: named(
      'open',
      // Only where the topic is new: more partitions would tear keys from their order.
      `insert into ${schema}.stream_partition (topic, partition)
       select $1, n from generate_series(0, $2::int - 1) as n where not exists (select from ${schema}.stream_partition where topic = $1)
       on conflict do nothing`,
    ),
    countPartitions: named('partitions', `select count(*)::int as n from ${schema}.stream_partition where topic = $1`),
    append: named(
      'append',
      `with sizes as (
         select * from unnest($2::int[], $3::int[]) as sizes (partition, size)
       ), locked as (
         select partition from ${schema}.stream_partition where topic = $1 and partition = any($2::int[]) order by partition for update
       ), placed as (
         update ${schema}.stream_partition as p set next_offset = p.next_offset + sizes.size
         from sizes join locked using (partition) where p.topic = $1 and p.partition = sizes.partition
         returning p.partition, p.next_offset - sizes.size as first_offset
       )
       insert into ${schema}.stream_record (topic, partition, position, key, value, appended_at)
       select $1, partition, first_offset + nth, key, value, $8
       from unnest($4::int[], $5::int[], $6::text[], $7::text[]) as given (partition, nth, key, value) join placed using (partition)`,
    ),
    meet: named(
      'meet',
      `with met as (
         insert into ${schema}.stream_member (topic, consumer_group, member, seen_until) values ($1, $2, $3, $4)
         on conflict (topic, consumer_group, member) do update set seen_until = excluded.seen_until
       ), gone as (
         delete from ${schema}.stream_member where topic = $1 and consumer_group = $2 and seen_until < $5 and member <> $3
       )
       insert into ${schema}.stream_cursor (topic, consumer_group, partition)
       select $1, $2, partition from ${schema}.stream_partition where topic = $1 on conflict do nothing`,
    ),
    hold: named(
      'hold',
      // As many as a fair share, those held already first; what is over it is let go for others.
      `with fair as (
         select greatest(1, ceil((select count(*) from ${schema}.stream_partition where topic = $1)::numeric
           / greatest(1, (select count(*) from ${schema}.stream_member where topic = $1 and consumer_group = $2 and seen_until >= $5))))::int as most
       ), free as (
         select partition, holder from ${schema}.stream_cursor
         where topic = $1 and consumer_group = $2 and (holder is null or holder = $3 or held_until < $5)
         order by partition for update skip locked
       ), mine as (
         select partition, row_number() over (order by (holder = $3) desc nulls last, partition) <= (select most from fair) as kept from free
       )
       update ${schema}.stream_cursor as c
       set holder = case when kept then $3 end, held_until = case when kept then $4::timestamptz end
       from mine where c.topic = $1 and c.consumer_group = $2 and c.partition = mine.partition and (kept or c.holder = $3)
       returning case when kept then c.partition end as partition, next_offset`,
    ),
    records: named(
      'records',
      `select partition, position, key, value from unnest($2::int[], $3::bigint[]) as held (partition, next_offset)
       cross join lateral (
         select position, key, value from ${schema}.stream_record as r
         where r.topic = $1 and r.partition = held.partition and r.position >= held.next_offset order by position limit $4
       ) as next order by partition, position`,
    ),
    move: named(
      'move',
      `update ${schema}.stream_cursor set next_offset = $5
       where topic = $1 and consumer_group = $2 and partition = $3 and next_offset = $4 and holder = $6 returning partition`,
    ),
    leave: named(
      'leave',
      `with gone as (
         delete from ${schema}.stream_member where topic = $1 and consumer_group = $2 and member = $3
       )
       update ${schema}.stream_cursor set holder = null, held_until = null where topic = $1 and consumer_group = $2 and holder = $3`,
    ),
    waiting: named(
      'waiting',
      // What was pruned waits for nobody: a new group begins at what is left.
      `select coalesce(sum(p.next_offset - greatest(coalesce(c.next_offset, 0), coalesce((select min(r.position) from ${schema}.stream_record as r
         where r.topic = p.topic and r.partition = p.partition), p.next_offset))), 0)::bigint as n from ${schema}.stream_partition as p
       left join ${schema}.stream_cursor as c on c.topic = p.topic and c.partition = p.partition and c.consumer_group = $2 where p.topic = $1`,
    ),
    prune: named(
      'prune',
      // Only the oldest of each partition are looked at, so that a slice costs the same however long the log is.
      `with read as (
         select topic, partition, min(next_offset) as until from ${schema}.stream_cursor group by topic, partition
       ), oldest as (
         select read.topic, read.partition, first.position from read cross join lateral (
           select position, appended_at from ${schema}.stream_record as r
           where r.topic = read.topic and r.partition = read.partition and r.position < read.until order by position limit $2
         ) as first where first.appended_at < $1
       ), gone as (
         delete from ${schema}.stream_record as r using oldest
         where r.topic = oldest.topic and r.partition = oldest.partition and r.position = oldest.position returning 1
       )
       select count(*)::int as n from gone`,
    ),
  }
}
