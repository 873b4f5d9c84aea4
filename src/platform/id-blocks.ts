import { invariant } from '#kernel/outcome.ts'
import { type ContextDatabase, type Scope, type Statement, statement } from '#platform/database.ts'
import type { Traffic } from '#platform/request-context.ts'

/** Ids in one block. A block is one update of one row, so at 2,500 ids/s the row is touched about once a second. */
export const idsPerBlock = 4096

export interface IdBlocks {
  /** `count` ids, rising, never handed out before by any process: block number × 4096 + position. Ids of a block left behind are not used again. */
  take(scope: Scope, count: number): Promise<number[]>
}

/**
 * Ids from blocks leased in the database: no call per id, no hot row, and no use of the clock, so clock steps, restarts and
 * many processes cannot make an id twice.
 */
export function openIdBlocks(database: ContextDatabase, name: string): IdBlocks {
  const leaseBlocks: Statement<{ block: number }> = statement(
    `${database.context}.lease_id_blocks`,
    `insert into ${database.context}.id_block (name, next_block) values ($1, 1 + $2)
     on conflict (name) do update set next_block = id_block.next_block + $2
     returning next_block - $2 as block`,
  )
  // Live and shadow have separate sequences: each its own database, so each its own block here.
  const open = new Map<Traffic, Block>()
  const spare = new Map<Traffic, Block>()
  const leasing = new Map<Traffic, Promise<void>>()

  const lease = (scope: Scope, blocks: number): Promise<void> => {
    let under = leasing.get(scope.traffic)
    if (under === undefined) {
      // A lease commits on its own, before any id of it is used: a rolled-back user loses ids, never repeats them.
      under = database
        .write(scope, (context) => context.query(leaseBlocks, [name, blocks]))
        .then(([row]) => {
          invariant(row, 'a lease returns its block')
          spare.set(scope.traffic, { next: row.block * idsPerBlock, end: (row.block + blocks) * idsPerBlock })
        })
        .finally(() => leasing.delete(scope.traffic))
      leasing.set(scope.traffic, under)
    }
    return under
  }

  return {
    async take(scope, count) {
      invariant(count > 0 && count <= 1_000_000, `cannot take ${count} ids at once`)
      for (;;) {
        let block = open.get(scope.traffic)
        if (block === undefined || block.end - block.next < count) {
          block = spare.get(scope.traffic)
          if (block !== undefined) {
            spare.delete(scope.traffic)
            open.set(scope.traffic, block)
          }
        }
        if (block !== undefined && block.end - block.next >= count) {
          const first = block.next
          block.next += count
          // The next block is leased when half of this one is used: takers are inside transactions, and if they all had to wait
          // for a lease they would hold every connection that the lease itself needs.
          if (block.end - block.next < idsPerBlock / 2 && !spare.has(scope.traffic)) lease(scope, 1).catch(() => undefined)
          return Array.from({ length: count }, (_, index) => first + index)
        }
        await lease(scope, Math.ceil(count / idsPerBlock))
      }
    },
  }
}

/** Ids from `next` up to, not including, `end`. */
interface Block {
  next: number
  readonly end: number
}
