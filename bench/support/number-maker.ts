import { openSync, writeSync } from 'node:fs'
import { systemClock } from '#kernel/time.ts'
import { readConfig } from '#platform/config.ts'
import { openDatabases } from '#platform/database.ts'
import { openIdBlocks } from '#platform/id-blocks.ts'
import { orderNumberOf } from '#orders'
import { openEngines } from '../../src/engines.ts'

/**
 * One process that makes order numbers as placing does, batch after batch, and writes each down as eight bytes, until it has
 * made `count` or is killed. What it had made and not yet written when it was killed is lost, as with a crash between two steps.
 */
const [, , dataDir = '', file = '', count = '0'] = process.argv
const digits = '0123456789BCDFGHJKMNPQRSTVWXYZ'
const engines = await openEngines(readConfig({ DATA_DIR: dataDir }), () => undefined)
const databases = openDatabases({ login: engines.server.loginFor, clock: systemClock, maxConnections: 2, statementTimeoutMs: 30_000 })
const ids = openIdBlocks(databases.of('orders'), 'order')
const live = { traffic: 'live', rehearsalId: null } as const
const out = openSync(file, 'a')
const most = 4_096
const buffer = new BigUint64Array(most)
let filled = 0

/** Twelve digits of thirty kinds fit into 63 bits, so that a number is its own exact key. */
function keyOf(number: string): bigint {
  let key = 0n
  for (const character of number.slice(3).replace('-', '')) key = key * 30n + BigInt(digits.indexOf(character))
  return key
}

for (let made = 0; made < Number(count); ) {
  const batch = 1 + Math.floor(Math.random() * 128)
  for (const id of await ids.take(live, batch)) {
    buffer[filled] = keyOf(orderNumberOf('TL', id, 'live', Math.random))
    filled += 1
    if (filled === most) {
      writeSync(out, new Uint8Array(buffer.buffer, 0, filled * 8))
      filled = 0
    }
  }
  made += batch
}
writeSync(out, new Uint8Array(buffer.buffer, 0, filled * 8))
await databases.close()
process.exit(0)
